"""Which message suffers what: seeded rates, and a script that goes first; each fault is written down.

It decides and records, and never carries a message itself. It sees topics and sizes; the
trace holds no payload and nothing of a CONNECT.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from host_sim.broker import topics
from host_sim.broker.packets import Publish

UP, DOWN = "up", "down"  # client to broker, broker to client

ACTIONS = {
    "drop": "the message is lost",
    "duplicate": "it arrives twice, the same bytes",
    "reorder": "it arrives after the next one on its connection, or `amount` ms later if none comes",
    "delay": "it arrives `amount` ms later; what comes after it does not wait",
    "corrupt": "bit number `amount` of its payload is flipped (an empty payload is left alone)",
    "disconnect": "it is lost and its connection with it",
    "disconnect_after": "it arrives, then the connection is lost, and with it the answer",
}

OUTAGES = {
    "cut": "every connection is lost, and new ones are refused",
    "silence": "nothing passes any more, and nobody is told",
    "restore": "the end of either",
}


class Injected(NamedTuple):
    """One line of the trace: a message and what happened to it, or an outage, which has neither client nor
    topic.
    """

    at: int  # ms, the network's clock
    direction: str
    client: str
    topic: str
    size: int  # of the payload, bytes
    action: str  # of ACTIONS or OUTAGES
    amount: int  # ms, or the bit's number; 0 where the action has none


class Outage(NamedTuple):
    """Planned: from `at_ms` after the network's start, for `for_ms`."""

    at_ms: int
    for_ms: int
    silent: bool = False


@dataclass(slots=True)
class _Order:
    action: str
    direction: str | None
    topic: str
    client: str | None
    skip: int
    count: int
    amount: int | None


class FaultPlan:
    """Decides about one PUBLISH after another. The same seed, script and traffic give the same faults.

    seed: of everything drawn at random.
    rates: action -> probability for every message that no script entry meets.
    directions, topic: what the rates apply to.
    max_delay_ms: the longest delay (and wait of a reordered message) drawn.
    outages: planned ones; whoever carries the bytes sees to them.
    on_fault: is given every line of the trace in place of `trace`, for a program that runs for long.
    """

    def __init__(
        self,
        seed: int = 0,
        rates: dict[str, float] | None = None,
        *,
        directions: tuple[str, ...] = (UP, DOWN),
        topic: str = "#",
        max_delay_ms: int = 2000,
        outages: Iterable[Outage] = (),
        on_fault: Callable[[Injected], None] | None = None,
    ) -> None:
        self.trace: list[Injected] = []
        self.outages = tuple(outages)
        self._record = on_fault or self.trace.append
        self._random = Random(seed)
        self._script: list[_Order] = []
        self._directions = directions
        self._topic = topic
        self._max_delay_ms = max_delay_ms
        self._rates: dict[str, float] = {}
        if any(outage.at_ms < 0 or outage.for_ms < 0 for outage in self.outages):
            raise ValueError("an outage neither begins before the start nor ends before it begins")
        if not all(direction in (UP, DOWN) for direction in directions) or not topics.is_filter(topic):
            raise ValueError("no such direction or filter")
        self.set_rates(rates or {})

    def set_rates(self, rates: dict[str, float]) -> None:
        """Replace the rates; `{}` ends random faults. ValueError for an unknown action or a sum above 1."""
        for action in rates:
            _check_action(action)
        if any(rate < 0 for rate in rates.values()) or sum(rates.values()) > 1 + 1e-9:
            raise ValueError("rates are probabilities, and together at most 1")
        self._rates = dict(sorted(rates.items()))

    def inject(
        self,
        action: str,
        *,
        direction: str | None = None,
        topic: str = "#",
        client: str | None = None,
        skip: int = 0,
        count: int = 1,
        amount: int | None = None,
    ) -> None:
        """Order `action` for the next `count` messages that match, after letting `skip` of them pass.

        direction UP, DOWN or None for both; topic is a filter; client is a connection's name. The first
        entry of the script that matches and has nothing left to skip wins. `amount` (see ACTIONS) is
        drawn if not given.
        """
        _check_action(action)
        if direction not in (UP, DOWN, None) or not topics.is_filter(topic):
            raise ValueError("no such direction or filter")
        if skip < 0 or count < 1 or (amount is not None and amount < 0):
            raise ValueError("skip and amount are not negative, and count is at least 1")
        self._script.append(_Order(action, direction, topic, client, skip, count, amount))

    def clear(self) -> None:
        """No faults from now on. The trace stays."""
        self._script.clear()
        self._rates = {}

    @property
    def active(self) -> bool:
        return bool(self._script or self._rates)

    def choose(self, now: int, direction: str, client: str, message: Publish) -> Injected | None:
        """The fault for this message, already in the trace, or None."""
        action, amount = self._scripted(direction, client, message)
        if action is None:
            action = self._drawn(direction, message)
        if action is None or (action == "corrupt" and not message.payload):
            return None
        if action in ("delay", "reorder"):
            amount = self._random.randint(1, self._max_delay_ms) if amount is None else amount
        elif action == "corrupt":
            bits = len(message.payload) * 8
            amount = self._random.randrange(bits) if amount is None else amount % bits
        else:
            amount = 0
        injected = Injected(now, direction, client, message.topic, len(message.payload), action, amount)
        self._record(injected)
        return injected

    def note(self, now: int, outage: str) -> None:
        """Write an outage's beginning or end (of OUTAGES) down, planned or not."""
        self._record(Injected(now, "", "", "", 0, outage, 0))

    def _scripted(self, direction: str, client: str, message: Publish) -> tuple[str | None, int | None]:
        for index, order in enumerate(self._script):
            if (
                order.direction not in (None, direction)
                or order.client not in (None, client)
                or not topics.matches(order.topic, message.topic)
                or (order.action == "corrupt" and not message.payload)
            ):
                continue
            if order.skip:
                order.skip -= 1
                continue
            order.count -= 1
            if order.count <= 0:
                del self._script[index]
            return order.action, order.amount
        return None, None

    def _drawn(self, direction: str, message: Publish) -> str | None:
        if not self._rates or direction not in self._directions:
            return None
        if not topics.matches(self._topic, message.topic):
            return None
        point = self._random.random()
        for action, rate in self._rates.items():
            if point < rate:
                return action
            point -= rate
        return None


def _check_action(action: str) -> None:
    if action not in ACTIONS:
        raise ValueError(f"no fault named {action!r}: {', '.join(ACTIONS)}")
