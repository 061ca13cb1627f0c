"""Runs cases one after another, each against a peer of its own making, and gathers what became of them.

However a case ends, it must never take the run with it: only KitError and an interrupt end a run early, and
then what ran is still reported.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from host_sim.conformance.case import Case, Failed, KitError, Outcome, Result, Skipped
from host_sim.counted import counted

LIMIT = 30.0  # seconds a case may take, its peer's opening and closing included
OPTIONS = {"slow"}  # features that are an option of the kit's, not of what is tested
MAX_MESSAGE = 2000  # characters of a case's message, since peers choose part of it


@dataclass
class Target:
    """What is under test, once it has been reached.

    `open_peer(case)` is an async context manager that gives the case its peer; what it raises before the case
    begins counts as the case's. `features`: what the target declared, or None if everything is to be tried.
    `facts` are shown in the reports (a version, an id; never a secret).
    """

    subject: str
    open_peer: Callable[[Case], AbstractAsyncContextManager[Any]]
    features: frozenset[str] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    limit: float = LIMIT


@dataclass
class Mutant:
    """A deliberately broken implementation of ours. `open_target` is used once; `cases` are those to try, the
    likeliest first, until `enough` of them have caught it.
    """

    name: str
    what: str
    open_target: Callable[[], AbstractAsyncContextManager[Target]]
    cases: list[Case]
    enough: int = 3


@dataclass
class MutantRow:
    """`caught_by`: ids of the first cases that told it from a sound implementation; none: it got away."""

    name: str
    what: str
    caught_by: list[str]


@dataclass
class Run:
    """What a run found. `stopped` says why it ended before its last case."""

    subject: str
    planned: int
    started: datetime
    facts: dict[str, str] = field(default_factory=dict)
    features: frozenset[str] | None = None
    results: list[Result] = field(default_factory=list)
    mutants: list[MutantRow] = field(default_factory=list)
    seconds: float = 0.0
    stopped: str | None = None
    interrupted: bool = False

    def totals(self) -> dict[str, int]:
        counts = {status.value: 0 for status in Outcome}
        for result in self.results:
            counts[result.status.value] += 1
        return counts

    @property
    def exit_status(self) -> int:
        """0 all passed, 1 a case failed, 2 the kit could not run (to its end), 130 interrupted."""
        if self.interrupted:
            return 130
        if self.stopped:
            return 2
        return 1 if self.totals()["failed"] else 0


class Progress(Protocol):
    """Who is told, while a run goes on."""

    def begin(self, number: int, total: int, case: Case) -> None: ...
    def end(self, number: int, total: int, result: Result) -> None: ...


async def run(
    cases: list[Case],
    target: Target,
    progress: Progress,
    xfail: dict[str, str] | None = None,
    enough: int | None = None,
) -> Run:
    """Runs `cases` in order against `target`, no more once `enough` have failed.

    `xfail`: ids of cases that are known to fail, with reasons.
    """
    found = Run(target.subject, len(cases), datetime.now(UTC), dict(target.facts), target.features)
    begun = time.monotonic()
    try:
        for number, case in enumerate(cases, 1):
            progress.begin(number, len(cases), case)
            result = await _one(case, target, (xfail or {}).get(case.id))
            found.results.append(result)
            progress.end(number, len(cases), result)
            if result.status is Outcome.FAILED and found.totals()["failed"] == enough:
                break
    except KitError as error:
        found.stopped = str(error)
    except asyncio.CancelledError:
        found.interrupted, found.stopped = True, "interrupted"
    found.seconds = time.monotonic() - begun
    return found


async def _one(case: Case, target: Target, known: str | None) -> Result:
    begun = time.monotonic()
    status, message = await _outcome(case, target)
    if known is not None:
        if status is Outcome.FAILED:
            status, message = Outcome.XFAILED, f"known deviation: {known}; {message}" if known else message
        elif status is Outcome.PASSED:
            status = Outcome.FAILED
            message = "passed, though the xfail list expects it to fail: take it off the list"
    if len(message) > MAX_MESSAGE:
        message = message[:MAX_MESSAGE] + " …"
    return Result(case, status, message, time.monotonic() - begun)


async def _outcome(case: Case, target: Target) -> tuple[Outcome, str]:
    lacking = missing(case, target.features)
    if lacking:
        options = f" (run it with {', '.join(f'--{name}' for name in lacking if name in OPTIONS)})"
        return (
            Outcome.SKIPPED,
            f"feature not declared: {', '.join(lacking)}" + (options if OPTIONS & set(lacking) else ""),
        )
    limit = target.limit if case.limit is None else case.limit
    try:
        async with asyncio.timeout(limit) as scope:
            async with target.open_peer(case) as peer:
                if asyncio.iscoroutinefunction(case.run):
                    await case.run(peer)
                else:
                    await _in_thread(case.run, peer)
    except (KitError, asyncio.CancelledError):
        raise
    except Skipped as skipped:
        return Outcome.SKIPPED, str(skipped)
    except (Failed, AssertionError) as failed:
        return Outcome.FAILED, str(failed) or "an assertion of the case does not hold"
    except Exception as error:  # whatever a peer makes a case stumble over is a finding about that peer
        if isinstance(error, TimeoutError) and scope.expired():
            return Outcome.FAILED, f"not done within {limit:g} s"
        return Outcome.FAILED, f"the case could not go on: {type(error).__name__}: {error}"
    return Outcome.PASSED, ""


def missing(case: Case, features: frozenset[str] | None) -> list[str]:
    """The features that a case needs and a target did not declare."""
    return [] if features is None else [name for name in case.needs if name not in features]


async def _in_thread(function: Callable[[Any], Any], peer: Any) -> None:
    # A thread cannot be stopped: one that hangs is left behind, as a daemon, and ends with the process.
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def work() -> None:
        error: BaseException | None = None
        try:
            function(peer)
        except BaseException as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=work, daemon=True).start()
    await done


def seconds(text: str) -> float:
    """A command-line argument that is a time."""
    value = float(text)
    if not 0 < value <= 86400:
        raise ValueError(text)
    return value


class Silent:
    """Progress for nobody."""

    def begin(self, number: int, total: int, case: Case) -> None:
        pass

    def end(self, number: int, total: int, result: Result) -> None:
        pass


async def run_mutants(
    mutants: list[Mutant], progress: Progress, fault: Callable[[], str | None] = lambda: None
) -> Run:
    """Tries each mutant, as a case that passes when some case of its own catches it; fills `Run.mutants`.

    `fault()` says, and forgets, what went wrong in the mutation itself: such a mutant proves nothing.
    """
    found = Run("the kit itself, by broken implementations", len(mutants), datetime.now(UTC))
    begun = time.monotonic()
    for number, mutant in enumerate(mutants, 1):
        case = Case(mutant.name, mutant.what, (), (), lambda peer: None, group="mutants")
        progress.begin(number, len(mutants), case)
        started = time.monotonic()
        try:
            async with mutant.open_target() as target:
                tried = await run(mutant.cases, target, Silent(), enough=mutant.enough)
        except KitError as error:
            found.stopped = f"mutant {mutant.name}: {error}"
            break
        except asyncio.CancelledError:
            found.interrupted, found.stopped = True, "interrupted"
            break
        if tried.stopped:
            found.interrupted, found.stopped = tried.interrupted, f"mutant {mutant.name}: {tried.stopped}"
            break
        caught = [result.case for result in tried.results if result.status is Outcome.FAILED]
        wrong = fault()
        if wrong:
            caught = []
        row = MutantRow(mutant.name, mutant.what, [each.id for each in caught])
        clauses = tuple(sorted({clause for each in caught for clause in each.clauses}))
        status = Outcome.PASSED if caught else Outcome.FAILED
        message = "" if caught else f"not caught by any of {counted(len(mutant.cases), 'case')}"
        if wrong:
            message = f"the mutation itself does not work: {wrong}"
        result = Result(replace(case, clauses=clauses), status, message, time.monotonic() - started)
        found.mutants.append(row)
        found.results.append(result)
        progress.end(number, len(mutants), result)
    found.seconds = time.monotonic() - begun
    return found


@asynccontextmanager
async def always(peer: Any) -> AsyncIterator[Any]:
    """An `open_peer` result for a peer that all cases share and that somebody else closes."""
    yield peer
