"""From the marks at a receiver's output to what a processor is told of: edges, noise, interrupts.

It must never draw a random number but from the generator that it is given: a seed tells everything.
"""

import random
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from host_sim.board.edges import FALLING, NOBODY, RISING, Edge
from host_sim.room.light import Mark, Receiver, union

# Of MicroPython's scheduler on an ESP32: callbacks of soft interrupts that can wait; more are lost.
QUEUE = 8


@dataclass(frozen=True)
class Noise:
    """What lamps and the sun do to a receiver: so many pulses a second, each of a random length."""

    per_second: float = 0.0
    shortest_us: float = 20.0
    longest_us: float = 250.0

    def __post_init__(self) -> None:
        if not 0 <= self.per_second <= 5000 or not 0 < self.shortest_us <= self.longest_us <= 10_000:
            raise ValueError("noise is 0 to 5,000 pulses a second of up to 10,000 µs")

    def marks(self, chance: random.Random, begin: float, end: float) -> list[Mark]:
        """The pulses that begin between two true times."""
        return _at_random(chance, self.per_second, self.shortest_us, self.longest_us, begin, end)


def _at_random(
    chance: random.Random, per_second: float, shortest: float, longest: float, begin: float, end: float
) -> list[Mark]:
    """Times that begin from `begin` to `end`, so many a second, none sooner for the one before it."""
    found: list[Mark] = []
    at = begin
    while per_second:
        at += chance.expovariate(per_second) * 1e6
        if at >= end:
            break
        found.append((at, at + chance.uniform(shortest, longest)))
    return union(found)


@dataclass(frozen=True)
class Interrupts:
    """How a processor gets to its handler. `jitter_us`: it begins up to so much after the edge; `takes_us`:
    how long it runs, while the next one waits; `lost`: the probability that an edge calls nobody.

    `stalls_per_s` times a second, at random, nothing can run for `stall_us` (flash is written, a signature
    checked): 8 calls wait, with the time when they come at last, and the others are lost.
    """

    jitter_us: float = 30.0
    takes_us: float = 20.0
    lost: float = 0.0
    stalls_per_s: float = 0.0
    stall_us: float = 0.0

    def __post_init__(self) -> None:
        if (
            min(self.jitter_us, self.takes_us, self.stalls_per_s, self.stall_us) < 0
            or not 0 <= self.lost <= 1
        ):
            raise ValueError("no time is below 0, and lost is from 0 to 1")

    def told(self, edges: Sequence[Edge], chance: random.Random) -> list[Edge]:
        """The edges as the processor is told of them, in the order and at the times of the calls."""
        if not edges:
            return []
        stall = self.stall_us
        stalls = _at_random(chance, self.stalls_per_s, stall, stall, edges[0].at_us, edges[-1].at_us)
        moves = [edge.at_us for edge in edges]
        waiting: deque[int] = deque()  # when the calls begin that have not begun yet
        calls: list[tuple[int, int]] = []
        free = 0.0
        for edge in edges:
            # Drawn for every edge, so that one setting does not change what another one does.
            delay, lucky = chance.uniform(0, self.jitter_us), chance.random() >= self.lost
            while waiting and waiting[0] <= edge.at_us:
                waiting.popleft()
            if not lucky or len(waiting) >= QUEUE:
                calls.append((edge.at_us, NOBODY))
                continue
            begin = max(edge.at_us + delay, free)
            begin = next((end for start, end in stalls if start <= begin < end), begin)
            free = begin + self.takes_us
            waiting.append(round(begin))
            calls.append((round(begin), edge.tell))
        calls.sort(key=lambda call: call[0])
        # The pin may have moved on by the time of a call.
        return [Edge(at, edges[max(0, bisect_right(moves, at) - 1)].level, tell) for at, tell in calls]


@dataclass(frozen=True)
class Reception:
    """What a receiver saw in one stretch of time, which begins at 0 and lasts `lasted_us`, by its own clock.

    `output`: the edges of the module, which is low while it sees light. `told`: the same as they reached the
    processor. `marks`: in true µs.
    """

    marks: tuple[Mark, ...] = ()
    output: tuple[Edge, ...] = ()
    told: tuple[Edge, ...] = ()
    lasted_us: int = 0

    @property
    def timings(self) -> list[int]:
        """µs at the module's output, mark first and last."""
        return _gaps(self.output)

    @property
    def measured(self) -> list[int]:
        """µs between the calls of a handler: what firmware can know."""
        return _gaps([edge for edge in self.told if edge.tell])


def _gaps(edges: Sequence[Edge]) -> list[int]:
    return [after.at_us - before.at_us for before, after in pairwise(edges)]


def output(marks: Iterable[Mark], receiver: Receiver) -> list[Edge]:
    """The edges of an active-low receiver module in its own processor's µs, strictly in order.

    Each time is rounded by itself, so that no error adds up; what is then shorter than 1 µs is not there.
    """
    edges: list[Edge] = []
    for start, end in marks:
        lit, dark = round(start / receiver.clock), round(end / receiver.clock)
        if edges and lit <= edges[-1].at_us:
            edges.pop()
        elif lit < dark:
            edges.append(Edge(lit, 0, FALLING))
        if edges and edges[-1].level == 0:
            edges.append(Edge(dark, 1, RISING))
    return edges
