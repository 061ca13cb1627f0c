"""The worker: one thread that takes turns over what arrived, was ordered or has become due.

Everything public but `receive` may be called from any thread. Must never publish before the commit, nor end
because of what a device sent or a listener did.
"""

import contextlib
import logging
import queue
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from host_sim.cloud.exchange.attempts import Attempts, fail
from host_sim.cloud.exchange.failure import Failed
from host_sim.cloud.exchange.inbox import Box, Inbox
from host_sim.cloud.exchange.listeners import Listeners, always, one_by_one
from host_sim.cloud.exchange.page import Refusal
from host_sim.cloud.exchange.turn import Turn
from host_sim.cloud.exchange.work import Look, News, Outcome, Work
from host_sim.cloud.links import ledger
from host_sim.cloud.links.orders import Acceptance, NewOrder
from host_sim.cloud.notices import Notice
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.database import Database
from hxtp import frame, topics
from hxtp.envelope import MAX_ID
from hxtp.errors import DEVICE_NOT_FOUND, FRAME_TYPE_INVALID, PAYLOAD_TOO_LARGE
from hxtp.session import HEARTBEAT

log = logging.getLogger(__name__)

INBOUND = tuple(sorted({channel for _, channel, who in frame.TYPES.values() if who & frame.TO_CLOUD}))
TURN_S = 0.25  # how soon something that became due is noticed when nothing arrives
SHARE = 1024  # items that share a transaction, which then takes a hundredth of a second
LINGER_S = 0.02  # that messages of these channels wait for others to share a transaction with
PATIENT = frozenset(("heartbeat", "telemetry"))
LARGEST = frame.HEADER + frame.MAX_JSON  # bytes of a message that can be accepted
CACHED = 20000  # links in memory
BACK_MS = 2000  # by which the clock may be put back without looking at all that is planned


