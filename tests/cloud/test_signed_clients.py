"""The WebSocket for programs that sign: commands through the gate, answers in their own profile, replays."""

import contextlib
import time
import uuid
from dataclasses import replace
from time import monotonic_ns

import pytest

from host_sim.cloud.gate.limits import Taken
from host_sim.cloud.live.orders import ack_body
from host_sim.device import Lamp, SimDevice
from hxtp import envelope, frame
from hxtp.replay import Floor
from hxtp.sign import Key
from tests.cloud.programs import PLAIN, Program, closed, dial, token_of
from tests.cloud.waiting import WAIT, until

PROFILES = ["pipe10", "json-full", "json-header"]


class Door(Lamp):
    KIND = "door"
    actions = {  # noqa: RUF012
        "door_open": (50, "Open the door", {}, "sensitive"),
        "door_unlock_all": (51, "Unlock every door", {}, "critical"),
        "door_reset": (52, "For the maker alone", {}, "restricted"),
        "door_call": (53, "Call somebody", {"name": {"type": "string"}}),
    }

    def door_open(self, params):
        return {"open": True}

    door_unlock_all = door_reset = door_open

    def door_call(self, params):
        return {"called": params["name"]}

    def state(self):
        return {"door": "shut"}


@pytest.fixture(scope="module")
def cloud_settings():
    return PLAIN


@pytest.fixture(scope="module")
def lamp(device):
    return device(parts=lambda: [Lamp(), Door("door")])


@pytest.fixture(scope="module")
def client(api):
    """client(role) → (id, secret) of a new app client of that role's user."""

    def made(role="owner", tenant="home", name="app"):
        answer = api(role, tenant).post("/auth/clients", json={"name": name}).json()
        return answer["client_id"], bytes.fromhex(answer["client_secret"])

    return made


@pytest.fixture(scope="module")
def app(client):
    return client()


@pytest.fixture
def program(cloud, api, lamp, app):
    """program(…) opens a connection with the owner's token for a program that has the client's secret."""
    with contextlib.ExitStack() as stack:

        def opened(profile="pipe10", framed=False, token=None, **changes):
            socket = stack.enter_context(dial(cloud, token or token_of(api())))
            given = {"client_id": app[0], "secret": app[1], **changes}
            return Program(socket, given["client_id"], given["secret"], lamp, profile, framed)

        yield opened


@pytest.fixture
def refused(cloud):
    """refused() is what the cloud has refused in this test, by code."""
    before = cloud.services.live.refused.copy()
    return lambda: dict(cloud.services.live.refused - before)


def alive(program):
    """A dashboard still: its ping is answered, and so all that it sent before has been judged."""
    program.socket.send("ping")
    while program.socket.recv(WAIT) != "pong":
        pass
    return True


@pytest.mark.parametrize("framed", [False, True], ids=["bare", "framed"])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_command_is_executed_and_acked_in_the_programs_own_form(cloud, program, lamp, profile, framed):
    """HX3-TRANS-12, HX3-TRANS-13, HX3-TRANS-17, HX3-TRANS-19, HX3-CANON-09: nothing unsigned comes any more;
    `next` sees to that."""
    uses = cloud.services.live.accepted[profile]
    level = 30 + PROFILES.index(profile) * 2 + framed
    one = program(profile, framed)
    ack = one.answer(one.command("light_brightness", {"brightness": level}))
    assert (ack["type"], ack["ack_status"], ack["result"]) == ("ack", "executed", {"brightness": level})
    assert lamp.sim.parts[0].brightness == level
    state = one.next("state")
    while state.params()["brightness"] != level:
        state = one.next("state")
    assert state.device_id == lamp.id
    assert cloud.services.live.accepted[profile] == uses + 1


