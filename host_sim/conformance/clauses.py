"""The clauses of the specification by their ids, for reports that say what a case is about. It only reads."""

import re
from functools import cache
from pathlib import Path

SPEC = Path(__file__).resolve().parents[2] / "protocol_spec"
CLAUSE = re.compile(r"^- \*\*(HX3-[A-Z]+-\d{2})\*\* (.+)$", re.MULTILINE)


@cache
def texts() -> dict[str, str]:
    """Every clause's text, in the order of reading; empty where the specification does not lie beside us."""
    return {
        match[1]: match[2]
        for path in sorted(SPEC.glob("*.md"))
        for match in CLAUSE.finditer(path.read_text(encoding="utf-8"))
    }