class Exchange:
    """`publish(topic, payload)` sends at QoS 1; `connected()` says whether that would reach the broker.

    `refusal(device_id, order, passed_as, manifest)`: the code with which a command that has not left has to
    end, None where it may leave; asked where the device can do something else than when it was ordered.
    `passed_as`: what somebody said yes to.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        refusal: Refusal,
        publish: Callable[[str, bytes], None],
        connected: Callable[[], bool],
        clock: Callable[[], int] = lambda: time.time_ns() // 1000000,
        *,
        heartbeat_s: int = HEARTBEAT,
        states_kept: int = 0,
    ) -> None:
        """`heartbeat_s`: the interval that devices are told. `states_kept`: earlier states of each device."""
        self.refused: Counter[str] = Counter()  # by code, of messages that belong to no device
        self.taken: Counter[str] = Counter()  # by kind, authentic messages of devices
        self.dropped = 0  # messages that came faster than they could be judged
        self.turns = 0
        self._database = database
        self._publish = publish
        self._connected = connected
        self._clock = clock
        self._listeners = Listeners()
        self._turn = Turn(vault, database.see, refusal, heartbeat_s, states_kept, self._listeners.wanted)
        self._inbox = Inbox()
        self._orders: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._looks: queue.SimpleQueue[Work] = queue.SimpleQueue()  # and what else is to be done or told
        self._called = threading.Event()  # something waits
        self._enough = threading.Event()  # and is not to wait for others, or is as much as a turn takes
        self._urgent = False  # the former
        self._ending = False
        self._next_look = 0.0
        self._latest = 0  # what the clock said last
        self._put_back = False  # it was, and not everything was looked at since
        self._attempts = Attempts(self._transaction, self._due)
        self._spent = 0.0  # seconds of its processor time, told by itself: one that has ended has no clock
        self._passed = time.monotonic()  # when the thread last began to look for work
        self._thread = threading.Thread(target=self._run, name="exchange", daemon=True)

    # -- life ---------------------------------------------------------------------------------------------

    def start(self) -> "Exchange":
        self._thread.start()
        return self

    def stop(self) -> None:
        """End after the turn that is under way. What was accepted is in the database."""
        if self._thread.is_alive():
            self._ending = True
            self._hurry()
            self._thread.join(30)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Items that wait for a turn."""
        return self._inbox.count + self._orders.qsize() + self._looks.qsize()

    def idle_s(self) -> float:
        """Seconds since the thread looked for work: little, unless a turn hangs."""
        return time.monotonic() - self._passed

    def unstored_s(self) -> float:
        """Seconds since a turn could not be stored; infinite where a later one was, or none was tried."""
        return time.monotonic() - self._attempts.unstored

    def processor_s(self) -> float:
        """Seconds of processor time that the thread had spent by the end of its last transaction."""
        return self._spent

    # -- what comes in -------------------------------------------------------------------------------------

    def receive(self, name: str, *payloads: bytes) -> None:
        """Messages of the topic `name`. From one thread, which keeps the order of a device's messages."""
        source = self._inbox.sources.get(name) or self._source(name, len(payloads))
        if source is None:
            return
        if max(map(len, payloads)) > LARGEST:
            fine = tuple(payload for payload in payloads if len(payload) <= LARGEST)
            self.refused[PAYLOAD_TOO_LARGE] += len(payloads) - len(fine)
            if not fine:
                return
            payloads = fine
        box, channel = source
        before, taken = self._inbox.put(box, channel, payloads)
        self.dropped += len(payloads) - taken
        if not taken:
            return
        if channel not in PATIENT:
            self._hurry()
        elif not before:
            self._called.set()
        if before + taken >= SHARE and not self._enough.is_set():
            self._enough.set()

    def _source(self, name: str, messages: int) -> tuple[Box, str] | None:
        """The box and the channel of a device's topic; None, and so many are counted, where it is none."""
        parts = topics.split(name)
        if parts is None or parts[2] not in INBOUND:
            self.refused[FRAME_TYPE_INVALID] += messages
            return None
        if max(len(parts[0]), len(parts[1])) > MAX_ID:
            self.refused[DEVICE_NOT_FOUND] += messages
            return None
        return self._inbox.open(name, *parts)

    def order(
        self,
        tenant_id: str,
        device_id: str,
        action: str,
        params: Mapping[str, Any],
        *,
        life: int,
        actor: str,
        dry_run: bool = False,
        passed_as: str = "normal",
        manifest: str | None = None,
        message_id: str | None = None,
    ) -> Acceptance:
        """Accept a command for delivery within `life` ms; `within` of what it gives waits until it is stored.

        `passed_as` (see `Passed.needs`) and `manifest` (the hash of the one that it was judged by) decide
        whether it is judged again before it leaves. `message_id`: of a command that may be ordered more than
        once, because whoever asks has an Idempotency-Key or a token for it; where it is there already,
        nothing is added. The future raises IdUsed where it is another one, HxtpError (DEVICE_NOT_FOUND,
        BUFFER_OVERFLOW, PAYLOAD_TOO_LARGE), TypeError or ValueError for parameters without a JSON form,
        Unavailable where the database cannot be written.
        """
        chosen = message_id is not None
        future = Acceptance(message_id or str(uuid.uuid4()))
        order = NewOrder(
            tenant_id,
            device_id,
            action,
            params,
            life,
            actor,
            dry_run,
            future.message_id,
            chosen,
            future,
            passed_as,
            manifest,
        )
        self._orders.put(order)
        self._hurry()
        return future

    def now(self) -> int:
        """ms since 1970."""
        return self._clock()

    def look(self, tenant_id: str, device_id: str) -> None:
        """Something changed for this device in the database: take what may leave now."""
        self._looks.put(Look(tenant_id, device_id))
        self._hurry()

    def tell(self, notices: Sequence[Notice]) -> None:
        """Let those who listen know of what was committed elsewhere."""
        for notice in notices:
            self._looks.put(News(notice))
        self._hurry()

    def listen(
        self, listener: Callable[[Notice], None], quiet: Callable[[str], bool] = always
    ) -> Callable[[], None]:
        """Call `listener(notice)` on this thread for all that is committed from now on; it must not wait.

        `quiet(tenant_id)`: whether it wants a tenant's telemetry and heartbeats too; where somebody else
        does, it is told of them all the same. Returns a function that ends it.
        """

        return self._listeners.add(one_by_one(listener), quiet)

    def listen_by_turn(
        self,
        listener: Callable[[Sequence[Notice]], None],
        quiet: Callable[[str], bool] = always,
    ) -> Callable[[], None]:
        """As `listen`, but `listener(notices)` is called once for all of a turn."""
        return self._listeners.add(listener, quiet)

    # -- the thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        ending = False
        while not ending:
            self._passed = time.monotonic()
            ending = self._ending
            work = self._take(sys.maxsize) if ending else self._gather()
            try:
                self._attempts.do(work)
            except Exception:  # a fault of ours; the next turn may do better, and the thread must live
                log.exception("a turn failed")
                self._turn.forget(work)
                fail(work, doubt=True)

    def _hurry(self) -> None:
        self._urgent = True
        for event in (self._enough, self._called):
            if not event.is_set():
                event.set()

    def _gather(self) -> list[Work]:
        """What waits, up to SHARE messages and items; nothing after TURN_S without any."""
        if not self.waiting and not self._called.wait(TURN_S):
            return []
        self._called.clear()  # whatever it was set for is there by now
        if self._inbox.count >= SHARE or self._enough.wait(LINGER_S):
            self._enough.clear()
        urgent, self._urgent = self._urgent, False
        work = self._take(SHARE)
        if urgent and self.waiting:
            self._hurry()  # it may be among the rest
        return work

    def _take(self, most: int) -> list[Work]:
        # Orders before all messages, however many there are; and yet these have their half.
        work = _of(self._orders, most // 2)
        work += _of(self._looks, most - most // 4 - len(work))
        work += self._inbox.take(most - len(work))
        return work

    def _transaction(self, work: list[Work], again: bool) -> None:
        """A turn, and once it is committed what it led to. Raises Failed."""
        begun, outcome = False, None
        try:
            with self._database.turning() as connection:
                begun = True
                outcome = self._turn.run(connection, work, self._time(), self._connected(), again)
        except Exception as error:
            self._turn.forget(work)
            raise Failed(begun, outcome is not None, error) from error
        self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        """Let it be known what was committed."""
        self.turns += 1
        self._spent = time.thread_time()
        if outcome.redeclared:
            self._database.remembered.forget()
        for topic, payload in outcome.messages:
            self._publish(topic, payload)
        outcome.answer()
        self.taken.update(outcome.taken)
        self._listeners.tell(outcome.notices)
        if len(self._turn.cache) > CACHED:
            self._turn.cache.clear()

    def _time(self) -> int:
        """Of a turn. Where the clock was put back, the next look is at all devices."""
        now = self._clock()
        if now + BACK_MS < self._latest:
            # Whatever was planned, ordered or sent meanwhile has times that are still to come.
            log.warning("the clock was put back by %d s", (self._latest - now) / 1000)
            self._put_back = True
            self._turn.cache.clear()
        self._latest = now
        return now

    def _due(self) -> list[Work]:
        """Looks at devices for which something has become due. Raises Failed."""
        now = self._time()
        if time.monotonic() < self._next_look and not self._put_back:
            return []
        try:
            # Where there may be other workers it writes.
            writes = self._put_back or not self._database.is_sqlite
            with self._database.turning(writes=writes) as connection:
                self._database.see(connection, None)
                if self._put_back:
                    ledger.look_at_all(connection, now)
                due = ledger.due_devices(connection, now, SHARE)
        except Exception as error:
            raise Failed(False, False, error) from error
        self._put_back = False
        if len(due) < SHARE:
            self._next_look = time.monotonic() + TURN_S
        return [Look(*pair) for pair in due]


def _of(items: queue.SimpleQueue[Work], most: int) -> list[Work]:
    found: list[Work] = []
    with contextlib.suppress(queue.Empty):
        while len(found) < most:
            found.append(items.get_nowait())
    return found
