"""Critical commands: the device has its say in a dry run, and only then somebody may say yes."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import ClassVar

import pytest
import sqlalchemy as sa

from host_sim.cloud.gate import trials
from host_sim.cloud.storage.tables import commands
from host_sim.device import Lamp
from hxtp.errors import HxtpError
from tests.cloud.programs import Program, dial, token_of
from tests.cloud.waiting import until


class Gate:
    """A part with an action that nobody should do by accident."""

    KIND = "gate"
    actions: ClassVar = {
        "gate_force": (
            1000,
            "Open it whatever stands behind it",
            {"percent": {"type": "integer", "minimum": 1, "maximum": 100, "required": True}},
            "critical",
        ),
        "gate_open": (1001, "Open it", {}, "sensitive"),
        "gate_dismount": (1002, "For whoever stands beside it", {}, "restricted"),
    }

    def __init__(self):
        self.name = "gate"
        self.done = []

    def gate_force(self, params):
        self.done.append(params["percent"])

    def gate_open(self, params):
        self.done.append("open")

    gate_dismount = gate_open

    def state(self):
        return {"gate": len(self.done)}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def cloud_settings(request):
    if request.param == "sqlite":
        return {"plain_http": True}
    return {"plain_http": True, **request.getfixturevalue("postgres_settings")()}


@pytest.fixture(scope="module")
def gate(device):
    return device(parts=lambda: [Lamp(), Gate()])


@pytest.fixture(scope="module")
def away(device):
    """It was there, and has told its manifest."""
    gone = device(parts=lambda: [Gate()])
    gone.mqtt.stop()
    return gone


@pytest.fixture
def soon(monkeypatch):
    """Nobody waits for long."""
    monkeypatch.setattr(trials, "TRIAL_MS", 400)


def done(thing):
    return thing.sim.parts[-1].done


def ask(api, thing, percent=40, **more):
    body = {"action": "gate_force", "params": {"percent": percent}, **more}
    return api().post(f"/device/{thing.id}/command", json=body)


def confirm(api, thing, token):
    return api().post(f"/device/{thing.id}/command/confirm", json={"dry_run_token": token})


def declare(api, thing, **changed):
    """Let the gate go by something else than the device does; its next hello sets that right."""
    entries = api().get(f"/devices/{thing.id}/manifest").json()["capabilities"]
    told = [{**one, **changed} if one["action"] == "gate_force" else one for one in entries]
    assert api().put(f"/devices/{thing.id}/manifest", json={"capabilities": told}).status_code == 200


def test_the_device_is_asked_by_a_dry_run_before_a_token_is_given(api, gate):
    # HX3-MAN-10
    before = list(done(gate))
    answer = ask(api, gate, 41)
    told = answer.json()
    assert (answer.status_code, told["error"], told["status"]) == (
        409,
        "DRY_RUN_REQUIRED",
        "dry_run_required",
    )
    assert told["reason"] == "Critical action requires confirmation" and told["expires_in"] == 60
    assert (told["dry_run"], done(gate)) == ("taken", before)
    tried = api().get(f"/commands/{told['dry_run_id']}").json()
    assert (tried["dry_run"], tried["status"]) == (True, "acknowledged")
    assert (tried["params"], tried["result"]["ack_status"]) == ({"percent": 41}, "dry_run")
    ended = api().settled(confirm(api, gate, told["dry_run_token"]).json()["command_id"])
    assert (ended["status"], ended["dry_run"], done(gate)) == ("acknowledged", False, [*before, 41])


@pytest.mark.parametrize(
    "action, params, life_s", [("gate_open", {}, 30), ("gate_force", {"percent": 1}, 60)]
)
def test_a_yes_counts_once_and_only_in_time(cloud, api, gate, monkeypatch, action, params, life_s):
    # HX3-MAN-10, HX3-MAN-22
    before, now = list(done(gate)), cloud.services.exchange.now
    body = {"action": action, "params": params}
    for late_s, status in ((life_s + 1, 404), (life_s - 5, 202)):
        told = api().post(f"/device/{gate.id}/command", json=body).json()
        assert told["expires_in"] == life_s and done(gate) == before
        with monkeypatch.context() as later:
            later.setattr(cloud.services.exchange, "now", lambda by=late_s: now() + by * 1000)
            answer = confirm(api, gate, told["dry_run_token"])
        assert answer.status_code == status
    api().settled(answer.json()["command_id"])
    again = confirm(api, gate, told["dry_run_token"])
    assert (again.status_code, again.json()) == (202, answer.json())
    # What came before this one has reached the device.
    api().command(gate.id, "light_on")
    assert len(done(gate)) == len(before) + 1
    with monkeypatch.context() as later:
        later.setattr(cloud.services.exchange, "now", lambda: now() + (life_s + 1) * 1000)
        assert confirm(api, gate, told["dry_run_token"]).status_code == 404


def test_a_restricted_action_is_not_sent_by_any_means(api, gate):
    # HX3-MAN-10
    for dry_run in (False, True):
        body = {"action": "gate_dismount", "dry_run": dry_run}
        answer = api().post(f"/device/{gate.id}/command", json=body)
        assert (answer.status_code, answer.json()["error"]) == (403, "RESTRICTED_ACTION")


def test_what_the_device_refuses_is_told_and_gets_no_token(api, device):
    # HX3-MAN-10, HX3-MAN-21
    stubborn = device(parts=lambda: [Gate()])
    schema = {"additionalProperties": False, "properties": {"percent": {"type": "integer", "maximum": 900}}}
    declare(api, stubborn, paramSchema=schema)
    answer = ask(api, stubborn, 500)
    told = answer.json()
    assert (answer.status_code, told["error"], told["dry_run"]) == (409, "INVALID_PARAMS", "refused")
    assert "percent" in told["message"] and "dry_run_token" not in told and "token" not in told
    assert api().get(f"/commands/{told['dry_run_id']}").json()["error"] == "INVALID_PARAMS"
    assert done(stubborn) == []


def test_a_code_that_nobody_knows_is_told_but_is_none_of_ours(api, gate, monkeypatch):
    # HX3-MAN-21: what a device says is text, and no name for a metric
    def refuse(*unused):
        raise HxtpError("MOON_IN_THE_WRONG_HOUSE", "moon")

    monkeypatch.setattr("host_sim.device._Registry.find", refuse)
    answer = ask(api, gate)
    assert (answer.status_code, answer.json()["error"]) == (409, "COMMAND_INVALID")
    assert "MOON_IN_THE_WRONG_HOUSE (moon)" in answer.json()["message"]
    assert "MOON_IN_THE_WRONG_HOUSE" not in api().get("/metrics").text


def test_a_device_that_is_away_gets_no_token(api, away, soon):
    # HX3-MAN-21
    answer = ask(api, away)
    told = answer.json()
    assert (answer.status_code, told["error"], told["dry_run"]) == (409, "DEVICE_OFFLINE", "unanswered")
    assert "nothing was executed" in told["hint"] and "dry_run_token" not in told
    assert api().settled(told["dry_run_id"])["status"] == "expired"


def test_a_device_that_takes_no_dry_runs_is_not_asked_and_that_is_told(api, device):
    # HX3-MAN-20, HX3-CMD-31
    old = device(parts=lambda: [Gate()])
    declare(api, old, supportsDryRun=False)
    told = ask(api, old).json()
    assert (told["status"], told["dry_run"]) == ("dry_run_required", "not_supported")
    assert "was not asked" in told["message"] and "dry_run_id" not in told
    assert api().get(f"/device/{old.id}/commands").json()["commands"] == []
    ended = api().settled(confirm(api, old, told["token"]).json()["command_id"])
    assert (ended["status"], done(old)) == ("acknowledged", [40])


def test_several_devices_are_asked_at_once_and_each_has_its_own_answer(api, gate, away, soon):
    # HX3-MAN-10
    body = {"action": "gate_force", "params": {"percent": 5}, "device_ids": [away.id, gate.id, "nobody"]}
    before = list(done(gate))
    missing, asked, unknown = api().post("/devices/command", json=body).json()["results"]
    assert (missing["code"], missing["dry_run"]) == ("DEVICE_OFFLINE", "unanswered")
    assert (asked["code"], asked["dry_run"], asked["status"]) == (
        "DRY_RUN_REQUIRED",
        "taken",
        "dry_run_required",
    )
    assert unknown["code"] == "NOT_FOUND" and done(gate) == before
    api().settled(confirm(api, gate, asked["dry_run_token"]).json()["command_id"])
    assert done(gate) == [*before, 5]


def test_a_dry_run_that_is_asked_for_is_no_request_for_a_yes(api, gate):
    answer = ask(api, gate, dry_run=True)
    assert answer.status_code == 202
    assert api().settled(answer.json()["command_id"])["result"]["ack_status"] == "dry_run"


def test_a_program_that_signs_learns_what_the_device_said(cloud, api, gate):
    made = api().post("/auth/clients", json={"name": "app"}).json()
    with dial(cloud, token_of(api())) as socket:
        program = Program(socket, made["client_id"], bytes.fromhex(made["client_secret"]), gate, "pipe10", 0)
        told = program.answer(program.command("gate_force", {"percent": 3}))
    assert (told["error"], told["dry_run"]) == ("DRY_RUN_REQUIRED", "taken") and told["dry_run_token"]


def test_waiting_takes_no_connection_of_the_database(cloud, api, away, monkeypatch):
    monkeypatch.setattr(trials, "TRIAL_MS", 3000)
    database, many = cloud.services.database, 4
    tenant_id = away.registration["tenant_id"]

    def waiting():
        with database.reading(tenant_id) as connection:
            unsettled = commands.c.device_id == away.id, commands.c.settled_at.is_(None)
            count = sa.select(sa.func.count()).select_from(commands).where(*unsettled)
            return connection.execute(count).scalar_one()

    with ThreadPoolExecutor(many) as pool:
        asked = [pool.submit(ask, api, away) for _ in range(many)]
        until(lambda: waiting() == many, "all of them to wait")
        until(lambda: database.engine.pool.checkedout() == 0, "a moment without a connection in use")
        assert waiting() == many
        assert {one.result().json()["error"] for one in asked} == {"DEVICE_OFFLINE"}


@pytest.mark.parametrize("busy", [{"others": trials.THREADS}, {"mine": trials.TENANT_THREADS}], ids=str)
def test_only_so_many_requests_for_several_devices_wait_at_a_time(cloud, api, gate, monkeypatch, busy):
    mine = gate.registration["tenant_id"]
    waiting = Counter({mine if name == "mine" else name: many for name, many in busy.items()})
    monkeypatch.setattr(cloud.services.gate._trials, "_threads", waiting)
    body = {"action": "gate_force", "params": {"percent": 5}, "device_ids": [gate.id]}
    told = api().post("/devices/command", json=body).json()["results"][0]
    assert told["code"] == "RATE_LIMIT_EXCEEDED" and "dry_run_token" not in told
    assert ask(api, gate).json()["dry_run"] == "taken"  # which waits on no thread


def test_a_tenant_that_keeps_threads_waiting_shuts_nobody_else_out(cloud, api, gate, monkeypatch):
    waiting = Counter({"another": trials.TENANT_THREADS})
    monkeypatch.setattr(cloud.services.gate._trials, "_threads", waiting)
    body = {"action": "gate_force", "params": {"percent": 5}, "device_ids": [gate.id]}
    assert api().post("/devices/command", json=body).json()["results"][0]["dry_run"] == "taken"
    assert waiting == {"another": trials.TENANT_THREADS}


def test_what_was_confirmed_waits_for_its_device_no_longer_than_was_asked(api, gate):
    token = ask(api, gate, 43, ttl_s=7).json()["dry_run_token"]
    told = api().settled(confirm(api, gate, token).json()["command_id"])
    asked, ends = (datetime.fromisoformat(told[name]) for name in ("timestamp", "expires_at"))
    assert (ends - asked).total_seconds() == 7


def test_a_yes_to_something_sensitive_is_none_once_it_is_critical(api, gate):
    def asked(safety, status):
        declare(api, gate, safetyClass=safety)
        return until(
            lambda: (told := ask(api, gate, 44).json()).get("status") == status and told, f"a {safety} gate"
        )

    before = list(done(gate))
    token = asked("sensitive", "confirmation_required")["dry_run_token"]
    asked("critical", "dry_run_required")
    answer = confirm(api, gate, token)
    assert (answer.status_code, answer.json()["status"]) == (409, "dry_run_required")
    assert done(gate) == before
    assert confirm(api, gate, answer.json()["dry_run_token"]).status_code == 202
    until(lambda: done(gate) == [*before, 44], "the confirmed command")


def test_an_answer_that_another_worker_heard_is_found(cloud, api, gate, monkeypatch):
    exchange, trials_of = cloud.services.exchange, cloud.services.gate._trials
    monkeypatch.setattr(exchange._listeners, "tell", lambda notices: None)
    monkeypatch.setattr(trials_of, "_shared", True)  # there are others
    assert ask(api, gate).json()["dry_run"] == "taken"
    body = {"action": "gate_force", "params": {"percent": 5}, "device_ids": [gate.id]}
    assert api().post("/devices/command", json=body).json()["results"][0]["dry_run"] == "taken"
    assert trials_of._waiting == {}


def test_a_yes_without_a_dry_run_ends_where_the_device_takes_one_by_now(api, gate):
    # HX3-MAN-26, HX3-MAN-10
    before = list(done(gate))
    declare(api, gate, supportsDryRun=False)
    told = ask(api, gate, 43).json()
    assert told["dry_run"] == "not_supported"
    declare(api, gate, supportsDryRun=True)
    anew = confirm(api, gate, told["dry_run_token"])
    assert (anew.status_code, anew.json()["dry_run"], done(gate)) == (409, "taken", before)
