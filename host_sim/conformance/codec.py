"""The vectors as cases, and a codec program as the target: `--codec 'COMMAND'`.

A codec may lack the JSON profiles, and says so by UNSUPPORTED; pipe10 it may not lack.
"""

import argparse
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from host_sim.conformance import codec_lines, vectors
from host_sim.conformance.case import Case, Failed, Skipped, cases_of
from host_sim.conformance.codec_program import TIMEOUT, CodecProgram
from host_sim.conformance.running import Mutant, Target, always, seconds
from host_sim.conformance.vectors import Vector

UNSUPPORTED = {"ok": False, "code": "UNSUPPORTED"}


class Codec(Protocol):
    """Whatever answers request lines: a program, or ours in this process. `profiles`: those of which it has
    accepted a request, and which it so cannot lack.
    """

    profiles: set[str]

    async def ask(self, line: bytes) -> tuple[dict[str, Any], bytes]: ...


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--vectors",
        metavar="PLACE",
        help="a folder or file of vectors, for those alone (default: all of the specification's)",
    )
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=seconds,
        default=TIMEOUT,
        help="seconds for an answer (default %(default)g)",
    )


def cases(arguments: argparse.Namespace) -> list[Case]:
    if arguments.vectors is not None:
        return [case_of(vector) for vector in vectors.load(arguments.vectors)]
    return [case_of(vector) for vector in vectors.load()] + cases_of(codec_lines)


@asynccontextmanager
async def open_target(arguments: argparse.Namespace) -> AsyncIterator[Target]:
    async with CodecProgram(arguments.codec, arguments.timeout) as program:
        limit = 3 * arguments.timeout + 10  # the program's own time-out is the one to count
        yield Target(f"codec {arguments.codec}", lambda case: always(program), limit=limit)


def mutants() -> list[Mutant]:
    from host_sim.conformance.mutants import codec as broken  # imports what only a proof of the kit needs

    return broken.mutants([case_of(vector) for vector in vectors.load()])


def case_of(vector: Vector) -> Case:
    """The case that a codec answers `vector` as expected."""

    async def run(codec: Codec) -> None:
        answer, raw = await codec.ask(vector.line)
        if answer.get("ok") is True:
            codec.profiles.add(vector.profile)
        if vector.profile != "pipe10" and answer == UNSUPPORTED != vector.expected:
            if vector.profile in codec.profiles:
                raise Failed(f"an answer as to other requests of {vector.profile}", "UNSUPPORTED")
            raise Skipped(f"the codec has no {vector.profile}")
        _no_secret(vector, raw)
        _compare(vector.expected, answer)

    needs = () if vector.profile == "pipe10" else (vector.profile,)
    detail = f"{vector.line.decode()}\n{json.dumps(vector.expected, separators=(',', ':'))}"
    return Case(vector.id, vector.comment, vector.clauses, needs, run, group=vector.group, detail=detail)


def _compare(expected: dict[str, Any], answer: dict[str, Any]) -> None:
    # More members than expected are a codec's own affair.
    if answer.get("ok") is not expected["ok"] or (
        not expected["ok"] and answer.get("code") != expected["code"]
    ):
        raise Failed(_said(expected), _said(answer))
    for name, value in expected.items():
        if name not in answer:
            raise Failed(f"{name} in the answer", _said(answer))
        if json.dumps(answer[name]) != json.dumps(value):  # not ==, to which true and 1 are one
            raise Failed(f"{name} {_short(value)}", _short(answer[name]))


def _said(answer: dict[str, Any]) -> str:
    if answer.get("ok") is False and isinstance(answer.get("code"), str):
        return _short(answer["code"])
    return "acceptance" if answer.get("ok") is True else _short(answer)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:120]} … {text[-40:]} ({len(text)} characters)"


def _no_secret(vector: Vector, raw: bytes) -> None:
    # Only where the secret cannot be in the answer by rights.
    request = vector.request or {}
    for name in ("secret_hex", "previous_secret_hex"):
        secret = request.get(name)
        if not isinstance(secret, str) or len(secret) != 64:
            continue
        needle, elsewhere = secret.lower(), {key: value for key, value in request.items() if key != name}
        if needle in raw.decode("utf-8", "replace").lower() and needle not in json.dumps(elsewhere).lower():
            raise Failed("no secret in the answer", f"{name} in it")