@pytest.mark.parametrize("profile", PROFILES)
def test_the_device_gets_the_clouds_own_message_and_nothing_of_the_programs(
    program, lamp, monkeypatch, profile
):
    """HX3-SDK-01"""
    receive, got = SimDevice.receive, []

    def heard(sim, name, payload, *more):
        if sim is lamp.sim:
            got.append(payload)
        return receive(sim, name, payload, *more)

    monkeypatch.setattr(SimDevice, "receive", heard)
    one = program(profile)
    message_id = one.command("light_brightness", {"brightness": 12})
    assert one.answer(message_id)["ack_status"] == "executed"
    secret = bytes.fromhex(lamp.registration["device_secret"])
    judge = envelope.Verifier(
        frame.TO_DEVICE, [(Key(secret), Floor())], lamp.id, lamp.registration["tenant_id"], True
    ).judge
    sent = [(payload, judge(payload, time.time_ns() // 1000000, "cmd")) for payload in got]
    payload, command = next((payload, told) for payload, told in sent if told.type == "command")
    assert command.authentic and b'"client_id":"hxtp-cloud"' in payload and message_id.encode() not in payload
    assert command.params() == {"action": "light_brightness", "brightness": 12}
    assert command.action == b'"light_brightness"'
    assert one.client_id.encode() not in b"".join(got)


def test_uses_of_each_profile_and_refusals_are_in_the_metrics(api, program):
    """HX3-CANON-08, HX3-VAL-15"""
    one = program("json-header")
    one.answer(one.command("light_on"))
    one.command("light_on", timestamp=1)
    one.answer(one.command("light_on"))
    text = api().get("/metrics").text
    assert 'hxtp_client_messages_total{profile="json-header"}' in text
    assert 'hxtp_client_refusals_total{code="TIMESTAMP_EXPIRED"}' in text
    assert "hxtp_socket_connections 1.0" in text


def test_telemetry_is_told_signed(program, lamp):
    one = program()
    one.answer(one.command("light_on"))
    lamp.mqtt.call(lambda: lamp.sim.session.telemetry({"temperature_mdeg": 21500}, monotonic_ns() // 1000000))
    assert one.next("telemetry").params()["temperature_mdeg"] == 21500


def test_a_heartbeat_makes_a_session_and_is_not_answered(program, refused):
    one = program("json-full")
    one.send(one.built("heartbeat"))
    ack = one.answer(one.command("light_on"))
    assert ack["ack_status"] == "executed" and refused() == {}


def test_a_program_without_a_name_is_found_by_its_token(program):
    """HX3-TRANS-18"""
    one = program("json-header", client_id="unknown-client")
    assert one.answer(one.command("light_on"))["ack_status"] == "executed"


def test_parameters_may_lie_below_a_name_of_their_own(program, lamp):
    one = program("json-full")
    assert (
        one.answer(one.command("light_brightness", {"params": {"brightness": 3}}))["ack_status"] == "executed"
    )
    assert lamp.sim.parts[0].brightness == 3


def test_a_dry_run_moves_nothing(program, lamp):
    one = program()
    before = lamp.sim.parts[0].brightness
    ack = one.answer(one.command("light_brightness", {"brightness": 99, "dry_run": True}))
    assert ack["ack_status"] == "dry_run" and lamp.sim.parts[0].brightness == before


@pytest.mark.parametrize(
    "action, params, code",
    [
        ("light_brightness", {"brightness": "80"}, "PARAMS_INVALID"),  # nothing is coerced
        ("light_brightness", {"brightness": 101}, "PARAMS_INVALID"),
        ("light_brightness", {}, "PARAMS_INVALID"),
        ("light_on", {"dry_run": "yes"}, "PARAMS_INVALID"),
        ("light_on", {"protocol": "hxtp/3.0"}, "PARAMS_INVALID"),
        ("door_call", {"name": "Zoe\u0308"}, "PARAMS_INVALID"),
        ("open_sesame", {}, "ACTION_NOT_IN_MANIFEST"),
        ("hxtp.rotate", {}, "RESTRICTED_ACTION"),
        ("door_reset", {}, "RESTRICTED_ACTION"),
        ("", {}, "COMMAND_INVALID"),
    ],
)
def test_what_the_gate_refuses_is_told_by_a_signed_error(program, lamp, action, params, code):
    """HX3-TRANS-19, HX3-CMD-27, HX3-CANON-23"""
    one, runs = program(), len(lamp.sim.runs)
    told = one.answer(one.command(action, params))
    assert (told["type"], told["error"]) == ("error", code) and told["detail"]
    assert one.answer(one.command("light_on"))["ack_status"] == "executed"  # the session goes on
    assert len(lamp.sim.runs) == runs + 1


@pytest.mark.parametrize(
    "action, code", [("door_open", "CONFIRMATION_REQUIRED"), ("door_unlock_all", "DRY_RUN_REQUIRED")]
)
def test_a_dangerous_action_is_confirmed_by_rest_alone(program, api, lamp, action, code):
    one = program("json-full")
    message_id = one.command(action)
    told = one.answer(message_id)
    assert (told["type"], told["error"]) == ("error", code)
    confirmed = api().post(
        f"/device/{lamp.id}/command/confirm", json={"dry_run_token": told["dry_run_token"]}
    )
    assert confirmed.status_code == 202
    assert api().settled(confirmed.json()["command_id"])["result"]["result"] == {"open": True}
    # Signed again it is the same command, which has ended.
    runs = len(lamp.sim.runs)
    one.command(action, message_id=message_id)
    assert one.answer(message_id)["result"] == {"open": True}
    assert len(lamp.sim.runs) == runs


def test_a_key_that_may_only_read_does_not_command(program, api, lamp):
    key = api().post("/auth/api-keys", json={"name": "eyes", "scopes": ["read:devices"]}).json()["key"]
    one, runs = program(token=key), len(lamp.sim.runs)
    told = one.answer(one.command("light_on"))
    assert (told["type"], told["error"]) == ("error", "PERMISSION_DENIED")
    assert len(lamp.sim.runs) == runs
    api().post(f"/device/{lamp.id}/command", json={"action": "light_off"})
    assert one.next("state").device_id == lamp.id


def test_a_command_signed_again_is_the_same_command(program, lamp):
    """HX3-TRANS-20: a new number, nonce and time, and the same message id."""
    one = program()
    message_id = one.command("light_brightness", {"brightness": 71})
    assert one.answer(message_id)["ack_status"] == "executed"
    runs = len(lamp.sim.runs)
    one.command("light_brightness", {"brightness": 71}, message_id=message_id)
    assert one.answer(message_id)["result"] == {"brightness": 71}
    again = program()
    again.command("light_brightness", {"brightness": 71}, message_id=message_id)
    assert again.answer(message_id)["result"] == {"brightness": 71}
    assert len(lamp.sim.runs) == runs
    one.command("light_brightness", {"brightness": 72}, message_id=message_id)
    assert one.answer(message_id)["error"] == "IDEMPOTENCY_CONFLICT"


def test_a_replay_counts_on_no_connection_and_no_worker(cloud, program, lamp, refused):
    """HX3-SEQ-07: numbers start anew with a connection; the nonce is what everybody remembers."""
    one = program()
    data = one.built("command", {"action": "light_on"})
    one.send(data)
    assert one.next("ack").params()["ack_status"] == "executed"
    runs = len(lamp.sim.runs)
    one.send(data)
    assert one.answer(one.command("light_on"))["ack_status"] == "executed"
    other = program()
    other.send(data)
    assert alive(other)
    assert refused() == {"NONCE_REUSED": 2} and len(lamp.sim.runs) == runs + 1


def test_numbers_rise_on_a_connection_and_start_anew_on_the_next(program, refused):
    """HX3-TRANS-17"""
    one = program()
    one.answer(one.command("light_on", sequence_number=9))
    one.command("light_on", sequence_number=9)
    one.command("light_on", sequence_number=8)
    assert one.answer(one.command("light_on", sequence_number=10))["ack_status"] == "executed"
    assert refused() == {"SEQUENCE_VIOLATION": 2}
    other = program()
    assert other.answer(other.command("light_on", sequence_number=1))["ack_status"] == "executed"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "changes, code",
    [
        ({"secret": b"\xab" * 32}, "SIGNATURE_INVALID"),
        ({"client_id": "nobody"}, "SIGNATURE_INVALID"),
        ({"timestamp": -301000}, "TIMESTAMP_EXPIRED"),
        ({"timestamp": 61000}, "TIMESTAMP_FUTURE"),
        ({"device_id": "f" * 32}, "DEVICE_NOT_FOUND"),
        ({"device_id": "of the stranger"}, "DEVICE_NOT_FOUND"),
        ({"tenant_id": "another"}, "PERMISSION_DENIED"),
        ({"message_type": "hello"}, "FRAME_TYPE_INVALID"),
        ({"message_type": "state"}, "FRAME_TYPE_INVALID"),
        ({"nonce": "ab"}, "NONCE_MISSING"),
    ],
)
def test_what_does_not_count_changes_nothing_and_is_not_answered(
    program, stranger, lamp, refused, profile, changes, code
):
    """HX3-VAL-11, HX3-VAL-13, HX3-VAL-15, HX3-VAL-19"""
    changes = dict(changes)
    who = {name: changes.pop(name) for name in ("secret", "client_id") if name in changes}
    if "timestamp" in changes:
        changes["timestamp"] += time.time_ns() // 1000000
    if changes.get("device_id") == "of the stranger":
        changes["device_id"] = stranger.id
    runs = len(lamp.sim.runs) + len(stranger.sim.runs)
    one = program(profile, **who)
    one.command("light_on", **changes)
    assert alive(one) and refused() == {code: 1}
    assert len(lamp.sim.runs) + len(stranger.sim.runs) == runs


@pytest.fixture(scope="module")
def stranger(device):
    return device(tenant="other")


def test_a_tenant_that_is_not_named_is_that_of_the_token(program):
    one = program()
    assert one.answer(one.command("light_on", tenant_id=None))["ack_status"] == "executed"


def test_somebody_elses_client_is_not_taken_with_this_token(program, client, refused):
    client_id, secret = client("admin")
    one = program(client_id=client_id, secret=secret)
    one.command("light_on")
    assert alive(one) and refused() == {"SIGNATURE_INVALID": 1}


def test_a_connection_stays_with_its_first_client(program, client, refused):
    one = program()
    one.answer(one.command("light_on"))
    other = Program(one.socket, *client(name="second"), one.device)
    other.sequence = one.sequence
    other.command("light_on")
    one.sequence += 1
    assert one.answer(one.command("light_on"))["ack_status"] == "executed"
    assert refused() == {"SIGNATURE_INVALID": 1}


@pytest.mark.parametrize("profile", PROFILES[1:])
def test_a_tenant_can_turn_each_json_profile_off(cloud, api, program, refused, profile):
    """HX3-CANON-08"""
    name = "accept_" + profile.replace("-", "_")
    with _setting(api, name, False):
        one = program(profile)
        one.command("light_on")
        assert alive(one) and sum(refused().values()) == 1
        other = program([other for other in PROFILES if other != profile][-1])
        assert other.answer(other.command("light_on"))["ack_status"] == "executed"


def test_a_devices_secret_is_taken_under_a_setting_alone_and_in_pipe10_alone(api, program, lamp, refused):
    # HX3-KEY-07
    """HX3-TRANS-18, HX3-CANON-06"""
    secret = bytes.fromhex(lamp.registration["device_secret"])
    one = program(client_id="old-app", secret=secret)
    one.command("light_on")
    assert alive(one) and refused() == {"SIGNATURE_INVALID": 1}
    with _setting(api, "accept_device_secret_from_clients", True):
        one = program(client_id="old-app", secret=secret)
        ack = one.answer(one.command("light_brightness", {"brightness": 55}))
        assert ack["result"] == {"brightness": 55}
        other = program("json-full", client_id="old-app", secret=secret)
        other.command("light_on")
        assert alive(other) and refused() == {"SIGNATURE_INVALID": 2}


def test_a_devices_secret_counts_for_nothing_once_the_tenant_takes_it_no_more(
    cloud, api, program, lamp, refused, monkeypatch
):
    monkeypatch.setattr(cloud.services.live, "bounds", replace(cloud.services.live.bounds, recheck_s=3600))
    secret = bytes.fromhex(lamp.registration["device_secret"])
    with _setting(api, "accept_device_secret_from_clients", True):
        one = program(client_id="old-app", secret=secret)
        one.answer(one.command("light_on"))
    one.command("light_on")  # over the connection that was open
    assert until(refused, "the refusal") == {"SIGNATURE_INVALID": 1}


def test_a_client_that_is_revoked_counts_for_nothing_more(cloud, api, client, program, refused):
    client_id, secret = client(name="short")
    one = program(client_id=client_id, secret=secret)
    one.answer(one.command("light_on"))
    assert api().delete(f"/auth/clients/{client_id}").status_code == 200
    one.command("light_on")
    fresh = program(client_id=client_id, secret=secret)
    fresh.command("light_on")
    assert alive(fresh) and refused() == {"SIGNATURE_INVALID": 2}


def test_a_client_that_is_revoked_is_told_nothing_more(cloud, api, client, program):
    live = cloud.services.live
    usual, live.bounds = live.bounds, replace(live.bounds, recheck_s=0.05)
    try:
        client_id, secret = client(name="short")
        one = program(client_id=client_id, secret=secret)
        one.answer(one.command("light_on"))
        api().delete(f"/auth/clients/{client_id}")
        assert closed(one.socket) == 4401
    finally:
        live.bounds = usual


def test_the_tenants_minute_ends_for_clients_too(cloud, api, device, monkeypatch):
    busy = api("owner", "busy", "free")
    thing = device(tenant="busy")
    made = busy.post("/auth/clients", json={"name": "app"}).json()
    with dial(cloud, token_of(busy)) as socket:
        one = Program(socket, made["client_id"], bytes.fromhex(made["client_secret"]), thing)
        assert alive(one)
        monkeypatch.setattr(cloud.services.limits, "take", lambda *unused: Taken(False, 60, 0, 30))
        told = one.answer(one.command("light_on"))
        assert (told["type"], told["error"]) == ("error", "RATE_LIMIT_EXCEEDED")
    assert thing.sim.runs == []


@pytest.mark.parametrize(
    "ended, told",
    [
        (
            {
                "state": "acknowledged",
                "error": None,
                "result": {"ack_status": "executed", "ref_message_id": "x"},
            },
            {"ack_status": "executed", "ref_message_id": "mine"},
        ),
        (
            {
                "state": "failed",
                "error": "INVALID_PARAMS",
                "result": {"ack_status": "failed", "error": "INVALID_PARAMS", "member": "level"},
            },
            {"ack_status": "failed", "error": "INVALID_PARAMS", "member": "level", "ref_message_id": "mine"},
        ),
        (
            {"state": "failed", "error": "OUTCOME_UNKNOWN", "result": None},
            {"ack_status": "failed", "error": "OUTCOME_UNKNOWN", "ref_message_id": "mine"},
        ),
        (
            {"state": "expired", "error": None, "result": None},
            {"ack_status": "failed", "error": "DEVICE_OFFLINE", "ref_message_id": "mine"},
        ),
    ],
)
def test_each_end_of_a_command_has_its_ack(ended, told):
    assert ack_body(ended, "mine") == told


class _setting:
    """A tenant's setting for a while."""

    def __init__(self, api, name, value):
        self._api, self._name, self._value = api, name, value

    def __enter__(self):
        self._set(self._value)

    def __exit__(self, *unused):
        self._set(None)

    def _set(self, value):
        answer = self._api().patch("/tenant/settings", json={self._name: value})
        assert answer.status_code == 200, answer.text


def test_ids_of_a_program_cannot_meet_those_of_another_tenant(api, program, lamp, client, cloud, stranger):
    message_id = str(uuid.uuid4())
    one = program()
    one.command("light_on", message_id=message_id)
    assert one.answer(message_id)["ack_status"] == "executed"
    made = api("owner", "other").post("/auth/clients", json={"name": "app"}).json()
    with dial(cloud, token_of(api("owner", "other"))) as socket:
        other = Program(socket, made["client_id"], bytes.fromhex(made["client_secret"]), stranger)
        other.command("light_on", message_id=message_id)
        assert other.answer(message_id)["ack_status"] == "executed"
