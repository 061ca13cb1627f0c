"""Reads the vectors of protocol_spec/vectors: files of groups of tests, each a request and the answer to it.

A file that is not of that form is a KitError that names the place; nothing is judged here.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_sim.conformance.case import CLAUSE, KitError

PLACE = Path(__file__).resolve().parents[2] / "protocol_spec" / "vectors"
PROFILES = ("pipe10", "json-full", "json-header", "auto")


@dataclass(frozen=True)
class Vector:
    """`line` is what the codec reads, without the line end; `expected` holds what its answer must hold."""

    id: str
    comment: str
    group: str
    profile: str
    flags: tuple[str, ...]
    clauses: tuple[str, ...]
    line: bytes
    request: dict[str, Any] | None
    expected: dict[str, Any]


def load(place: str | Path = PLACE) -> list[Vector]:
    """All vectors of a folder's *.json, or of one file, in the order of the files' names."""
    path = Path(place)
    files = [path]
    if path.is_dir():
        files = [file for file in sorted(path.glob("*.json")) if not file.name.endswith(".schema.json")]
    found: dict[str, Vector] = {}
    for file in files:
        for vector in _file(file):
            if vector.id in found:
                raise KitError(f"{file}: the vector {vector.id} is there twice")
            found[vector.id] = vector
    if not found:
        raise KitError(f"there are no vectors in {path}; --vectors names a folder or file of them")
    return list(found.values())


def _file(path: Path) -> list[Vector]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise KitError(f"the vectors {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise KitError(f"the vectors {path} are not JSON: {error}") from error
    where = "the file"
    try:
        vectors = []
        for group in document["testGroups"]:
            where = f"group {group['name']!r}"
            for test in group["tests"]:
                where = f"group {group['name']!r}, test {test.get('id')!r}"
                vectors.append(_vector(group, test))
        if document["numberOfTests"] != len(vectors):
            where = "numberOfTests"
            raise ValueError(f"says {document['numberOfTests']}, and there are {len(vectors)}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise KitError(f"{path} is no file of vectors: {where}: {error!r}") from error
    return vectors


def _vector(group: dict[str, Any], test: dict[str, Any]) -> Vector:
    request = test.get("request")
    if (request is None) == ("request_line" not in test):
        raise ValueError("has to have either request or request_line")
    line = test["request_line"] if request is None else json.dumps(request, separators=(",", ":"))
    if "\n" in line:
        raise ValueError("a request is one line")
    if group["profile"] not in (*PROFILES, None):
        raise ValueError(f"profile {group['profile']!r} is none of {', '.join(PROFILES)}")
    if not isinstance(test["expected"], dict) or not isinstance(test["expected"].get("ok"), bool):
        raise ValueError("expected has to be an answer")
    clauses = tuple(test["clauses"])
    for clause in clauses:
        if not CLAUSE.fullmatch(clause):
            raise ValueError(f"{clause!r} is no clause id")
    return Vector(
        id=str(test["id"]),
        comment=str(test["comment"]),
        group=str(group["name"]),
        profile=group["profile"] or "pipe10",
        flags=tuple(test.get("flags", ())),
        clauses=clauses,
        line=line.encode(),
        request=request,
        expected=test["expected"],
    )
