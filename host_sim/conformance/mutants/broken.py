"""What a broken codec is: a name, what is wrong with it, and the edits of ours that make it so."""

from typing import NamedTuple

from host_sim.conformance.mutants import Edit, Swap
from hxtp import envelope

VERIFIER = envelope.Verifier


class Broken(NamedTuple):
    """`first`: the group of cases that is tried before all others, since it is about this."""

    name: str
    what: str
    first: str
    edits: tuple[Edit | Swap, ...]


def broken(name: str, what: str, first: str, *edits: Edit | Swap) -> Broken:
    return Broken(f"codec-{name}", what, first, edits)


def judged(*changes: tuple[str, str]) -> Edit:
    """An edit of the steps of the verdict behind the fields."""
    return Edit(VERIFIER, "_judge", *changes)


def parsed(*changes: tuple[str, str]) -> Edit:
    """An edit of the steps before."""
    return Edit(envelope, "parse", *changes)
