"""The cases over HTTP against the reference cloud, sound, and broken once for each case. All that are broken:
`python -m host_sim conformance --mutants`; which cases catch each, and that no other does, takes minutes:
`python -m tests.conformance.exactly`.
"""

import asyncio

import pytest

from host_sim.conformance import cloud, running
from host_sim.conformance.case import Outcome
from host_sim.conformance.cloud import reference
from host_sim.conformance.mutants import applied
from host_sim.conformance.mutants import reference as broken

FIRST = {row.cases[0]: row for row in reversed(broken.TABLE)}  # for each case the first that it is there for
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


@pytest.mark.parametrize("row", FIRST.values(), ids=lambda row: row.name)
def test_a_broken_cloud_is_caught_by_its_case(row, target):
    with applied(row.edits):
        ((status, message),) = outcomes([CASES[row.cases[0]]], target).values()
    assert status is Outcome.FAILED
    assert "could not go on" not in message  # it was judged, and did not just stumble


def test_each_case_is_there_for_some_mistake():
    assert FIRST.keys() == CASES.keys()
    assert len({row.name for row in broken.TABLE}) == len(broken.TABLE)


def test_every_mistake_fits_the_code_and_can_be_undone():
    before = [vars(edit.owner).get(edit.name) for row in broken.TABLE for edit in row.edits]
    for row in broken.TABLE:
        with applied(row.edits):
            pass
    assert [vars(edit.owner).get(edit.name) for row in broken.TABLE for edit in row.edits] == before
