"""The broken reference clouds as mutants of the kit: each runs in this process, edited, on loopback.

Each row names the cases that catch it; no other over HTTP does.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from host_sim.conformance.case import Case
from host_sim.conformance.cloud import reference
from host_sim.conformance.mutants import applied, critical_actions, firmware_checks
from host_sim.conformance.mutants.named import Broken
from host_sim.conformance.running import Mutant, Target

TABLE = firmware_checks.ALL + critical_actions.ALL


def mutants(cases: list[Case]) -> list[Mutant]:
    """One for each row, with the cases over HTTP."""
    return [mutant(row, over_http(cases)) for row in TABLE]


def over_http(cases: list[Case]) -> list[Case]:
    """Those that the gateway has no place for."""
    return [
        case for case in cases if case.id.startswith(("cloud-check-", "cloud-critical-", "cloud-confirm-"))
    ]


def mutant(row: Broken, cases: list[Case]) -> Mutant:
    @asynccontextmanager
    async def open_target() -> AsyncIterator[Target]:
        with applied(row.edits), reference.running() as running:
            yield reference.target(running, row.name)

    likeliest_first = sorted(cases, key=lambda case: case.id not in row.cases)
    return Mutant(f"cloud-{row.name}", row.what, open_target, likeliest_first, min(3, len(row.cases)))
