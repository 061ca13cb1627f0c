"""How cases are run and what becomes of them, whatever they and their peers do."""

import asyncio
import threading
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from host_sim.conformance.case import Case, Failed, KitError, Outcome, Skipped, case, cases_of, expect
from host_sim.conformance.running import Mutant, Silent, Target, always, run, run_mutants


def made(run, id="one", needs=(), limit=None):
    return Case(id, f"about {id}", ("HX3-CODEC-01",), needs, run, limit)


def target(peer="peer", **changes):
    return Target("a target", lambda case: always(peer), **changes)


def ran(*cases, on=None, **options):
    return asyncio.run(run(list(cases), on or target(), Silent(), **options))


def outcome(function, **changes):
    found = ran(made(function, **changes)).results[0]
    return found.status, found.message


def passes(peer):
    assert peer == "peer"


async def passes_too(peer):
    assert peer == "peer"


async def fails(peer):
    raise Failed("hello first", "a state")


def skips(peer):
    raise Skipped("no means to reset it")


def stumbles(peer):
    raise KeyError("body")


async def hangs(peer):
    await asyncio.Event().wait()


def hangs_in_its_thread(peer):
    threading.Event().wait(60)


def stops(peer):
    raise KitError("the broker is gone; start it again")


async def interrupted(peer):
    asyncio.current_task().cancel()  # what asyncio does at SIGINT
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "function, status, says",
    [
        (passes, Outcome.PASSED, ""),
        (passes_too, Outcome.PASSED, ""),
        (fails, Outcome.FAILED, "expected hello first; got a state"),
        (lambda peer: expect("the number", 7, 8), Outcome.FAILED, "expected the number to be 7; got 8"),
        (skips, Outcome.SKIPPED, "no means to reset it"),
        (stumbles, Outcome.FAILED, "the case could not go on: KeyError: 'body'"),
    ],
)
def test_a_case_returns_or_raises(function, status, says):
    assert outcome(function) == (status, says)


def test_an_assertion_is_a_failure():
    def asserts(peer):
        assert peer == 7, "a peer of 7"

    status, message = outcome(asserts)
    assert status is Outcome.FAILED and message.startswith("a peer of 7")


@pytest.mark.parametrize("function", [hangs, hangs_in_its_thread])
def test_a_case_has_a_time_limit(function):
    assert outcome(function, limit=0.02) == (Outcome.FAILED, "not done within 0.02 s")


def test_a_peer_has_the_same_time_to_be_opened():
    @asynccontextmanager
    async def slow(case):
        await asyncio.Event().wait()
        yield

    found = ran(made(passes), on=Target("slow", slow, limit=0.02))
    assert found.results[0].message == "not done within 0.02 s"


def test_a_time_out_of_the_peers_own_is_not_the_limit():
    def slow(peer):
        raise TimeoutError("no PUBACK")

    assert outcome(slow)[1] == "the case could not go on: TimeoutError: no PUBACK"


def test_the_kit_stops_where_it_cannot_go_on_and_keeps_what_it_has():
    found = ran(made(passes, "one"), made(stops, "two"), made(passes, "three"))
    assert [result.case.id for result in found.results] == ["one"]
    assert (found.stopped, found.exit_status) == ("the broker is gone; start it again", 2)


def test_an_interrupt_keeps_what_it_has():
    found = ran(made(passes, "one"), made(interrupted, "two"), made(passes, "three"))
    assert [result.case.id for result in found.results] == ["one"]
    assert (found.interrupted, found.exit_status, found.planned) == (True, 130, 3)


def test_features_select_cases():
    two = made(passes, "two", needs=("pwm", "clock"))
    found = ran(made(passes), two, on=target(features=frozenset(["pwm"])))
    assert [result.status for result in found.results] == [Outcome.PASSED, Outcome.SKIPPED]
    assert found.results[1].message == "feature not declared: clock"
    assert ran(two).totals()["passed"] == 1  # nothing was declared: everything is tried


def test_a_case_that_waits_names_the_option_that_it_needs():
    slow = made(passes, needs=("slow",))
    found = ran(slow, on=target(features=frozenset()))
    assert found.results[0].message == "feature not declared: slow (run it with --slow)"


def test_known_deviations_change_failures_alone():
    found = ran(
        *(made(function, id) for id, function in (("a", fails), ("b", passes), ("c", skips), ("d", fails))),
        xfail={"a": "ours", "b": "ours", "c": "ours"},
    )
    assert [r.status.value for r in found.results] == ["xfailed", "failed", "skipped", "failed"]
    assert found.exit_status == 1


def test_what_a_peer_makes_a_case_say_is_bounded():
    def long(peer):
        raise Failed("x" * 100_000)

    assert len(outcome(long)[1]) < 3000


def test_cases_are_collected_in_order_and_their_ids_are_unique():
    decorated = [
        case(id, "a title", clauses=("HX3-SESS-01",), needs=("x",))(passes) for id in ("b-one", "a-two")
    ]
    module = SimpleNamespace(first=decorated[0], second=decorated[1], again=decorated[0], other=7)
    assert [found.id for found in cases_of(module)] == ["b-one", "a-two"]
    clash = SimpleNamespace(other=case("b-one", "another", clauses=())(passes))
    with pytest.raises(ValueError, match="two cases have the id b-one"):
        cases_of(module, clash)


@pytest.mark.parametrize("id, clauses", [("Not So", ()), ("x--y", ()), ("fine", ("HX3-1",))])
def test_a_case_is_well_formed(id, clauses):
    with pytest.raises(ValueError):
        case(id, "a title", clauses)


def mutant(name, function, on=None):
    @asynccontextmanager
    async def opened():
        yield on or target()

    return Mutant(name, f"about {name}", opened, [made(function, id) for id in "abcdef"], enough=2)


def test_a_mutant_is_caught_by_the_first_cases_that_fail():
    found = asyncio.run(run_mutants([mutant("dead", fails), mutant("alive", passes)], Silent()))
    assert [(row.name, row.caught_by) for row in found.mutants] == [("dead", ["a", "b"]), ("alive", [])]
    assert found.exit_status == 1 and found.results[1].message == "not caught by any of 6 cases"
    assert found.results[0].case.clauses == ("HX3-CODEC-01",)


def test_a_mutant_that_cannot_be_tried_is_not_caught():
    found = asyncio.run(run_mutants([mutant("one", stops)], Silent()))
    assert found.exit_status == 2 and found.stopped == "mutant one: the broker is gone; start it again"
