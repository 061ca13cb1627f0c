"""Trials: dry runs of critical commands, so that the device has its say before anybody says yes (HX3-MAN-10).

A trial travels as any command does: through the exchange, with numbers, acks and an entry in the history.
Must never hold a connection of the database while it waits, nor let waiting take all of the threads.
"""

import asyncio
import contextlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError, wait
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import commands
from host_sim.cloud.errors import ApiError
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.links.orders import Acceptance
from host_sim.cloud.notices import Notice
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.patience import renew
from hxtp import errors
from hxtp.cloud import ACKNOWLEDGED, FAILED, OUTCOME_UNKNOWN
from hxtp.registry import DRY_RUN

TRIAL_MS = 5000  # that a device has to answer in
LOOK_S = 0.25  # how often the database is asked, where another worker may be the one who hears the answer
THREADS = 8  # that may wait for devices at a time; requests for one device need none
TENANT_THREADS = 2  # of them for one tenant, so that nobody shuts others out
DEVICE_OFFLINE = "DEVICE_OFFLINE"  # a published code
_CODES = frozenset(code for name, code in vars(errors).items() if name.isupper() and isinstance(code, str))


@dataclass(slots=True, eq=False)
class Trial:
    """A dry run under way. `accepted`: its id, once it is durable. `end`: its state, error and result."""

    tenant_id: str
    command_id: str
    accepted: Acceptance
    end: "Future[Mapping[str, Any]]"

    def judge(self) -> None:
        """Raises ApiError unless the device would take the command."""
        told: dict[str, Any] = {DRY_RUN: "refused", "dry_run_id": self.command_id}
        ended = self.end.result(0) if self.end.done() else {}
        error = ended.get("error")
        if ended.get("state") == ACKNOWLEDGED:
            return
        if ended.get("state") == FAILED and error != OUTCOME_UNKNOWN:
            said = ended.get("result") or {}
            about = said.get("member") or said.get("detail")
            text = f"the device refused the dry run: {error}" + (f" ({about})" if about else "")
            # What a device says may be anything; a code of ours is one that is known.
            code = error if error in _CODES else errors.COMMAND_INVALID
            hint = "nothing was executed; change the command, or see what the device's manifest says now"
            raise ApiError(409, code, text[:256], hint, **told)
        raise ApiError(
            409,
            DEVICE_OFFLINE,
            f"the device did not answer a dry run within {TRIAL_MS // 1000} s",
            "nothing was executed; try again when it is online",
            **{**told, DRY_RUN: "unanswered"},
        )


class Trials:
    """Begins dry runs and waits for what devices say to them."""

    def __init__(self, database: Database, exchange: Exchange) -> None:
        self._database = database
        self._exchange = exchange
        self._waiting: dict[str, Future[Mapping[str, Any]]] = {}
        self._threads: Counter[str] = Counter()  # that wait now, by tenant
        self._lock = threading.Lock()
        self._shared = not database.is_sqlite  # other workers may hear a device's answer
        exchange.listen(self._heard, quiet=lambda tenant_id: False)

    def begin(self, caller: Caller, device_id: str, action: str, params: Mapping[str, Any]) -> Trial:
        """Send a dry run. It has to be waited for."""
        command_id, end = str(uuid.uuid4()), Future[Mapping[str, Any]]()
        self._waiting[command_id] = end  # before anybody can hear of it
        accepted = self._exchange.order(
            caller.tenant_id,
            device_id,
            action,
            params,
            life=TRIAL_MS,
            actor=caller.actor,
            dry_run=True,
            passed_as="critical",
            message_id=command_id,
        )
        # What was not stored has no end; `accepted` says why.
        accepted.add_done_callback(
            lambda told: _tell(end, {}) if told.cancelled() or told.exception() else None
        )
        return Trial(caller.tenant_id, command_id, accepted, end)

    async def ended(self, trial: Trial) -> None:
        """Wait on an event loop."""
        try:
            last, end = _last(), asyncio.wrap_future(trial.end)
            while not end.done() and (left := last - time.monotonic()) > 0:
                await asyncio.wait((end,), timeout=min(left, self._patience()))
                if not end.done() and self._shared:
                    await run_in_threadpool(self._look, trial)
        finally:
            self._waiting.pop(trial.command_id, None)
        renew()  # a device's time is not the database's

    @contextlib.contextmanager
    def thread(self, tenant_id: str) -> Iterator[None]:
        """For who begins trials on a thread and waits for them there. Raises ApiError."""
        with self._lock:
            free = self._threads.total() < THREADS and self._threads[tenant_id] < TENANT_THREADS
            self._threads[tenant_id] += free
        if not free:
            raise ApiError(
                429,
                "RATE_LIMIT_EXCEEDED",
                "the cloud waits for too many devices already",
                "send critical commands one by one, or try again",
                {"Retry-After": str(TRIAL_MS // 1000)},
            )
        try:
            yield
        finally:
            with self._lock:
                self._threads[tenant_id] -= 1
                if not self._threads[tenant_id]:
                    del self._threads[tenant_id]

    def wait(self, trials: Sequence[Trial]) -> None:
        """Wait on a thread, for all of them together."""
        try:
            last, left = _last(), {trial.end for trial in trials}
            while left and (rest := last - time.monotonic()) > 0:
                left = wait(left, timeout=min(rest, self._patience())).not_done
                for trial in trials:
                    if trial.end in left and self._shared:
                        self._look(trial)
        finally:
            for trial in trials:
                self._waiting.pop(trial.command_id, None)
        renew()

    def _patience(self) -> float:
        return LOOK_S if self._shared else TRIAL_MS / 1000

    def _heard(self, notice: Notice) -> None:
        if notice.kind == "command":
            end = self._waiting.get(notice.body["id"])
            if end is not None:
                _tell(end, notice.body)

    def _look(self, trial: Trial) -> None:
        """Whether another worker heard of it."""
        with self._database.reading(trial.tenant_id) as connection:
            row = commands.find(connection, trial.tenant_id, trial.command_id)
        if row is not None and row.settled_at is not None:
            _tell(trial.end, {"state": row.state, "error": row.error, "result": row.result})


def _last() -> float:
    """When nobody waits any longer: the exchange ends the command at its time, and tells it."""
    return time.monotonic() + TRIAL_MS / 1000 + 1


def _tell(end: "Future[Mapping[str, Any]]", told: Mapping[str, Any]) -> None:
    with contextlib.suppress(InvalidStateError):  # told already
        end.set_result(told)
