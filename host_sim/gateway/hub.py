"""All links of one gateway, without I/O: messages and time in, messages and notices out.

It must never touch a socket, read a clock, or let a message leave before what it depends on is in the
store. One thread owns it. It is driven so:

    hub.receive(topic, payload, now)      ticket = hub.command(…)      in any number and order, then
    messages, notices = hub.turn(now)     publish messages at QoS 1, tell notices, hand out tickets

A ticket is a promise that outlives a crash, so nobody gets it before `turn` or `secure` has returned.

`now` is ms since 1970.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from host_sim.gateway.store import Registration, Store
from host_sim.portable import check_portable
from hxtp import frame, topics
from hxtp.cloud import LIFE, Event, Link, Order
from hxtp.errors import (
    COMMAND_INVALID,
    DEVICE_NOT_FOUND,
    FRAME_TYPE_INVALID,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    PAYLOAD_TOO_LARGE,
    PERMISSION_DENIED,
    HxtpError,
)
from hxtp.jsontext import dumps
from hxtp.registry import ACTION, RESERVED

log = logging.getLogger(__name__)

RESTRICTED_ACTION = "RESTRICTED_ACTION"
INBOUND = tuple(sorted({channel for _, channel, who in frame.TYPES.values() if who & frame.TO_CLOUD}))
MAX_LIFE = 86400000  # ms
KEPT = 1000  # settled tickets that can still be asked for


@dataclass(frozen=True, slots=True)
class Notice:
    """Something happened. `kind`: "hello", "manifest", "state", "telemetry", "heartbeat", "ack", "error",
    "ota_status" with the authentic `body`; "online", "offline"; "will" (a hint that nobody signed);
    "refused" with its `code`; "settled" with its `ticket`."""

    kind: str
    device_id: str | None
    at: int
    topic: str = ""
    code: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    ticket: "Ticket | None" = None


class Ticket:
    """A command on its way. `state`: queued, dispatched, acknowledged, failed or expired, as in hxtp.cloud.

    `error`: why it failed (the device's code, or OUTCOME_UNKNOWN: it may have run); `result`: the ack's body.
    """

    def __init__(self, device_id: str, order: Order) -> None:
        self.device_id = device_id
        self.message_id: str = order.message_id
        self.action: str = order.action
        self._order = order
        self._settled = threading.Event()

    @property
    def state(self) -> str:
        return self._order.state

    @property
    def error(self) -> str | None:
        return self._order.error

    @property
    def result(self) -> Mapping[str, Any]:
        return self._order.result or {}

    @property
    def attempts(self) -> int:
        """How often it was published."""
        return self._order.attempts

    @property
    def executed(self) -> bool:
        return self.state == "acknowledged"

    def done(self) -> bool:
        """Whether it is settled, durably."""
        return self._settled.is_set()

    def wait(self, timeout: float) -> "Ticket":
        """Wait until it is settled; raises TimeoutError after `timeout` seconds, and the command goes on."""
        if not self._settled.wait(timeout):
            raise TimeoutError(f"{self.action} is still {self.state} after {timeout:g} s")
        return self

    def settle(self) -> None:
        """For the hub: its outcome is in the store."""
        self._settled.set()

    def __repr__(self) -> str:
        return f"<Ticket {self.action} {self.state}{f' {self.error}' if self.error else ''}>"


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the gateway knows it now. `last_seen`: ms since 1970; `pending`: its open tickets."""

    device_id: str
    device_type: str
    online: bool
    session: bool
    boot_count: int | None
    firmware_version: str | None
    last_seen: int | None
    hello: Mapping[str, Any] | None
    manifest: Mapping[str, Any] | None
    state: Mapping[str, Any] | None
    refused: Mapping[str, int]
    pending: tuple[Ticket, ...]


class Hub:
    """The links of a Store, their commands and what they tell."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.refused: Counter[str] = Counter()  # of messages that belong to no registered device
        self._notices: list[Notice] = []
        self._online: set[str] = set()
        self._tickets: dict[str, Ticket] = {}  # by message_id, the newest settled ones included
        self._open: dict[str, list[Ticket]] = {}
        for link in store.links():
            for order in link.orders:
                self._follow(Ticket(link.device_id, order))

    # -- devices --------------------------------------------------------------------------------

    def register(self, device_type: str, now: int) -> Registration:
        return self.store.register(device_type, now // 1000)

    def device(self, device_id: str, now: int) -> Device:
        """Raises HxtpError(DEVICE_NOT_FOUND)."""
        link = self._link(device_id)
        hello = link.hello or {}
        return Device(
            device_id,
            self.store.registration(device_id).device_type,
            link.online(now),
            link.session,
            link.boot_count,
            hello.get("firmware_version"),
            link.last_seen,
            link.hello,
            link.manifest,
            link.state,
            dict(link.refused),
            tuple(self._open.get(device_id, ())),
        )

    def devices(self, now: int) -> list[Device]:
        return [self.device(link.device_id, now) for link in self.store.links()]

    # -- messages -------------------------------------------------------------------------------

    def receive(self, name: str, payload: bytes, now: int) -> Event | None:
        """Take a message from topic `name`. Whatever it holds, nothing is raised."""
        parts = topics.split(name)
        if parts is None or parts[2] not in INBOUND:
            return self._refuse(None, FRAME_TYPE_INVALID, name, now)
        tenant_id, device_id, channel = parts
        link = self.store.link(device_id)
        if link is None:
            return self._refuse(None, DEVICE_NOT_FOUND, name, now)
        if tenant_id != link.tenant_id:
            return self._refuse(None, PERMISSION_DENIED, name, now)
        if not payload and channel == "heartbeat":
            link.hint()
            self._tell("will", device_id, now, name)
            return None
        try:
            event = link.receive(channel, payload, now)
        except Exception:
            # A fault of ours, not a refusal. One device's message must not end the others' service.
            log.exception("fault while receiving from %s", name)
            return self._refuse(device_id, INTERNAL_ERROR, name, now)
        if event is None:
            self._notices.append(Notice("refused", device_id, now, name, link.refusal or ""))
            return None
        self._tell(event.type, device_id, now, name, event.body)
        return event

    def command(
        self, device_id: str, action: str, params: Mapping[str, Any], now: int, life: int = LIFE
    ) -> Ticket:
        """Accept a command for delivery within `life` ms (at most a day).

        Raises HxtpError: DEVICE_NOT_FOUND, COMMAND_INVALID (the action is no name), RESTRICTED_ACTION,
        INVALID_PARAMS (they have no portable JSON form; the detail says why), PAYLOAD_TOO_LARGE,
        BUFFER_OVERFLOW (too many wait). Whether the device has such an action is not asked here.
        The ticket is to be handed out after the next `turn` or `secure`, or withdrawn.
        """
        link = self._link(device_id)
        if not 0 < len(action) <= 32 or not action.isascii() or not action.isprintable():
            raise HxtpError(COMMAND_INVALID, "an action is 1 to 32 printable ASCII characters")
        if action.startswith(RESERVED):
            raise HxtpError(RESTRICTED_ACTION, f"names beginning {RESERVED} are the protocol's own")
        if ACTION in params:
            raise HxtpError(INVALID_PARAMS, f"{ACTION}: a parameter cannot have this name")
        try:
            check_portable(params)
            size = len(dumps(dict(params)))
        except (TypeError, ValueError, RecursionError) as error:
            raise HxtpError(INVALID_PARAMS, str(error)) from None
        if size > frame.MAX_BODY:
            raise HxtpError(
                PAYLOAD_TOO_LARGE, f"the parameters are {size} bytes, {frame.MAX_BODY} are possible"
            )
        if not 0 < life <= MAX_LIFE:
            raise HxtpError(COMMAND_INVALID, "a command lives more than 0 s and at most a day")
        ticket = Ticket(device_id, link.submit(action, params, now, life))
        self._follow(ticket)
        return ticket

    def secure(self, tickets: Iterable[Ticket]) -> None:
        """Make new commands durable. Raises OSError where that fails, and then they are withdrawn."""
        try:
            self.store.write()
        except OSError:
            self.withdraw(tickets)
            raise

    def withdraw(self, tickets: Iterable[Ticket]) -> None:
        """Forget commands that could not be made durable and of which nothing has left."""
        for ticket in tickets:
            self._link(ticket.device_id).orders.remove(ticket._order)
            self._open[ticket.device_id].remove(ticket)
            del self._tickets[ticket.message_id]

    def ticket(self, message_id: str) -> Ticket | None:
        """A command by its message_id, also one from before a restart if it was unsettled then."""
        return self._tickets.get(message_id)

    def turn(self, now: int, connected: bool = True) -> tuple[list[tuple[str, bytes]], list[Notice]]:
        """Let time pass and collect what is to be published ([(topic, payload)]) and told.

        Everything given has been made durable before. Raises OSError where that failed: then nothing
        leaves, and what was lost of it is asked for again by the device or signed anew in time.
        """
        messages = []
        for link in self.store.links():
            link.tick(now)
            name = link.device_id
            if link.online(now) != (name in self._online):
                self._online ^= {name}
                self._tell("online" if name in self._online else "offline", name, now)
            while connected and (message := link.take(now)) is not None:
                messages.append((topics.topic(link.tenant_id, name, message[0]), message[1]))
            self.store.reserve(link)
        self.store.write()
        self._settle(now)
        notices, self._notices = self._notices, []
        return messages, notices

    # -- the rest -------------------------------------------------------------------------------

    def _link(self, device_id: str) -> Link:
        link = self.store.link(device_id)
        if link is None:
            raise HxtpError(DEVICE_NOT_FOUND, device_id)
        return link

    def _follow(self, ticket: Ticket) -> None:
        self._tickets[ticket.message_id] = ticket
        self._open.setdefault(ticket.device_id, []).append(ticket)
        while len(self._tickets) > KEPT:
            oldest = next((name for name, ticket in self._tickets.items() if ticket.done()), None)
            if oldest is None:
                break
            del self._tickets[oldest]

    def _settle(self, now: int) -> None:
        # Not from Event.ended alone: what a message settled is told only once it is in the store.
        for device_id, tickets in self._open.items():
            ended = [ticket for ticket in tickets if ticket._order.settled()]
            for ticket in ended:
                tickets.remove(ticket)
                ticket.settle()
                self._notices.append(
                    Notice(
                        "settled", device_id, now, code=ticket.error or "", body=ticket.result, ticket=ticket
                    )
                )

    def _refuse(self, device_id: str | None, code: str, name: str, now: int) -> None:
        if device_id is None:
            self.refused[code] += 1
        self._notices.append(Notice("refused", device_id, now, name, code))

    def _tell(self, kind: str, device_id: str, now: int, name: str = "", body: Mapping | None = None) -> None:
        self._notices.append(Notice(kind, device_id, now, name, body=body or {}))
