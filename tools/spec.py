"""`make spec`: checks the ids of the specification, and writes what is made from code and tests.

A clause is a list item `- **HX3-AREA-nn** …` in a chapter of protocol_spec/; a test names the ids that it
checks in a docstring or a comment, a conformance vector in its member `clauses`, and so does a case of the
conformance kit, through which the tests put the reference's own device and gateway. This program must never
judge what a clause says, only that each has one id, that each id is known, and which tests name it. Exit
status 1 for what is wrong, with a line for each.
"""

import ast
import io
import json
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tools import state_diagram

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "protocol_spec"
TESTS = ROOT / "tests"
COVERAGE = "coverage.md"

ID = re.compile(r"\bHX3-[A-Z]+-\d+\b")
CLAUSE = re.compile(r"- \*\*(HX3-[A-Z]+-\d{2})\*\* (.+)")
KEYWORD = re.compile(r"\b(?:MUST|SHOULD|MAY|SHALL|REQUIRED|RECOMMENDED|OPTIONAL)\b")
SENTENCE = re.compile(r"(?<=[.:;?!])\s+(?=[A-Z])")
PLANNED = "_(planned)_"
CHAPTER_PLANNED = "> Not implemented by this version of the reference."
DEFINITIONS = "The key words MUST, MUST NOT,"
DIAGRAM = re.compile(r"(<!-- generated: session-states -->\n).*?(<!-- end -->)", re.DOTALL)


class Clause(NamedTuple):
    """One normative sentence. `planned`: there is no code for it here yet."""

    id: str
    text: str
    chapter: str
    planned: bool


def chapters(spec: Path) -> list[Path]:
    """The files that hold clauses, in the order of reading."""
    return sorted(path for path in spec.glob("*.md") if path.name not in ("README.md", COVERAGE))


def clauses(spec: Path) -> tuple[list[Clause], list[str]]:
    """All clauses, and what is wrong with them."""
    found: list[Clause] = []
    wrong = []
    for path in chapters(spec):
        text = path.read_text()
        in_code = False
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{path.name}:{number}"
            in_code ^= line.startswith("```")
            match = CLAUSE.fullmatch(line)
            if match:
                planned = line.endswith(PLANNED) or CHAPTER_PLANNED in text
                clause = Clause(match[1], match[2].removesuffix(PLANNED).strip(), path.name, planned)
                if any(other.id == clause.id for other in found):
                    wrong.append(f"{where}: {clause.id} is given twice")
                normative = [part for part in SENTENCE.split(clause.text) if KEYWORD.search(part)]
                if len(normative) != 1:
                    wrong.append(f"{where}: {clause.id} has {len(normative)} normative sentences, not one")
                found.append(clause)
            elif "**HX3-" in line:
                wrong.append(f"{where}: a clause is written `- **HX3-AREA-nn** text`, on one line")
            elif in_code or line.startswith(("    ", "|")):
                continue
            elif KEYWORD.search(line) and line not in _definitions(text):
                wrong.append(f"{where}: a normative sentence without an id")
    return found, wrong


def _definitions(text: str) -> list[str]:
    # The lines of the paragraph that says what the key words mean, if it is here.
    return next((part for part in text.split("\n\n") if DEFINITIONS in part), "").splitlines()


def mentions(path: Path) -> Iterator[tuple[str, int]]:
    """The ids that a file names, with the lines where it does."""
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        for match in ID.finditer(line):
            yield match[0], number


def unknown(files: Iterable[Path], known: set[str], root: Path) -> list[str]:
    """Mentions of ids that no clause has."""
    return [
        f"{path.relative_to(root)}:{number}: there is no {name}"
        for path in files
        for name, number in mentions(path)
        if name not in known
    ]


def named_by(tests: Path) -> dict[str, list[str]]:
    """For each id, the tests that name it: `file::function`, or the file where no function holds the line."""
    table: dict[str, list[str]] = {}
    for path in sorted(tests.rglob("*.py")):
        source = path.read_text()
        prose = _prose(source)
        found = [(name, number) for name, number in mentions(path) if number in prose]
        if not found:
            continue
        spans = _functions(source)
        for name, number in found:
            function = next((function for first, last, function in spans if first <= number <= last), None)
            label = path.relative_to(tests).as_posix() + (f"::{function}" if function else "")
            if label not in table.setdefault(name, []):
                table[name].append(label)
    return table


