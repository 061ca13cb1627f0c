"""The conformance vectors as the tests read them."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from host_sim import ROOT

FOLDER = ROOT / "protocol_spec" / "vectors"
SCHEMA = FOLDER / "vectors.schema.json"
FILES = sorted(path for path in FOLDER.glob("*.json") if path != SCHEMA)


class Vector(NamedTuple):
    file: str
    profile: str | None
    id: str
    flags: list[str]
    clauses: list[str]
    request: dict[str, Any] | None
    line: str
    expected: dict[str, Any]

    @property
    def negative(self) -> bool:
        return not self.expected["ok"]


def pages() -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in FILES}


def vectors() -> Iterator[Vector]:
    """All of them, in the order of the files."""
    for name, page in pages().items():
        for group in page["testGroups"]:
            for test in group["tests"]:
                request = test.get("request")
                line = test["request_line"] if request is None else json.dumps(request)
                yield Vector(
                    name,
                    group["profile"],
                    test["id"],
                    test["flags"],
                    test["clauses"],
                    request,
                    line,
                    test["expected"],
                )
