"""The cases over HTTP against the reference cloud, sound and broken. Which cases catch a broken one, and that
no other does: `python -m tests.conformance.exactly`, which takes minutes.
"""

import asyncio
from collections import Counter

import pytest

from host_sim.conformance import cloud, running
from host_sim.conformance.case import Outcome
from host_sim.conformance.cloud import reference
from host_sim.conformance.mutants import applied
from host_sim.conformance.mutants import reference as broken

CASES = {case.id: case for case in broken.over_http(cloud.cases())}


@pytest.fixture(scope="module")
def target():
    with reference.running() as one:
        yield reference.target(one)


def outcomes(cases, target):
    found = asyncio.run(running.run(list(cases), target, running.Silent()))
    assert found.stopped is None
    return {result.case.id: (result.status, result.message) for result in found.results}


def test_the_reference_cloud_passes_every_case_and_none_is_left_out(target):
    found = outcomes(CASES.values(), target)
    assert {id: each for id, each in found.items() if each[0] is not Outcome.PASSED} == {}


@pytest.mark.parametrize("row", broken.TABLE, ids=lambda row: row.name)
def test_a_broken_cloud_is_caught_by_its_case(row, target):
    with applied(row.edits):
        ((status, message),) = outcomes([CASES[row.cases[0]]], target).values()
    assert status is Outcome.FAILED
    assert "could not go on" not in message  # it was judged, and did not just stumble


def test_each_case_is_there_for_some_mistake():
    first = Counter(row.cases[0] for row in broken.TABLE)
    assert first.keys() == CASES.keys() - BY_OTHERS
    assert len({row.name for row in broken.TABLE}) == len(broken.TABLE)


# Each of these fails for what another case is there for too, and says more clearly what it is.
BY_OTHERS = {"cloud-check-headers-covered", "cloud-check-content-covered"}
