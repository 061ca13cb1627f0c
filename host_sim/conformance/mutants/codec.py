"""The broken codecs as mutants of the kit: each runs in this process, edited, against the vectors."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from host_sim import codec
from host_sim.conformance.case import Case
from host_sim.conformance.mutants import applied, programs, text, verdict
from host_sim.conformance.mutants.broken import Broken
from host_sim.conformance.running import Mutant, Target, always

ALL = verdict.ALL + text.ALL + programs.ALL


class Ours:
    """Our codec in this process, as a peer of cases."""

    def __init__(self) -> None:
        self.profiles: set[str] = set()

    async def ask(self, line: bytes) -> tuple[dict[str, Any], bytes]:
        raw = json.dumps(codec.answer(line)).encode()
        return json.loads(raw), raw


def mutants(cases: list[Case]) -> list[Mutant]:
    return [mutant(each, cases) for each in ALL]


def mutant(each: Broken, cases: list[Case]) -> Mutant:
    @asynccontextmanager
    async def open_target() -> AsyncIterator[Target]:
        with applied(each.edits):
            ours = Ours()
            yield Target(each.name, lambda case: always(ours))

    likeliest_first = sorted(cases, key=lambda case: case.group != each.first)
    return Mutant(each.name, each.what, open_target, likeliest_first)
