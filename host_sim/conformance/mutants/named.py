"""What a broken reference cloud is: a name, what is wrong with it, the cases that catch it, and its edits."""

from typing import NamedTuple

from host_sim.conformance.mutants import Edit, Swap


class Broken(NamedTuple):
    """`cases`: all that catch it, the one that is there for it first."""

    name: str
    what: str
    cases: tuple[str, ...]
    edits: tuple[Edit | Swap, ...]