def named_by_vectors(spec: Path) -> dict[str, list[str]]:
    """For each id, the files of vectors that name it, with how many of their tests do."""
    table: dict[str, list[str]] = {}
    for path in sorted((spec / "vectors").glob("*.json")):
        groups = json.loads(path.read_text()).get("testGroups", [])
        counts = Counter(name for group in groups for test in group["tests"] for name in test["clauses"])
        for name, count in counts.items():
            table.setdefault(name, []).append(f"{path.relative_to(spec).as_posix()} ({count})")
    return table


def named_by_cases() -> dict[str, list[str]]:
    """For each id, the kit's cases for devices and clouds that name it."""
    from host_sim.conformance import cloud, device

    table: dict[str, list[str]] = {}
    for case in (*device.cases(), *cloud.cases()):
        for name in case.clauses:
            table.setdefault(name, []).append(f"kit: {case.id}")
    return table


def _prose(source: str) -> set[int]:
    # The lines of comments and docstrings: an id that stands in data is not checked by that.
    lines = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def _functions(source: str) -> list[tuple[int, int, str]]:
    # First and last line of each top-level function, decorators and the comments right above it included.
    lines = source.splitlines()
    spans = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            while first > 1 and lines[first - 2].startswith("#"):
                first -= 1
            spans.append((first, node.end_lineno or node.lineno, node.name))
    return spans


def report(found: list[Clause], table: dict[str, list[str]]) -> str:
    """The page protocol_spec/coverage.md."""
    built = [clause for clause in found if not clause.planned]
    named = [clause for clause in built if clause.id in table]
    missing = [clause for clause in built if clause.id not in table]
    planned = [clause for clause in found if clause.planned]
    out = [
        "# Which test names which clause",
        "",
        "Made by `make spec`; not to be edited. Behind a file of vectors: how many of them name the clause;",
        "`kit:` is a case of the conformance kit, which the reference passes in `tests/conformance`.",
        "",
        f"{len(found)} clauses. Of the {len(built)} that the reference implements, tests name {len(named)}; "
        f"{len(planned)} are planned.",
        "",
        "## Named by no test",
        "",
        *([f"- {clause.id} ({clause.chapter}): {clause.text}" for clause in missing] or ["None."]),
        "",
        "## Named by tests",
        "",
        "| clause | tests |",
        "|---|---|",
        *(
            f"| {clause.id} | {', '.join(f'`{label}`' for label in table[clause.id])} |"
            for clause in found
            if clause.id in table
        ),
        "",
        "## Planned",
        "",
        ", ".join(clause.id for clause in planned if clause.id not in table) + ".",
        "",
    ]
    return "\n".join(out)


def diagram(page: str) -> str:
    """The chapter of the session with its diagram made anew."""
    drawn = state_diagram.page()
    block = drawn[drawn.index("```mermaid") :]
    return DIAGRAM.sub(lambda match: match[1] + block + match[2], page)


def main(argv: list[str], root: Path = ROOT) -> int:
    """Check and write. `--check` writes nothing."""
    spec, tests = root / "protocol_spec", root / "tests"
    found, wrong = clauses(spec)
    known = {clause.id for clause in found}
    texts = [
        path
        for path in sorted(spec.rglob("*"))
        if path.suffix in (".md", ".json", ".pml") and path.name != COVERAGE
    ]
    wrong += unknown([*texts, *sorted(tests.rglob("*.py"))], known, root)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    table = named_by(tests)
    more = [named_by_vectors(spec), *([named_by_cases()] if root == ROOT else [])]
    for name, labels in (item for each in more for item in each.items()):
        table[name] = table.get(name, []) + labels
    if "--check" not in argv:
        (spec / COVERAGE).write_text(report(found, table))
        session = spec / "05-session.md"
        if session.exists():
            session.write_text(diagram(session.read_text()))
    missing = [clause.id for clause in found if not clause.planned and clause.id not in table]
    planned = sum(clause.planned for clause in found)
    print(f"{len(found)} clauses, {planned} of them planned; {len(missing)} named by no test")
    if missing:
        print("  " + " ".join(missing))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
