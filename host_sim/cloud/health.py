"""Measures whether the cloud's parts work, each by using it, each for a limited time.

Must never pile up: a part that does not answer is asked by one thread, however many ask how it is. Must never
tell why a part fails: that is for the log.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal

from host_sim.cloud.catalogue.devices import MISSED
from host_sim.cloud.catalogue.presence import heard_since
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.exchange.uplink import Broker
from host_sim.cloud.seldom import Seldom
from host_sim.cloud.settings import Settings
from host_sim.cloud.shared_redis import connect
from host_sim.cloud.storage.database import FAILURES, Database, reason_of
from host_sim.cloud.storage.patience import patience

log = logging.getLogger(__name__)

LIMIT_S = 2.0  # that a part may take to answer
FRESH_S = 1.0  # that a report is good for whoever asks next
COUNT_S = 10.0  # the same for the count of devices
UNSTORED_S = 30.0  # for which a turn that could not be stored counts, though small things can be again
STUCK_S = 15.0  # without a turn: the exchange hangs

Status = Literal["operational", "degraded", "not_configured"]
NEEDED = ("api", "database", "redis", "mqtt", "worker")  # of those that are configured
SPARE = ("redis",)  # of those: what a worker does without for a while
ABSENT = ("build_service", "cloud_editor")  # this cloud has none


@dataclass(frozen=True, slots=True)
class Service:
    """How a part is, and what it took to answer in ms, or None where it was not asked or did not answer."""

    status: Status
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """`at`: ms since 1970. `active_devices` is None where they could not be counted."""

    at: int
    services: dict[str, Service]
    active_devices: int | None

    @property
    def checks(self) -> dict[str, bool]:
        """Of what is needed and configured: whether it works."""
        return {
            name: one.status == "operational"
            for name, one in self.services.items()
            if name in NEEDED and one.status != "not_configured"
        }

    @property
    def works(self) -> bool:
        return all(self.checks.values())

    @property
    def serves(self) -> bool:
        """Whether requests belong here. Without Redis a worker goes on, and so do all others at once."""
        return all(works for name, works in self.checks.items() if name not in SPARE)


class _Probe:
    """Asks a part on a thread of its own. One run at a time: who comes meanwhile waits for the same one."""

    def __init__(self, name: str, ask: Callable[[], object]) -> None:
        self._name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._seldom = Seldom()
        self._run: Future[float] | None = None

    def begin(self) -> "Future[float]":
        """Gives the ms that the answer took, or raises what was in the way."""
        with self._lock:
            if self._run is None or self._run.done():
                self._run = Future()
                name = f"health-{self._name}"
                threading.Thread(target=self._work, args=(self._run,), name=name, daemon=True).start()
            return self._run

    def _work(self, run: "Future[float]") -> None:
        began = time.perf_counter()
        try:
            with patience():  # what leads nowhere is not held on to: something else may
                self._ask()
        except Exception as error:  # whatever it is, the part does not work
            # What SQLAlchemy says holds the statement; of the others their text.
            text = "" if isinstance(error, FAILURES) else str(error).partition("\n")[0]
            reason = text or reason_of(error)
            if self._seldom.now(reason):
                log.warning("%s does not work: %s", self._name, reason)
            run.set_exception(error)
        else:
            run.set_result(1000 * (time.perf_counter() - began))


class Health:
    """Reports of a running cloud's parts."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        exchange: Exchange,
        uplink: Broker,
        loop: Callable[[], asyncio.AbstractEventLoop | None],
        limit_s: float = LIMIT_S,
    ) -> None:
        """`loop`: gives the one that serves requests, once there is one."""
        self._limit_s = limit_s
        self._database = database
        self._exchange = exchange
        self._loop = loop
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "health")
        self._report: Report | None = None
        self._good_until = 0.0
        self._count: int | None = None
        self._count_good_until = 0.0
        self._probes = {
            "api": _Probe("api", self._api),
            "database": _Probe("database", self._stores),
            "mqtt": _Probe("mqtt", lambda: uplink.round_trip(limit_s)),
            "worker": _Probe("worker", self._worker),
        }
        if settings.redis:
            client = connect(settings.redis, settings.redis_ca, limit_s=limit_s)
            self._probes["redis"] = _Probe("redis", client.ping)
        active_ms = MISSED * settings.heartbeat_s * 1000
        self._counting = _Probe(
            "count", lambda: self._counted(heard_since(database, time.time_ns() // 1000000 - active_ms))
        )

    def report(self) -> Report:
        """How everything is; at most `FRESH_S` old, within `limit_s` seconds."""
        with self._lock:
            if self._report is None or time.monotonic() >= self._good_until:
                self._report = self._measure()
                self._good_until = time.monotonic() + FRESH_S
            return self._report

    async def told(self) -> Report:
        """`report`, on an event loop: its threads for requests may all be waiting for the database."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.report)

    def _measure(self) -> Report:
        runs = {name: probe.begin() for name, probe in self._probes.items()}
        if time.monotonic() >= self._count_good_until:
            runs["count"] = self._counting.begin()
        wait(runs.values(), self._limit_s)
        services: dict[str, Service] = {}
        for name in ("api", "database", "redis", "mqtt", "worker"):
            run = runs.get(name)
            if run is None:
                services[name] = Service("not_configured")
            elif run.done() and run.exception() is None:
                services[name] = Service("operational", round(run.result(), 2))
            else:
                services[name] = Service("degraded")
        services.update({name: Service("not_configured") for name in ABSENT})
        count = runs.get("count")
        if count is not None and not (count.done() and count.exception() is None):
            self._count = None
        return Report(time.time_ns() // 1000000, services, self._count)

    def _counted(self, count: int) -> None:
        self._count = count
        self._count_good_until = time.monotonic() + COUNT_S

    def _api(self) -> None:
        """There and back over the loop that every request has to pass: what it takes, they take besides."""
        loop = self._loop()
        if loop is None:
            raise RuntimeError("nothing is served yet")
        passed = threading.Event()
        loop.call_soon_threadsafe(passed.set)
        # The run that waits holds its thread, so that there is one of them however long the loop is stuck.
        while not passed.wait(STUCK_S):
            if loop.is_closed():
                raise RuntimeError("nothing is served any more")

    def _stores(self) -> None:
        self._database.check()
        # To be asked is not all: on a full disk it answers, and keeps nothing.
        if math.isfinite(self._exchange.unstored_s()):
            self._database.check_writing()
            if self._exchange.unstored_s() < UNSTORED_S:
                raise TimeoutError("what the exchange did last could not be stored")

    def _worker(self) -> None:
        if not self._exchange.alive or self._exchange.idle_s() > STUCK_S:
            raise TimeoutError("the exchange takes no turns")
