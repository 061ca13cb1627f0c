"""Commands over REST: through the gate, to the device, and back."""

import pytest

from host_sim.cloud.catalogue import manifests
from host_sim.device import Lamp, Relay, SimDevice
from tests.cloud.waiting import hold_still, until


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def cloud_settings(request):
    if request.param == "sqlite":
        return {}
    return request.getfixturevalue("postgres_settings")()


@pytest.fixture(scope="module")
def lamp(device):
    return device()


def test_a_command_reaches_the_device_and_its_end_is_told(api, lamp):
    ended = api().command(lamp.id, "light_brightness", {"brightness": 40})
    assert (ended["status"], ended["error"], ended["attempts"]) == ("acknowledged", None, 1)
    assert ended["result"]["result"] == {"brightness": 40}
    assert lamp.sim.parts[0].brightness == 40


def test_strings_stand_for_what_the_manifest_declares(api, lamp):
    assert api().command(lamp.id, "light_brightness", {"brightness": "41"})["status"] == "acknowledged"
    assert lamp.sim.parts[0].brightness == 41


@pytest.mark.parametrize(
    "body, status, code",
    [
        ({"action": "light_brightness", "params": {"brightness": 101}}, 400, "PARAMS_INVALID"),
        ({"action": "light_brightness", "params": {"brightness": "much"}}, 400, "PARAMS_INVALID"),
        ({"action": "light_brightness"}, 400, "PARAMS_INVALID"),
        ({"action": "light_on", "params": {"colour": 1}}, 400, "PARAMS_INVALID"),
        ({"action": "light_on", "params": {"action": "light_off"}}, 400, "PARAMS_INVALID"),
        ({"action": "open_door"}, 400, "ACTION_NOT_IN_MANIFEST"),
        ({"action": "hxtp.rotate"}, 403, "RESTRICTED_ACTION"),
        ({"action": ""}, 400, "BAD_REQUEST"),
        ({"action": "x" * 33}, 400, "BAD_REQUEST"),
        ({"action": "light_on", "ttl_s": 0}, 400, "BAD_REQUEST"),
        ({"action": "light_on", "ttl_s": 86401}, 400, "BAD_REQUEST"),
        ({"action": "light_on", "params": []}, 400, "BAD_REQUEST"),
        ({}, 400, "BAD_REQUEST"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_what_to_do(api, lamp, body, status, code):
    runs = len(lamp.sim.runs)
    answer = api().post(f"/device/{lamp.id}/command", json=body)
    told = answer.json()
    assert (answer.status_code, told["error"]) == (status, code)
    assert told["message"] and told["request_id"] == answer.headers["X-Request-ID"]
    assert len(lamp.sim.runs) == runs


def test_a_device_that_never_came_has_no_manifest(api):
    device_id = api().post("/device/register", json={"device_type": "x"}).json()["device_id"]
    answer = api().post(f"/device/{device_id}/command", json={"action": "light_on"})
    assert (answer.status_code, answer.json()["error"]) == (404, "MANIFEST_NOT_FOUND")


def test_an_unknown_device_is_not_found(api):
    answer = api().post("/devices/ping/command", json={"action": "status"})
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")


def test_a_revoked_device_gets_nothing_more(api, device):
    gone = device()
    assert api().post(f"/device/{gone.id}/revoke").json()["status"] == "revoked"
    answer = api().post(f"/device/{gone.id}/command", json={"action": "light_on"})
    assert (answer.status_code, answer.json()["error"]) == (409, "DEVICE_REVOKED")
    results = api().post("/devices/command", json={"action": "light_on", "device_ids": [gone.id]}).json()
    (result,) = results["results"]
    assert result["error"] == result["message"] == "Device is revoked"
    assert (result["code"], result["hint"]) == ("DEVICE_REVOKED", "register it anew")


def test_who_listens_is_told_what_ended_with_a_device(cloud, api, bare):
    # HX3-CMD-35
    command_id = api().post(f"/device/{bare}/command", json={"action": "light_on"}).json()["command_id"]
    told = []
    end = cloud.services.exchange.listen(told.append)
    assert api().post(f"/device/{bare}/revoke").status_code == 200
    command = api().get(f"/commands/{command_id}").json()
    assert (command["status"], command["error"]) == ("failed", "DEVICE_REVOKED") and command["settled_at"]
    until(lambda: told, "the notice")
    end()
    assert [(one.kind, one.device_id, one.body["id"]) for one in told] == [("command", bare, command_id)]


def test_an_idempotency_key_sends_a_command_once(api, lamp):
    def ask(brightness):
        return api().post(
            f"/device/{lamp.id}/command",
            json={"action": "light_brightness", "params": {"brightness": brightness}},
            headers={"Idempotency-Key": "evening"},
        )

    first = ask(10).json()["command_id"]
    api().settled(first)
    runs = len(lamp.sim.runs)
    assert ask(10).json()["command_id"] == first
    assert len(lamp.sim.runs) == runs
    other = ask(11)
    assert (other.status_code, other.json()["error"]) == (409, "IDEMPOTENCY_CONFLICT")


def test_a_batch_says_for_each_device_what_became_of_it(api, lamp):
    body = {"action": "light_on", "device_ids": [lamp.id, "nobody", lamp.id]}
    results = api().post("/devices/command", json=body).json()["results"]
    assert [(one["device_id"], one["success"]) for one in results] == [(lamp.id, True), ("nobody", False)]
    assert api().settled(results[0]["message_id"])["status"] == "acknowledged"
    assert results[1]["code"] == "NOT_FOUND"


def test_the_history_lists_the_newest_first(api, lamp):
    ids = [api().command(lamp.id, "light_on")["id"] for _ in range(3)]
    listed = api().get(f"/device/{lamp.id}/commands", params={"limit": 3}).json()["commands"]
    assert [one["id"] for one in listed] == ids[::-1]
    assert listed[0]["actor"].startswith("user:") and listed[0]["timestamp"].endswith("Z")


def test_a_command_for_a_device_that_is_away_expires(api, device):
    away = device()
    away.mqtt.stop()
    command = api().post(f"/device/{away.id}/command", json={"action": "light_on", "ttl_s": 0.5}).json()
    assert api().settled(command["command_id"])["status"] == "expired"


def test_a_device_that_comes_back_gets_what_waited(api, device):
    back = device()
    back.mqtt.call(back.sim.power_off)
    command = api().post(f"/device/{back.id}/command", json={"action": "light_on"}).json()["command_id"]
    back.mqtt.reboot()
    ended = api().settled(command)
    # Published to the boot before, unless the cloud knew by then that it was gone.
    assert (ended["status"], ended["error"]) in [("acknowledged", None), ("failed", "OUTCOME_UNKNOWN")]
    assert sum(run.action == "light_on" for run in back.sim.runs) <= 1
    until(lambda: api().command(back.id, "light_on")["status"] == "acknowledged", "it to obey again")


def test_between_a_hello_and_the_manifest_that_it_names_nothing_is_sent(api, device, monkeypatch):
    # HX3-MAN-04: what the device could do before is forgotten, here and by the gate
    changing = device(parts=lambda: [Lamp()])
    path, take = f"/devices/{changing.id}/manifest", SimDevice.take
    assert api().command(changing.id, "light_on")["status"] == "acknowledged"  # the gate knows the device
    held: list = []

    def without_manifests(sim, now):
        message = take(sim, now)
        if sim is changing.sim and message is not None and message[0].endswith("/manifest"):
            held.append(message)
            return take(sim, now)
        return message

    with monkeypatch.context() as holding:
        holding.setattr(SimDevice, "take", without_manifests)
        changing.sim._make_parts = lambda: [Lamp(), Relay()]
        changing.mqtt.reboot()
        until(lambda: held, "the device to be asked for its manifest")
        runs = len(changing.sim.runs)
        for action in ("light_on", "relay_on"):
            answer = api().post(f"/device/{changing.id}/command", json={"action": action})
            assert (answer.status_code, answer.json()["error"]) == (404, "MANIFEST_NOT_FOUND")
            assert "in a moment" in answer.json()["hint"] and answer.headers["Retry-After"] == "1"
        batch = {"action": "light_on", "device_ids": [changing.id]}
        results = api().post("/devices/command", json=batch).json()["results"]
        assert results[0]["code"] == "MANIFEST_NOT_FOUND"
        assert api().get(path).status_code == 404
        assert len(changing.sim.runs) == runs
    changing.mqtt.reboot()
    told = until(lambda: (found := api().get(path)).status_code == 200 and found.json(), "the manifest")
    assert {"relay_on", "light_on"} <= {one["action"] for one in told["capabilities"]}
    assert told["version"] == 2
    assert api().command(changing.id, "relay_on")["status"] == "acknowledged"


@pytest.mark.parametrize("named", [None, 5, {}, ["a"], "\x00", "x" * 5000, "AB" * 32])
def test_whatever_a_device_names_in_place_of_a_hash_its_manifest_is_forgotten(api, cloud, lamp, named):
    # HX3-MAN-04, HX3-MAN-05: a database that failed here would fail everybody's turn
    tenant_id = lamp.registration["tenant_id"]
    with cloud.services.database.writing(tenant_id) as connection, connection.begin_nested() as undone:
        kept = manifests.of(connection, tenant_id, lamp.id)
        manifests.forget(connection, tenant_id, lamp.id, kept.hash)
        assert manifests.of(connection, tenant_id, lamp.id) is not None
        manifests.forget(connection, tenant_id, lamp.id, named)
        assert manifests.of(connection, tenant_id, lamp.id) is None
        undone.rollback()


@pytest.fixture
def bare(api):
    """A device that is not there, and can switch a light and open a door that somebody has to say yes to."""
    device_id = api().post("/device/register", json={"device_type": "x"}).json()["device_id"]
    capabilities = [
        {"id": 1, "action": "light_on"},
        {"id": 2, "action": "light_off"},
        {"id": 3, "action": "door_open", "safetyClass": "sensitive"},
    ]
    made = api().post(f"/devices/{device_id}/manifest", json={"capabilities": capabilities})
    assert made.status_code == 201, made.text
    return device_id


def test_a_device_takes_no_more_commands_than_the_settings_say(cloud, api, bare, monkeypatch):
    hold_still(monkeypatch)

    def ask(action):
        return api().post(f"/device/{bare}/command", json={"action": action})

    assert [ask("light_on").status_code for _ in range(3)] == [202] * 3, "there is no limit by default"
    monkeypatch.setattr(cloud.settings, "device_per_minute", 2)
    assert [ask(action).status_code for action in ("light_on", "nothing", "light_off")] == [202, 400, 202]
    refused = ask("light_on")
    assert (refused.status_code, refused.json()["error"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert int(refused.headers["Retry-After"]) > 0 and "2 commands" in refused.json()["message"]
    (many,) = (
        api().post("/devices/command", json={"device_ids": [bare], "action": "light_on"}).json()["results"]
    )
    assert (many["success"], many["code"]) == (False, "RATE_LIMIT_EXCEEDED")
    monkeypatch.setattr(cloud.settings, "device_per_minute", 0)
    monkeypatch.setattr(cloud.settings, "action_per_5min", 1)
    assert [ask(action).status_code for action in ("light_on", "light_on", "light_off")] == [202, 429, 202]


def test_who_lost_an_answer_asks_or_confirms_again_and_has_the_same_command(api, bare):
    # HX3-MAN-22, HX3-MAN-23
    def send(path, body, key=None):
        headers = {"Idempotency-Key": key} if key else {}
        return api().post(f"/device/{bare}/{path}", json=body, headers=headers)

    def ask(**more):
        return send("command", {"action": "door_open", **more}, "evening")

    bodies = [{"dry_run_token": ask().json()["dry_run_token"]} for _ in range(2)]
    # The token says which command it is; another key beside it is not looked at.
    answers = [send("command/confirm", body, key) for body in bodies for key in (None, "another")] + [ask()]
    assert [answer.status_code for answer in answers] == [202] * 5
    (command_id,) = {answer.json()["command_id"] for answer in answers}
    assert ask(ttl_s=7).json()["error"] == "IDEMPOTENCY_CONFLICT"
    assert ask(dry_run=True).status_code == 400
    shown = api().get(f"/device/{bare}/commands").json()["commands"]
    assert [one["id"] for one in shown] == [command_id]


def test_of_what_has_to_be_confirmed_less_is_taken(cloud, api, bare, monkeypatch):
    hold_still(monkeypatch)
    monkeypatch.setattr(cloud.settings, "sensitive_per_minute", 1)

    def said_yes():
        asked = api().post(f"/device/{bare}/command", json={"action": "door_open"})
        token = asked.json()["dry_run_token"]
        return api().post(f"/device/{bare}/command/confirm", json={"token": token}).status_code

    assert [said_yes(), said_yes()] == [202, 429]
