"""Each codec that was broken on purpose is noticed by some vector, and a sound one by none."""

import asyncio
import logging

import pytest

from host_sim import codec
from host_sim.conformance import vectors
from host_sim.conformance.case import KitError
from host_sim.conformance.codec import case_of
from host_sim.conformance.mutants import Edit, Faults, Swap, applied
from host_sim.conformance.mutants import codec as broken
from host_sim.conformance.running import Silent, run_mutants
from hxtp import envelope


@pytest.fixture(scope="module")
def cases():
    return [case_of(vector) for vector in vectors.load()]


@pytest.mark.parametrize("each", broken.ALL, ids=lambda each: each.name)
def test_it_is_noticed(each, cases):
    mutant = broken.mutant(each, cases)
    mutant.enough = 1
    found = asyncio.run(run_mutants([mutant], Silent()))
    assert found.exit_status == 0, found.results[0].message


def test_each_has_a_name_of_its_own_and_a_group_that_there_is(cases):
    assert len({each.name for each in broken.ALL}) == len(broken.ALL) >= 100
    assert {each.first for each in broken.ALL} <= {case.group for case in cases}


def test_ours_is_whole_again_afterwards():
    before = [vars(edit.owner).get(edit.name) for each in broken.ALL for edit in each.edits]
    for each in broken.ALL:
        with applied(each.edits):
            pass
    assert [vars(edit.owner).get(edit.name) for each in broken.ALL for edit in each.edits] == before
    assert codec.answer(b'{"op":"reset"}') == {"ok": True}


def test_what_no_edit_changes_is_no_mutant(cases):
    unchanged = broken.Broken("codec-sound", "is ours", "age", (Swap(envelope, "MAX_ID", envelope.MAX_ID),))
    found = asyncio.run(run_mutants([broken.mutant(unchanged, cases)], Silent()))
    assert found.mutants[0].caught_by == [] and found.exit_status == 1


def test_an_edit_that_no_longer_fits_says_so():
    with (
        pytest.raises(KitError, match="_hex64 has 'nosuch' not exactly once"),
        applied((Edit(envelope, "_hex64", ("nosuch", "x")),)),
    ):
        pass


def test_a_mutation_that_does_not_work_itself_proves_nothing(cases):
    # A gateway logs what it stumbles over, and goes on.
    log, faults = logging.getLogger("a test of mutants"), Faults()
    log.addHandler(faults)
    log.propagate = False

    def stumbles(line):
        try:
            Edit(envelope, "_hex64", ("nosuch", "x")).value()
        except KitError:
            log.exception("fault while receiving")
        return {"ok": False, "code": "INTERNAL_ERROR"}

    each = broken.Broken("codec-faulty", "stumbles over itself", "age", (Swap(codec, "answer", stumbles),))
    found = asyncio.run(run_mutants([broken.mutant(each, cases)], Silent(), faults.taken))
    assert found.exit_status == 1 and found.mutants[0].caught_by == []
    assert found.results[0].message.startswith(
        "the mutation itself does not work: KitError: a mutant no longer"
    )
    assert faults.taken() is None
