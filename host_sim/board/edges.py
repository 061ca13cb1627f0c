"""Trains of edges for an input of a virtual board: each level with its microsecond, and who was told of it.

It must never decide what light does to a receiver; that is host_sim.room. A board takes a train in pieces,
as modules/_edges.py describes, so that a long one fits its memory.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

RISING, FALLING, NOBODY = 1, 2, 0
PIECE = 16  # edges: a line of the backplane that takes some 300 bytes of a small heap
QUIET_US = 150_000  # after a train; longer than any receiver waits for more of a frame
LONGEST_US = 1 << 27  # between two edges: what a 31-bit integer holds beside its flags


class Edge(NamedTuple):
    """At `at_us` from the beginning of its train the pin is at `level`. `tell` is what causes an interrupt:
    RISING, FALLING, or NOBODY where the edge is lost on the processor."""

    at_us: int
    level: int
    tell: int


def of_timings(timings: Iterable[int], lead_us: int = 1000, *, active_low: bool = True) -> list[Edge]:
    """The edges of timings (µs, mark first) at an ideal receiver, which is dark before and after them."""
    dark = int(active_low)
    edges, at, level = [], lead_us, dark
    for us in timings:
        level = 1 - level
        edges.append(Edge(at, level, RISING if level else FALLING))
        at += us
    if level != dark:
        edges.append(Edge(at, dark, RISING if dark else FALLING))
    return edges


def commands(pin: int, edges: Sequence[Edge], quiet_us: int) -> list[dict[str, Any]]:
    """The backplane's messages for one train; ValueError where times go back or lie too far apart."""
    codes, last, level = [], 0, 1
    for at_us, level, tell in edges:
        if not 0 <= at_us - last < LONGEST_US:
            raise ValueError(f"an edge at {at_us} µs after one at {last} µs: in order, at most 134 s apart")
        codes.append((at_us - last) << 3 | tell << 1 | level)
        last = at_us
    if not 0 <= quiet_us < LONGEST_US:
        raise ValueError("a train is followed by 0 to 134 s of quiet")
    codes.append(quiet_us << 3 | level)  # moves nothing and tells nobody
    return [
        {"cmd": "edges", "pin": pin, "codes": codes[at : at + PIECE], "more": at + PIECE < len(codes)}
        for at in range(0, len(codes), PIECE)
    ]
