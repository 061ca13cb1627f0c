"""Progress and the end result for a person at a terminal, or for the log of a CI run.

A terminal gets one moving line and a lasting one for each case that did not pass; a log gets a line a case.
What a peer said is shown with control characters escaped: it must not be able to drive the terminal.
"""

import shutil
from collections import Counter
from typing import TextIO

from host_sim.conformance.case import Case, Outcome, Result
from host_sim.conformance.running import Run
from host_sim.counted import counted

MARKS = {
    Outcome.PASSED: "ok",
    Outcome.FAILED: "FAILED",
    Outcome.SKIPPED: "skipped",
    Outcome.XFAILED: "xfailed",
}
COLOURS = {Outcome.PASSED: "32", Outcome.FAILED: "31", Outcome.SKIPPED: "33", Outcome.XFAILED: "33"}
SHOWN = 5  # cases and clauses that the closing lines name
WIDTH_OF_MARK = max(map(len, MARKS.values()))


def plain(text: str) -> str:
    """One line without control characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class Terminal:
    """Running's Progress, and the closing lines. `verbose`: each case leaves a line on a terminal too."""

    def __init__(self, stream: TextIO, verbose: bool = False, colour: bool | None = None) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._verbose = verbose
        self._colour = self._live if colour is None else colour

    def begin(self, number: int, total: int, case: Case) -> None:
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._put("\r\x1b[K" + plain(f"{_count(number, total)} {case.id}: {case.title}")[:width])

    def end(self, number: int, total: int, result: Result) -> None:
        if self._live:
            self._put("\r\x1b[K")
            if not self._verbose and result.status in (Outcome.PASSED, Outcome.SKIPPED):
                return
        mark = self._paint(f"{MARKS[result.status]:<{WIDTH_OF_MARK}}", COLOURS[result.status])
        self._put(f"{_count(number, total)} {mark} {plain(result.case.id)}: {plain(result.case.title)}\n")
        if result.message:
            self._put(f"{'':{len(_count(number, total)) + 1}}{plain(result.message)}\n")

    def close(self, run: Run) -> None:
        """The closing lines: what failed, or what was broken on purpose and whether that was seen; totals."""
        for row in run.mutants:
            by = row.caught_by
            more = f" and {len(by) - 3} more" if len(by) > 3 else ""
            told = f"caught by {', '.join(by[:3])}{more}" if by else self._paint("NOT CAUGHT", "31")
            self._put(f"  {row.name:<34} {told}\n")
        failed = [each.case for each in run.results if each.status is Outcome.FAILED and not run.mutants]
        if failed:
            times = Counter(clause for case in failed for clause in case.clauses).most_common()
            clauses = [f"{clause} ({count})" for clause, count in times]
            self._put(f"failed: {_some([case.id for case in failed])}\n")
            self._put(
                f"clauses that they look at: {_some(clauses)}; --show {plain(failed[0].id)} tells more\n"
            )
        totals = ", ".join(f"{count} {name}" for name, count in run.totals().items())
        of = f"{len(run.results)} of " if len(run.results) != run.planned else ""
        cases = f"{of}{counted(run.planned, 'case')}"
        self._put(f"{plain(run.subject)}: {totals}; {cases} in {run.seconds:.1f} s\n")

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return plain(", ".join(names[:SHOWN]) + more)


def _count(number: int, total: int) -> str:
    width = len(str(total))
    return f"[{number:>{width}}/{total}]"
