"""From the worker that committed something to every worker with a connection of that tenant.

`publish` is called on the exchange's thread: it must never wait, nor fail. What Redis cannot take in time is
dropped and counted; the connections of the same worker get it all the same.
"""

import contextlib
import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import redis

from host_sim.cloud.notices import Notice
from host_sim.cloud.seldom import Seldom
from host_sim.cloud.shared_redis import connect

log = logging.getLogger(__name__)

KINDS = frozenset(("state", "telemetry", "command", "presence"))  # of notices that anybody is told
CHANNEL = "hxtp:live:"  # and the tenant
WAITING = 10000  # notices that may wait for Redis
SHARE = 256  # that go there together
POLL_S = 0.1  # how soon a new tenant is listened for
RETRY_S = 1.0  # after Redis failed
TIMEOUT_S = 2.0

Receiver = Callable[[Notice], None]


class Fanout(Protocol):
    """`publish` and the receivers may be called from any thread, and do not wait."""

    def publish(self, notice: Notice) -> None:
        """Let every receiver of the notice's tenant have it, here and in the other workers."""

    def publish_all(self, notices: Sequence[Notice]) -> None:
        """The same for each."""

    def wants(self, tenant_id: str) -> bool:
        """Whether there may be a receiver for what is published of a tenant."""

    def subscribe(self, tenant_id: str, receiver: Receiver) -> Callable[[], None]:
        """Call `receiver` with what is published of a tenant from now on; returns what ends that."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class LocalFanout:
    """Within one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._receivers: dict[str, tuple[Receiver, ...]] = {}

    def publish(self, notice: Notice) -> None:
        if notice.kind in KINDS:
            self._deliver(notice)

    def publish_all(self, notices: Sequence[Notice]) -> None:
        if self._receivers:
            for notice in notices:
                self.publish(notice)

    def wants(self, tenant_id: str) -> bool:
        return tenant_id in self._receivers

    def subscribe(self, tenant_id: str, receiver: Receiver) -> Callable[[], None]:
        with self._lock:
            self._receivers[tenant_id] = (*self._receivers.get(tenant_id, ()), receiver)
        self._changed()

        def end() -> None:
            with self._lock:
                rest = tuple(one for one in self._receivers.get(tenant_id, ()) if one is not receiver)
                if rest:
                    self._receivers[tenant_id] = rest
                else:
                    self._receivers.pop(tenant_id, None)
            self._changed()

        return end

    def start(self) -> None:
        """Nothing has to run."""

    def stop(self) -> None:
        """Nothing runs."""

    def _changed(self) -> None:
        """Somebody began or ended to listen."""

    def _deliver(self, notice: Notice) -> None:
        for receiver in self._receivers.get(notice.tenant_id, ()):
            receiver(notice)


class RedisFanout(LocalFanout):
    """Between processes: a channel of Redis for each tenant, listened to where somebody is there to be told.

    While Redis cannot be reached each worker tells of what it committed itself; nothing is made up for later.
    """

    def __init__(self, url: str, ca: str = "") -> None:
        """`url`: redis[s]://HOST; `ca`: see `shared_redis.connect`."""
        super().__init__()
        self.dropped = 0  # notices that the other workers missed
        self._redis = connect(url, ca, limit_s=TIMEOUT_S, health_check_interval=30)
        self._origin = os.urandom(8).hex()
        self._seldom = Seldom(60)
        self._out: queue.Queue[Notice | None] = queue.Queue(WAITING)
        self._ended = threading.Event()
        self._wanted = threading.Event()  # the tenants to be listened for are others than before
        self._threads = [
            threading.Thread(target=work, name=f"fanout {name}", daemon=True)
            for name, work in (("out", self._send), ("in", self._receive))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._wanted.set()
        with contextlib.suppress(queue.Full):  # then the thread has enough to wake up for
            self._out.put_nowait(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2 * TIMEOUT_S + RETRY_S)
        self._redis.close()

    def wants(self, tenant_id: str) -> bool:
        return True  # nobody tells who listens in the other workers

    def publish(self, notice: Notice) -> None:
        if notice.kind not in KINDS:
            return
        self._deliver(notice)
        try:
            self._out.put_nowait(notice)
        except queue.Full:
            self.dropped += 1

    def publish_all(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            self.publish(notice)

    def _changed(self) -> None:
        self._wanted.set()

    # -- to the others --------------------------------------------------------------------------

    def _send(self) -> None:
        while not self._ended.is_set():
            first = self._out.get()
            share = [] if first is None else [first]
            while len(share) < SHARE and not self._out.empty():
                if (notice := self._out.get_nowait()) is not None:
                    share.append(notice)
            try:
                with self._redis.pipeline(transaction=False) as pipe:
                    for notice in share:
                        pipe.publish(CHANNEL + notice.tenant_id, self._packed(notice))
                    pipe.execute()
            except redis.RedisError as error:
                self.dropped += len(share)
                if self._seldom.now("out"):
                    log.warning("other workers miss notices: %s", type(error).__name__)
                self._ended.wait(RETRY_S)

    def _packed(self, notice: Notice) -> str:
        members = notice.kind, notice.tenant_id, notice.device_id, notice.at, notice.code, notice.body
        return json.dumps([self._origin, *members], separators=(",", ":"))

    # -- from the others ------------------------------------------------------------------------

    def _receive(self) -> None:
        while not self._ended.is_set():
            try:
                with self._redis.pubsub(ignore_subscribe_messages=True) as channels:
                    self._wanted.set()
                    self._listen(channels)
            except redis.RedisError as error:
                if self._seldom.now("in"):
                    log.warning("notices of other workers are missed: %s", type(error).__name__)
                self._ended.wait(RETRY_S)

    def _listen(self, channels: "redis.client.PubSub") -> None:
        heard: set[str] = set()
        while not self._ended.is_set():
            if self._wanted.is_set():
                self._wanted.clear()
                with self._lock:
                    wanted = {CHANNEL + tenant_id for tenant_id in self._receivers}
                if wanted - heard:
                    channels.subscribe(*sorted(wanted - heard))
                if heard - wanted:
                    channels.unsubscribe(*sorted(heard - wanted))
                heard = wanted
            if not heard:
                self._wanted.wait(1)
                continue
            message = channels.get_message(timeout=POLL_S)
            if message is not None:
                self._take(message["data"])

    def _take(self, data: bytes) -> None:
        try:
            origin, kind, tenant_id, device_id, at, code, body = json.loads(data)
            notice = Notice(kind, tenant_id, device_id, at, code, dict(body))
        except (TypeError, ValueError):
            log.warning("something else speaks on the channels of this cloud in Redis")
            return
        if origin != self._origin:
            self._deliver(notice)
