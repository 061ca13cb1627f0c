"""One self-contained page: totals, what failed, the clause matrix, every case. No scripts, nothing loaded.

What a peer said appears as text alone; nothing of it can become markup.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from html import escape

from host_sim.conformance import clauses
from host_sim.conformance.case import Outcome, Result
from host_sim.conformance.reports.style import STYLE
from host_sim.conformance.running import Run
from host_sim.counted import counted

MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.SKIPPED: "–", Outcome.XFAILED: "!"}
WORST = (Outcome.FAILED, Outcome.XFAILED, Outcome.PASSED, Outcome.SKIPPED)
MOST = 2000  # characters of a case's detail
FEW = 4  # cases that are shown beside a clause without being asked for


def text(run: Run) -> str:
    """The whole document."""
    parts = [
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<title>HxTP conformance: {escape(run.subject)}</title><style>{STYLE}</style></head><body>",
        *_head(run),
        *_failures(run.results),
        *_mutants(run),
        *_matrix(run.results),
        *_groups(run.results),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _head(run: Run) -> Iterator[str]:
    yield f"<h1>HxTP/3.0 conformance</h1><p><code>{escape(run.subject)}</code></p>"
    yield f"<p class=dim>{run.started:%Y-%m-%d %H:%M:%S} UTC, {run.seconds:.1f} s</p>"
    for name, value in run.facts.items():
        yield f"<p class=dim>{escape(name)}: <code>{escape(value)}</code></p>"
    if run.features is not None:
        yield f"<p class=dim>declared features: {escape(', '.join(sorted(run.features)) or 'none')}</p>"
    if run.stopped:
        yield f"<p class=stopped>Stopped after {len(run.results)} of {run.planned}: {escape(run.stopped)}</p>"
    yield "<div class=totals>"
    for name, count in run.totals().items():
        yield f"<div class={name if count else 'dim'}><b>{count}</b>{name}</div>"
    yield "</div>"


def _failures(results: list[Result]) -> Iterator[str]:
    for status, title in ((Outcome.FAILED, "Failed"), (Outcome.XFAILED, "Known deviations")):
        chosen = [result for result in results if result.status is status]
        if chosen:
            yield f"<h2>{title}</h2>"
            yield from _table(chosen, linked=True)


def by_clause(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Clause ids, in the order of the specification, to the results of the cases that name them."""
    found: dict[str, list[Result]] = {}
    for result in results:
        for clause in result.case.clauses:
            found.setdefault(clause, []).append(result)
    order = {id: place for place, id in enumerate(clauses.texts())}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def _matrix(results: list[Result]) -> Iterator[str]:
    found = by_clause(results)
    known = clauses.texts()
    if not found:
        return
    of = f"{len(found)} of " if known else ""
    total = counted(len(known or found), "clause")
    yield f"<h2>Clauses</h2><p class=dim>The cases of this run name {of}{total}.</p>"
    yield "<div class=wide><table class=matrix><tr><th>clause<th>result<th>cases</tr>"
    for clause, named in found.items():
        worst = min((result.status for result in named), key=WORST.index)
        said = f"<div class=said>{_prose(known[clause])}</div>" if clause in known else ""
        yield (
            f'<tr id="{clause}"><td><span class=id>{clause}</span>{said}'
            f"<td class={worst.value}>{MARKS[worst]}&nbsp;{worst.value}<td class=chips>{_chips(named)}</tr>"
        )
    yield "</table></div>"


def _chips(named: list[Result]) -> str:
    # All if they are few; otherwise what did not pass, and the rest on demand.
    shown = (
        named if len(named) <= FEW else [r for r in named if r.status in (Outcome.FAILED, Outcome.XFAILED)]
    )
    rest = [result for result in named if result not in shown] if len(shown) < len(named) else []
    text = " ".join(map(_link, shown))
    if rest:
        text += f"<details><summary>{_counts(rest)}</summary>{' '.join(map(_link, rest))}</details>"
    return text


def _link(result: Result) -> str:
    id, status = escape(result.case.id), result.status
    return f'<a class="id {status.value}" href="#{id}">{MARKS[status]}&nbsp;{id}</a>'


def _counts(results: list[Result]) -> str:
    counts = Counter(result.status for result in results)
    return ", ".join(f"<span class={s.value}>{counts[s]} {s.value}</span>" for s in WORST if counts[s])


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text.replace("_(planned)_", "(planned)")))


def _mutants(run: Run) -> Iterator[str]:
    if not run.mutants:
        return
    yield "<h2>Broken on purpose</h2><p class=dim>Each is an implementation with one fault. The first cases"
    yield "that noticed it are named.</p><div class=wide><table>"
    yield "<tr><th>mutant<th>what is wrong with it<th>caught by</tr>"
    for row in run.mutants:
        caught = escape(", ".join(row.caught_by)) or "<b class=failed>nothing</b>"
        yield f'<tr><td class=id>{escape(row.name)}<td>{escape(row.what)}<td class="id wrap">{caught}</tr>'
    yield "</table></div>"


def _groups(results: list[Result]) -> Iterator[str]:
    yield "<h2>Cases</h2>"
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.case.group or "cases", []).append(result)
    for name, chosen in groups.items():
        state = " open" if any(r.status is Outcome.FAILED for r in chosen) or len(groups) == 1 else ""
        yield f"<details class=group{state}><summary>{escape(name)}: {_counts(chosen)}</summary>"
        yield from _table(chosen)
        yield "</details>"


def _table(results: list[Result], linked: bool = False) -> Iterator[str]:
    yield "<div class=wide><table><tr><th>result<th>case<th>clauses<th>s</tr>"
    for result in results:
        case, status = result.case, result.status.value
        id = escape(case.id)
        name = f'<a class=id href="#{id}">{id}</a>' if linked else f"<span class=id>{id}</span>"
        place = "" if linked else f' id="{id}"'
        message = f"<div class={status}>{escape(result.message)}</div>" if result.message else ""
        if result.status is Outcome.FAILED and case.detail:
            shown = case.detail if len(case.detail) <= MOST else case.detail[:MOST] + " …"
            message += f"<details><summary class=dim>by hand</summary><pre>{escape(shown)}</pre></details>"
        named = " ".join(f'<a class=id href="#{clause}">{clause}</a>' for clause in case.clauses)
        yield (
            f"<tr{place}><td class={status}>{MARKS[result.status]}&nbsp;{status}"
            f"<td>{name}<div>{escape(case.title)}</div>{message}"
            f"<td class=chips>{named}<td class=dim>{result.seconds:.2f}</tr>"
        )
    yield "</table></div>"
