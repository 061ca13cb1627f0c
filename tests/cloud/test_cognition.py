"""Observations, rules and proposals: data that is stored, compared and shown; nothing guesses."""

import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from host_sim.cloud.catalogue import cognition as catalogue
from host_sim.cloud.gate import trials
from host_sim.cloud.intents import router
from host_sim.cloud.intents.rules import fits, holds
from host_sim.cloud.storage.tables import users
from host_sim.device import Lamp
from tests.cloud.waiting import until

_words = itertools.count(1)


@pytest.fixture(scope="module")
def lamp(device):
    return device()


@pytest.fixture
def word():
    """A context that only this test's rules look at."""
    return f"occasion {next(_words)}"


def _rule(client, word, lamp, conditions, automatic=False, action="light_on", **params):
    intent = {
        "type": "device.control",
        "payload": {"device_id": lamp.id, "action": action, "params": params},
    }
    body = {
        "name": "A rule",
        "when": {"context": word, "all": conditions},
        "intent": intent,
        "automatic": automatic,
    }
    answer = client.post("/cognition/rules", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def _observe(client, word, lamp, **data):
    body = {"device_id": lamp.id, "data": data, "context": word}
    answer = client.post("/cognition/observation", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "OBSERVATION_RECEIVED"
    return answer.json()["proposal_id"]


def _proposal(api, proposal_id):
    return api().get(f"/cognition/proposals/{proposal_id}").json()


def test_without_a_rule_it_is_stored_and_proposes_nothing(api, lamp, word):
    proposal = _proposal(api, _observe(api("user"), word, lamp, temperature=22.5, occupancy=True))
    assert (proposal["state"], proposal["proposes"]) == ("none", [])
    assert proposal["data"] == {"temperature": 22.5, "occupancy": True}
    answer = api().post(f"/cognition/proposals/{proposal['id']}/accept")
    assert (answer.status_code, answer.json()["error"]) == (409, "NOTHING_PROPOSED")


def test_a_rule_proposes_and_a_person_accepts_once(api, lamp, word):
    rule_id = _rule(
        api("admin"),
        word,
        lamp,
        [{"member": "temperature", "op": ">", "value": 24}],
        action="light_brightness",
        brightness=17,
    )
    runs = len(lamp.sim.runs)
    assert _proposal(api, _observe(api(), word, lamp, temperature=24))["state"] == "none"
    proposal_id = _observe(api(), word, lamp, temperature=24.5)
    proposal = _proposal(api, proposal_id)
    assert (proposal["state"], proposal["proposes"][0]["rule_id"]) == ("proposed", rule_id)
    assert len(lamp.sim.runs) == runs
    listed = api().get("/cognition/proposals", params={"state": "proposed"}).json()["proposals"]
    assert proposal_id in {one["id"] for one in listed}

    answer = api("user").post(f"/cognition/proposals/{proposal_id}/accept")
    told = answer.json()
    assert (answer.status_code, told["status"], told["commands_executed"]) == (200, "SUCCESS", 1)
    command = api().settled(told["results"][0]["command_id"])
    user_id = api("user").get("/auth/me").json()["user"]["id"]
    assert (command["status"], command["actor"]) == ("acknowledged", f"user:{user_id}")
    assert lamp.sim.parts[0].brightness == 17
    after = _proposal(api, proposal_id)
    assert (after["state"], after["settled_by"]) == ("accepted", f"user:{user_id}")
    assert after["proposes"][0]["outcome"]["status"] == "SUCCESS"
    assert api().post(f"/cognition/proposals/{proposal_id}/accept").status_code == 409


def test_of_many_who_accept_at_once_one_does(api, lamp, word):
    _rule(api(), word, lamp, [{"member": "x", "op": "==", "value": 1}])
    proposal_id = _observe(api(), word, lamp, x=1)
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(
            lambda _: api().post(f"/cognition/proposals/{proposal_id}/accept").status_code, range(4)
        )
    assert sorted(answers) == [200, 409, 409, 409]


def test_a_dismissed_proposal_runs_no_more(api, lamp, word):
    _rule(api(), word, lamp, [{"member": "x", "op": "==", "value": 1}])
    proposal_id = _observe(api(), word, lamp, x=1)
    assert api("user").post(f"/cognition/proposals/{proposal_id}/dismiss").json()["status"] == "dismissed"
    assert api().post(f"/cognition/proposals/{proposal_id}/accept").status_code == 409
    assert api().post(f"/cognition/proposals/{proposal_id}/dismiss").status_code == 409


def test_an_automatic_rule_runs_and_the_history_names_it(api, lamp, word):
    rule_id = _rule(
        api("admin"),
        word,
        lamp,
        [
            {"member": "room.temperature", "op": "between", "value": [18, 24]},
            {"member": "room.occupied", "op": "==", "value": True},
        ],
        automatic=True,
        action="light_brightness",
        brightness=23,
    )
    assert _proposal(api, _observe(api(), word, lamp, room={"temperature": 18}))["state"] == "none"
    proposal = _proposal(api, _observe(api(), word, lamp, room={"temperature": 18, "occupied": True}))
    assert proposal["state"] == "automatic"
    outcome = proposal["proposes"][0]["outcome"]
    assert outcome["status"] == "SUCCESS"
    command = api().settled(outcome["results"][0]["command_id"])
    assert (command["status"], command["actor"]) == ("acknowledged", f"rule:{rule_id}")
    assert lamp.sim.parts[0].brightness == 23


def test_an_automatic_rule_ends_with_the_rights_of_who_wrote_it(api, lamp, word, cloud):
    maker = api("admin", tenant="home", tier="unlimited")
    me = maker.get("/auth/me").json()["user"]
    _rule(maker, word, lamp, [{"member": "x", "op": "==", "value": 1}], automatic=True)
    with cloud.services.database.writing(me["tenant_id"]) as connection:
        connection.execute(users.update().where(users.c.id == me["id"]).values(role="viewer"))
    runs = len(lamp.sim.runs)
    outcome = _proposal(api, _observe(api(), word, lamp, x=1))["proposes"][0]["outcome"]
    assert (outcome["status"], outcome["results"][0]["code"]) == ("FAILED", "PERMISSION_DENIED")
    assert len(lamp.sim.runs) == runs


def test_what_needs_a_yes_is_not_run_by_a_rule_and_no_token_is_kept(api, device, word):
    sensitive = device(parts=lambda: [_Guarded()])
    _rule(
        api(), word, sensitive, [{"member": "x", "op": "==", "value": 1}], automatic=True, action="light_on"
    )
    proposal = _proposal(api, _observe(api(), word, sensitive, x=1))
    outcome = proposal["proposes"][0]["outcome"]
    assert outcome["status"] == "FAILED"
    assert outcome["results"][0]["code"] == "CONFIRMATION_REQUIRED"
    assert outcome["results"][0]["status"] == "confirmation_required"
    assert not re.search(r"[\w-]{40,}", str(outcome)), "a token, by its length"
    assert not sensitive.sim.runs
    told = (
        api()
        .post(
            "/intent",
            json={"type": "device.control", "payload": {"device_id": sensitive.id, "action": "light_on"}},
        )
        .json()
    )
    assert told["results"][0]["dry_run_token"]  # for who asks himself


def test_a_rule_runs_however_long_the_device_of_another_one_was_waited_for(
    api, lamp, device, word, monkeypatch
):
    gone = device(parts=lambda: [_Dangerous()])
    gone.mqtt.stop()
    when = [{"member": "x", "op": "==", "value": 1}]
    _rule(api(), word, gone, when, automatic=True)
    _rule(api(), word, lamp, when, automatic=True, action="light_brightness", brightness=29)
    wait, waited = trials.wait, []

    def wait_for_a_minute(*given, **more):
        waited.append(60)
        return wait(*given, **more)

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(waited))
    monkeypatch.setattr("host_sim.cloud.storage.patience.time", clock)
    monkeypatch.setattr(trials, "wait", wait_for_a_minute)
    monkeypatch.setattr(trials, "TRIAL_MS", 50)
    away, there = _proposal(api, _observe(api(), word, lamp, x=1))["proposes"]
    assert waited and away["outcome"]["results"][0]["code"] == "DEVICE_OFFLINE"
    assert there["outcome"]["status"] == "SUCCESS"
    command = api().settled(there["outcome"]["results"][0]["command_id"])
    assert command["status"] == "acknowledged" and lamp.sim.parts[0].brightness == 29


def test_nobody_is_told_to_try_again_what_rules_have_run(api, lamp, word, monkeypatch):
    when = [{"member": "x", "op": "==", "value": 1}]
    _rule(api(), word, lamp, when, automatic=True, action="light_brightness", brightness=31)

    def away(*given):
        raise OperationalError(None, None, OSError())

    with monkeypatch.context() as for_now:
        for_now.setattr(catalogue, "told", away)
        proposal = _proposal(api, _observe(api(), word, lamp, x=1))
    assert (proposal["state"], proposal["proposes"][0]["outcome"]) == ("automatic", None)
    until(lambda: lamp.sim.parts[0].brightness == 31, "the command")


def test_whoever_accepts_is_told_what_has_run_and_what_the_database_could_not_do(
    api, lamp, word, monkeypatch
):
    when, run, failed = [{"member": "x", "op": "==", "value": 1}], router.run, []
    for brightness in (32, 33):
        _rule(api(), word, lamp, when, action="light_brightness", brightness=brightness)
    proposal_id = _observe(api(), word, lamp, x=1)

    def away_at_first(*given):
        if not failed:
            failed.append(OperationalError(None, None, OSError()))
            raise failed[0]
        return run(*given)

    with monkeypatch.context() as for_now:
        for_now.setattr(router, "run", away_at_first)
        answer = api().post(f"/cognition/proposals/{proposal_id}/accept")
    told = answer.json()
    assert (answer.status_code, told["status"], told["commands_executed"]) == (200, "PARTIAL", 1)
    assert (told["results"][0]["code"], told["results"][1]["status"]) == ("GATEWAY_ERROR", "dispatched")
    assert "/commands" in told["results"][0]["hint"]
    assert api().settled(told["results"][1]["command_id"])["status"] == "acknowledged"
    shown = _proposal(api, proposal_id)
    assert shown["state"] == "accepted"
    assert [one["outcome"]["status"] for one in shown["proposes"]] == ["FAILED", "SUCCESS"]


def test_whoever_accepts_is_told_the_outcome_though_it_cannot_be_noted(api, lamp, word, monkeypatch):
    when = [{"member": "x", "op": "==", "value": 1}]
    _rule(api(), word, lamp, when, action="light_brightness", brightness=34)
    proposal_id = _observe(api(), word, lamp, x=1)

    def away(*given):
        raise OperationalError(None, None, OSError())

    with monkeypatch.context() as for_now:
        for_now.setattr(catalogue, "told", away)
        answer = api().post(f"/cognition/proposals/{proposal_id}/accept")
    assert (answer.status_code, answer.json()["status"]) == (200, "SUCCESS"), answer.text
    assert api().settled(answer.json()["results"][0]["command_id"])["status"] == "acknowledged"
    assert lamp.sim.parts[0].brightness == 34
    assert _proposal(api, proposal_id)["state"] == "accepted"


class _Dangerous(Lamp):
    actions: ClassVar = {**Lamp.actions, "light_on": (1, "Switch the light on", {}, "critical")}


class _Guarded(Lamp):
    actions: ClassVar = {**Lamp.actions, "light_on": (1, "Switch the light on", {}, "sensitive")}


@pytest.mark.parametrize(
    "change",
    [
        {"when": {"all": []}},
        {"when": {"all": [{"member": "x", "op": "=~", "value": ".*"}]}},
        {"when": {"all": [{"member": "x", "op": ">", "value": "much"}]}},
        {"when": {"all": [{"member": "x", "op": ">", "value": True}]}},
        {"when": {"all": [{"member": "x", "op": "between", "value": [1]}]}},
        {"intent": {"type": "query.state", "payload": {"device_id": "x"}}},
        {"intent": {"type": "device.control", "payload": {}}},
        {"automatic": "yes"},
        {"name": ""},
    ],
)
def test_what_is_no_rule_is_refused(api, change):
    body = {
        "name": "A rule",
        "when": {"all": [{"member": "x", "op": "==", "value": 1}]},
        "intent": {"type": "scene.run", "payload": {"scene": "Evening"}},
        **change,
    }
    answer = api().post("/cognition/rules", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")


def test_rules_are_seen_by_all_and_written_by_admins(api, lamp, word):
    rule_id = _rule(api(), word, lamp, [{"member": "x", "op": "==", "value": None}])
    shown = api("viewer").get(f"/cognition/rules/{rule_id}").json()
    assert shown["when"]["all"] == [{"member": "x", "op": "==", "value": None}]
    assert rule_id in {one["id"] for one in api("viewer").get("/cognition/rules").json()["rules"]}
    body = {key: shown[key] for key in ("name", "when", "intent")}
    assert api("user").put(f"/cognition/rules/{rule_id}", json=body).status_code == 403
    assert api().put(f"/cognition/rules/{rule_id}", json={**body, "name": "B"}).status_code == 200
    assert api().get(f"/cognition/rules/{rule_id}").json()["name"] == "B"
    for method in ("GET", "DELETE"):
        assert api("owner", "other").request(method, f"/cognition/rules/{rule_id}").status_code == 404
    assert api().delete(f"/cognition/rules/{rule_id}").status_code == 200
    assert api().get(f"/cognition/rules/{rule_id}").status_code == 404


@pytest.mark.parametrize(
    "data",
    [
        {"a": "x" * 9000},
        {"a": 2**60},
        [],
        "text",
    ],
)
def test_data_has_a_size_and_is_an_object(api, lamp, data):
    answer = api().post("/cognition/observation", json={"device_id": lamp.id, "data": data})
    assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")


def test_data_has_a_depth(api, lamp):
    def nested(levels):
        value = 1
        for _ in range(levels):
            value = {"a": value}
        return value

    post = api().post
    assert post("/cognition/observation", json={"device_id": lamp.id, "data": nested(14)}).status_code == 202
    for levels in (16, 200):
        answer = post("/cognition/observation", json={"device_id": lamp.id, "data": nested(levels)})
        assert answer.status_code == 400, answer.text
    raw = b'{"device_id": "x", "data": ' + b'{"a":' * 50000 + b"1" + b"}" * 50000 + b"}"
    answer = api().post("/cognition/observation", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 413), answer.text


def test_a_device_of_another_tenant_is_not_found(api, lamp):
    answer = api("owner", "other").post("/cognition/observation", json={"device_id": lamp.id, "data": {}})
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")


def test_old_observations_are_forgotten(api, lamp, cloud, word):
    old, services = _observe(api(), word, lamp, x=1), cloud.services
    tenant_id = lamp.registration["tenant_id"]
    later = services.now() + catalogue.KEPT_MS + 1000
    with services.database.writing(tenant_id) as connection:
        catalogue.observe(connection, tenant_id, lamp.id, "", {}, [], "none", later)
    assert api().get(f"/cognition/proposals/{old}").status_code == 404


_scalars = st.one_of(st.booleans(), st.none(), st.text(max_size=3), st.integers(-5, 5), st.floats(-5, 5))


@given(_scalars, _scalars)
def test_equality_is_of_the_same_kind_and_the_same_both_ways(one, other):
    held = holds({"member": "x", "op": "==", "value": other}, {"x": one})
    assert held == holds({"member": "x", "op": "==", "value": one}, {"x": other})
    assert held == (one == other and isinstance(one, bool) == isinstance(other, bool))


@given(_scalars, st.integers(-5, 5), st.integers(-5, 5))
def test_comparisons_hold_for_numbers_alone_and_part_the_line(value, low, high):
    data = {"x": value}
    below, above, equal = (holds({"member": "x", "op": op, "value": low}, data) for op in ("<", ">", "=="))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    assert below + above + equal == number
    between = holds({"member": "x", "op": "between", "value": [low, high]}, data)
    assert between == (number and low <= value <= high)


@pytest.mark.parametrize("data", [{}, {"a": 1}, {"a": {"c": 1}}, {"a": [1]}])
def test_a_member_that_is_not_there_holds_nothing(data):
    for op, value in (("==", None), ("<", 5), (">", -5), ("between", [-5, 5])):
        assert not holds({"member": "a.b", "op": op, "value": value}, data)


def test_a_rule_for_one_device_is_for_that_one():
    when = {"device_id": "one", "context": None, "all": [{"member": "x", "op": "==", "value": 1}]}
    assert fits(when, "one", None, {"x": 1}) and not fits(when, "two", None, {"x": 1})
