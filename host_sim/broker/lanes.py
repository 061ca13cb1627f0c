"""One direction of one connection under a fault plan: whole packets in, and on again as the plan has it.

The same for the in-memory network and for TCP. It must never decide about a fault (the plan does), and never
keep a clock or a transport of its own (who carries the bytes has them).
"""

from collections.abc import Callable
from typing import Protocol

from host_sim.broker import packets
from host_sim.broker.faults import FaultPlan, Injected
from host_sim.broker.framing import Framer
from host_sim.broker.packets import ProtocolError


class Timer(Protocol):
    def cancel(self) -> None:
        """It will not be called. No harm if it was."""


class Carrier(Protocol):
    """Who carries the bytes of one connection."""

    @property
    def name(self) -> str:
        """What the plan and its trace call the client."""

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""

    def clock(self) -> int:
        """ms"""

    def put(self, direction: str, data: bytes, last: bool = False) -> None:
        """Bytes to where they go; `last`: when they have arrived the connection is lost."""

    def lose(self) -> None:
        """The connection is lost now, and what is on its way."""

    def later(self, ms: int, call: Callable[[], None]) -> Timer:
        """Call it when `ms` have passed."""


class _Held:
    """A reordered message that waits until the next one has passed, or its time is over."""

    __slots__ = ("frame", "timer")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.timer: Timer | None = None


class Lane:
    """Faults concern PUBLISH packets; all others pass in order. What is no packet passes as it is."""

    __slots__ = ("_carrier", "_direction", "_framer", "_held", "_plan", "_raw")

    def __init__(self, plan: FaultPlan, direction: str, carrier: Carrier, max_packet_size: int) -> None:
        self._plan = plan
        self._direction = direction
        self._carrier = carrier
        self._framer = Framer(max_packet_size)
        self._raw = False
        self._held: dict[_Held, None] = {}

    def feed(self, data: bytes) -> None:
        """Bytes, sliced anyhow. Not to be mixed with `carry` while a packet is half fed."""
        if not self._raw:
            self._framer.feed(data)
            try:
                while (frame := self._framer.next_frame()) is not None:
                    self.carry(frame)
                return
            except ProtocolError:  # the receiver will judge it
                self._raw = True
                data = self._framer.rest()
        self._carrier.put(self._direction, data)

    def carry(self, frame: bytes) -> None:
        """One whole packet."""
        carrier, direction = self._carrier, self._direction
        if carrier.lost:
            return
        if frame[0] >> 4 != packets.PUBLISH or not (self._plan.active or self._held):
            carrier.put(direction, frame)
            return
        fault = self._choose(frame)
        action = None if fault is None else fault.action
        if action == "reorder":
            held = _Held(frame)
            held.timer = carrier.later(fault.amount, lambda: self._release(held))
            self._held[held] = None
            return
        if action is None:
            carrier.put(direction, frame)
        elif action == "duplicate":
            carrier.put(direction, frame)
            carrier.put(direction, frame)
        elif action == "delay":
            carrier.later(fault.amount, lambda: carrier.put(direction, frame))
        elif action == "corrupt":
            carrier.put(direction, _flip(frame, len(frame) - fault.size, fault.amount))
        elif action == "disconnect":
            carrier.lose()
        elif action == "disconnect_after":
            carrier.put(direction, frame, last=True)
        for held in list(self._held):
            self._release(held)

    def _choose(self, frame: bytes) -> Injected | None:
        try:
            message = packets.decode(frame)
        except ProtocolError:  # the receiver will say so
            return None
        return self._plan.choose(self._carrier.clock(), self._direction, self._carrier.name, message)

    def _release(self, held: _Held) -> None:
        del self._held[held]
        held.timer.cancel()
        self._carrier.put(self._direction, held.frame)


def _flip(frame: bytes, payload_at: int, bit: int) -> bytes:
    changed = bytearray(frame)
    changed[payload_at + bit // 8] ^= 1 << bit % 8
    return bytes(changed)
