"""What a table is made of: test cases in groups, groups in files; and the JSON that they become.

Must never compute an expected result: a row says what the answer is.
"""

from dataclasses import dataclass, field
from typing import Any

from tools.vectors.notes import NOTES
from tools.vectors.wire import ACTIVE, NOW, Wire

OK = "OK"
ROTATED = "ROTATED"


@dataclass(frozen=True)
class Case:
    """One row: a request (or a raw line that is none) and its whole answer."""

    id: str
    comment: str
    request: dict[str, Any] | str
    expected: dict[str, Any]
    flags: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Cases with a heading. `flags` and `clauses` hold for the cases that name none themselves."""

    name: str
    comment: str
    cases: list[Case]
    flags: tuple[str, ...]
    clauses: tuple[str, ...]
    profile: str | None = "pipe10"


@dataclass(frozen=True)
class File:
    """One file of vectors: its name without `.json`."""

    name: str
    groups: list[Group] = field(default_factory=list)


def refusal(code: str) -> dict[str, Any]:
    return {"ok": False, "code": code}


def context(wire: Wire | bytes, profile: str = "pipe10", **changes: Any) -> dict[str, Any]:
    """A whole verify request. By default nothing but the message decides: no ids, no direction, one secret,
    the time of sending, no number and no nonce known.
    """
    data = wire.data if isinstance(wire, Wire) else wire
    request = {
        "op": "verify",
        "profile": profile,
        "direction": "any",
        "wire_hex": data.hex(),
        "secret_hex": ACTIVE.hex(),
        "previous_secret_hex": None,
        "device_id": None,
        "tenant_id": None,
        "now_ms": NOW,
        "max_age_s": 300,
        "future_s": 60,
        "last_sequence": None,
        "seen_nonces": [],
    }
    unknown = changes.keys() - request.keys()
    if unknown:
        raise ValueError(f"no member of verify: {unknown}")
    return request | changes


def verify(
    id: str,
    comment: str,
    wire: Wire | bytes,
    verdict: str = OK,
    flags: tuple[str, ...] = (),
    clauses: tuple[str, ...] = (),
    **changes: Any,
) -> Case:
    """A row about `verify`: `verdict` is OK, ROTATED (the second secret verified) or the code."""
    if verdict in (OK, ROTATED):
        if not isinstance(wire, Wire):
            raise ValueError(f"{id}: an acceptance needs a message")
        expected: dict[str, Any] = {
            "ok": True,
            "rotated": verdict == ROTATED,
            "message_type": wire.kind,
            "body_json": wire.body,
        }
    else:
        expected = refusal(verdict)
    return Case(id, comment, context(wire, **changes), expected, flags, clauses)


def document(file: File) -> dict[str, Any]:
    """The file as JSON values."""
    groups = []
    used: set[str] = set()
    for group in file.groups:
        tests = []
        for case in group.cases:
            flags = case.flags or group.flags
            clauses = case.clauses or group.clauses
            if not flags or not clauses:
                raise ValueError(f"{case.id}: no flag or no clause")
            used |= set(flags)
            line = "request" if isinstance(case.request, dict) else "request_line"
            tests.append(
                {
                    "id": case.id,
                    "comment": case.comment,
                    "flags": list(flags),
                    "clauses": list(clauses),
                    line: case.request,
                    "expected": case.expected,
                }
            )
        groups.append(
            {"name": group.name, "comment": group.comment, "profile": group.profile, "tests": tests}
        )
    return {
        "protocol": "HxTP/3.0",
        "schema": "vectors.schema.json",
        "generator": "python -m tools.vectors",
        "numberOfTests": sum(len(group["tests"]) for group in groups),
        "notes": {
            flag: {"explanation": note.explanation, "clauses": list(note.clauses)}
            for flag, note in NOTES.items()
            if flag in used
        },
        "testGroups": groups,
    }
