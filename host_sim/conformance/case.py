"""What a test case of the kit is, and what became of one. No running here, and no printing.

    @case("hello-first", "says hello before all else", clauses=("HX3-SESS-01",), needs=("pwm",))
    async def hello_first(peer):
        message = await peer.next_message()
        expect("the first message", "hello", message.type)

`case` turns a function into a `Case`; `cases_of(module, …)` collects them in the order in which they stand.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any

ID = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
CLAUSE = re.compile(r"HX3-[A-Z]+-\d{2}")


class KitError(Exception):
    """The kit cannot run. The text is one line for its user: what is wrong, and what to do about it."""


class Failed(Exception):
    """The peer did not do what the clauses ask: what was expected, and what came. Neither holds a secret."""

    def __init__(self, expected: str, came: str | None = None) -> None:
        super().__init__(expected if came is None else f"expected {expected}; got {came}")


class Skipped(Exception):
    """A case finds out while it runs that it does not apply to this peer; the text says why."""


def expect(what: str, expected: Any, came: Any) -> None:
    """Raises Failed, naming `what`, unless `came` equals `expected`."""
    if came != expected:
        raise Failed(f"{what} to be {expected!r}", repr(came))


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    XFAILED = "xfailed"


@dataclass(frozen=True)
class Case:
    """`run` gets a peer, and returns or raises Failed, AssertionError or Skipped; it may be a coroutine
    function. `needs`: features without which the case does not apply. `limit`: seconds, where the run's own
    limit does not fit. `group` is a heading in the reports, `detail` what is needed to repeat it by hand.
    """

    id: str
    title: str
    clauses: tuple[str, ...]
    needs: tuple[str, ...]
    run: Callable[[Any], Awaitable[None] | None]
    limit: float | None = None
    group: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Result:
    """`message` says why a case failed or was skipped, or which deviation is known; empty if it passed."""

    case: Case
    status: Outcome
    message: str
    seconds: float


def case(
    id: str,
    title: str,
    clauses: tuple[str, ...],
    needs: tuple[str, ...] = (),
    limit: float | None = None,
    group: str = "",
) -> Callable[[Callable[[Any], Awaitable[None] | None]], Case]:
    """Makes a Case of the function below it. An ill-formed id or clause is a ValueError at import."""
    if not ID.fullmatch(id):
        raise ValueError(f"{id!r} is no case id: lower-case letters, digits and single hyphens or dots")
    for clause in clauses:
        if not CLAUSE.fullmatch(clause):
            raise ValueError(f"{id}: {clause!r} is no clause id")
    return lambda run: Case(id, title, tuple(clauses), tuple(needs), run, limit, group)


def cases_of(*modules: ModuleType) -> list[Case]:
    """The cases that the modules define, in order. An id given twice is a ValueError."""
    found: dict[str, Case] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Case) and found.setdefault(value.id, value) is not value:
                raise ValueError(f"two cases have the id {value.id}")
    return list(found.values())
