"""One self-contained page: the clause matrix first, then every case. It runs no script and loads nothing."""

from collections.abc import Iterable
from html import escape

from host_sim.conformance.case import Outcome, Result
from host_sim.conformance.running import Run

MARKS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.SKIPPED: "–", Outcome.XFAILED: "!"}
WORST = (Outcome.FAILED, Outcome.XFAILED, Outcome.PASSED, Outcome.SKIPPED)

STYLE = """
:root{color-scheme:light dark;--back:#fff;--fore:#1c2024;--dim:#60646c;--line:#d9d9e0;--soft:#f4f4f7;
--passed:#18794e;--failed:#c62a2f;--skipped:#6f7178;--xfailed:#946800}
@media(prefers-color-scheme:dark){:root{--back:#16181c;--fore:#e8e8ec;--dim:#a0a2aa;--line:#35373d;--soft:#1f2227;
--passed:#4cc38a;--failed:#ff8b8b;--skipped:#a0a2aa;--xfailed:#f1a10d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:2rem 1.25rem 4rem;background:var(--back);color:var(--fore);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.25rem 0 .5rem}
p{margin:.25rem 0}.dim{color:var(--dim)}code,.id{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
.totals{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0}
.totals div{border:1px solid var(--line);border-radius:.5rem;padding:.5rem 1rem;min-width:7rem;
background:var(--soft)}
.totals b{display:block;font-size:1.6rem;line-height:1.2}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;color:var(--dim);border-bottom:2px solid var(--line);padding:.3rem .6rem}
td{vertical-align:top;border-bottom:1px solid var(--line);padding:.35rem .6rem}
td:first-child{white-space:nowrap}
.passed{color:var(--passed)}.failed{color:var(--failed)}.skipped{color:var(--skipped)}.xfailed{color:var(--xfailed)}
.stopped{border-left:4px solid var(--failed);padding:.5rem 1rem;background:var(--soft)}
a{color:inherit;text-decoration-color:var(--line)}a:hover{text-decoration-color:currentColor}
details summary{cursor:pointer}li{margin:.15rem 0}.chips a{margin-right:.6rem;white-space:nowrap}
"""


def text(run: Run) -> str:
    """The whole document. What a peer said appears in it as text alone."""
    parts = [
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<title>HxTP conformance: {escape(run.subject)}</title><style>{STYLE}</style></head><body>",
        *_head(run),
        *_matrix(run.results),
        *_mutants(run),
        *_cases(run.results),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _head(run: Run) -> Iterable[str]:
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


def by_clause(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Clause ids, sorted, to the results of the cases that name them."""
    found: dict[str, list[Result]] = {}
    for result in results:
        for clause in result.case.clauses:
            found.setdefault(clause, []).append(result)
    return dict(sorted(found.items()))


def _matrix(results: list[Result]) -> Iterable[str]:
    clauses = by_clause(results)
    yield f"<h2>Clauses</h2><p class=dim>{len(clauses)} clauses were looked at.</p><div class=wide><table>"
    yield "<tr><th>clause<th>result<th>cases</tr>"
    for clause, named in clauses.items():
        worst = min((result.status for result in named), key=WORST.index)
        links = " ".join(map(_link, named))
        yield f"<tr><td class=id>{clause}<td class={worst.value}>{worst.value}<td class=chips>{links}</tr>"
    yield "</table></div>"


def _link(result: Result) -> str:
    id, status = escape(result.case.id), result.status
    return f'<a class="id {status.value}" href="#{id}">{MARKS[status]}&nbsp;{id}</a>'


def _mutants(run: Run) -> Iterable[str]:
    if not run.mutants:
        return
    yield "<h2>Broken on purpose</h2><div class=wide><table>"
    yield "<tr><th>mutant<th>what is wrong with it<th>caught by</tr>"
    for row in run.mutants:
        caught = escape(", ".join(row.caught_by)) or "<b class=failed>nothing</b>"
        yield f"<tr><td class=id>{escape(row.name)}<td>{escape(row.what)}<td class=id>{caught}</tr>"
    yield "</table></div>"


def _cases(results: list[Result]) -> Iterable[str]:
    yield "<h2>Cases</h2><div class=wide><table><tr><th>result<th>case<th>clauses<th>s</tr>"
    for result in results:
        case, status = result.case, result.status.value
        message = f"<br><span class={status}>{escape(result.message)}</span>" if result.message else ""
        yield (
            f'<tr id="{escape(case.id)}"><td class={status}>{MARKS[result.status]} {status}'
            f"<td><span class=id>{escape(case.id)}</span><br>{escape(case.title)}{message}"
            f"<td class=id>{escape(' '.join(case.clauses))}<td class=dim>{result.seconds:.2f}</tr>"
        )
    yield "</table></div>"
