"""The steps of a command's way: told to admins as they were, and counted where it was refused, each once."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from host_sim.cloud.catalogue import manifests
from host_sim.cloud.errors import ApiError
from host_sim.cloud.gate.way import STEPS
from host_sim.cloud.links import reports
from host_sim.cloud.live import orders
from tests.cloud.waiting import hold_still

BEFORE = ["authentication", "tenant", "role_and_scope", "rate_limit", "request"]
CHECKED = [*BEFORE, "manifest", "parameters", "safety_class"]


@pytest.fixture(scope="module")
def lamp(device, cloud):
    """With an action of each safety class."""
    lamp = device()
    tenant_id = lamp.registration["tenant_id"]
    with cloud.services.database.writing(tenant_id) as connection:
        body = manifests.of(connection, tenant_id, lamp.id).body
        classes = {"light_on": "sensitive", "light_off": "critical", "relay_on": "restricted"}
        for entry in body["capabilities"]:
            entry["safetyClass"] = classes.get(entry["action"], "normal")
        reports.save_manifest(connection, tenant_id, lamp.id, "0" * 64, body, 0)
    return lamp


@pytest.fixture
def send(api, lamp):
    def sent(action="light_brightness", level=5, role="admin", path="devices", **more):
        params = {"brightness": level} if action == "light_brightness" else {}
        body = {"action": action, "params": params, **more}
        return api(role).post(f"/{path}/{lamp.id}/command", json=body)

    return sent


def test_an_admin_is_told_the_steps_that_a_command_has_passed(send):
    told = send().json()
    assert told["steps"] == [*CHECKED, "device_limit", "signed"]
    assert set(told["steps"]) <= set(STEPS)


def test_a_dry_run_passes_one_step_more(send):
    assert send(dry_run=True).json()["steps"] == [*CHECKED, "dry_run", "device_limit", "signed"]


@pytest.mark.parametrize(
    "sent, code, steps, step",
    [
        ({"action": "nonsense"}, "ACTION_NOT_IN_MANIFEST", BEFORE, "manifest"),
        ({"level": 101}, "PARAMS_INVALID", [*BEFORE, "manifest"], "parameters"),
        ({"action": "relay_on"}, "RESTRICTED_ACTION", CHECKED[:-1], "safety_class"),
        ({"action": "light_on"}, "CONFIRMATION_REQUIRED", CHECKED[:-1], "safety_class"),
        ({"action": "light_off"}, "DRY_RUN_REQUIRED", CHECKED, "dry_run"),
        ({"ttl_s": 0}, "BAD_REQUEST", BEFORE[:-1], "request"),
    ],
    ids=["manifest", "parameters", "restricted", "sensitive", "critical", "form"],
)
def test_a_refusal_tells_an_admin_which_step_refused_and_what_was_passed(send, sent, code, steps, step):
    told = send(**sent).json()
    assert (told["error"], told["steps"], told["step"]) == (code, steps, step)
    assert told["message"] and told["request_id"]


def test_a_device_that_is_not_there_is_refused_as_what_the_request_names(api):
    gone = api().post("/device/register", json={"device_type": "x"}).json()["device_id"]
    api().post(f"/device/{gone}/revoke").raise_for_status()
    for device_id, code in (("nope", "NOT_FOUND"), (gone, "DEVICE_REVOKED")):
        told = api("admin").post(f"/devices/{device_id}/command", json={"action": "light_on"}).json()
        assert (told["error"], told["steps"], told["step"]) == (code, BEFORE[:-1], "request")


def test_the_steps_are_for_admins_and_for_the_plural_path(send):
    for told in (
        send(role="user").json(),
        send(path="device").json(),
        send(role="user", action="nonsense").json(),
        send(path="device", action="nonsense").json(),
        send(role="viewer").json(),
    ):
        assert not {"step", "steps"} & set(told)


def test_a_yes_tells_the_steps_that_it_passed(api, send, lamp):
    token = send(action="light_on").json()["dry_run_token"]
    told = api("admin").post(f"/devices/{lamp.id}/command/confirm", json={"dry_run_token": token}).json()
    assert told["steps"] == [*CHECKED, "device_limit", "signed"]
    path = f"/devices/{lamp.id}/command/confirm"
    told = api("admin").post(path, json={"dry_run_token": "x" * 43}).json()
    assert (told["error"], told["step"]) == ("NOT_FOUND", "request")


@pytest.fixture
def counted(api):
    """counted(NAME, LABEL): how often it was counted since the test began, by the values of the labels."""

    def now():
        families = text_string_to_metric_families(api(None).get("/metrics").text)
        samples = (sample for family in families for sample in family.samples)
        return {(one.name, *sorted(one.labels.values())): one.value for one in samples}

    before = now()

    def since(name):
        found = {key[1:]: value - before.get(key, 0) for key, value in now().items() if key[0] == name}
        return {key: int(value) for key, value in found.items() if value}

    return since


def test_a_refused_command_is_counted_once_wherever_it_was_refused(cloud, api, lamp, counted, monkeypatch):
    hold_still(monkeypatch)
    path, body = f"/device/{lamp.id}/command", {"action": "light_brightness", "params": {"brightness": 5}}
    reading = api().post("/auth/api-keys", json={"name": "k", "scopes": ["read:devices"]}).json()["key"]
    home = api().post("/homes", json={"home_name": "Steps", "timezone": "UTC"}).json()["id"]
    room = api().post(f"/homes/{home}/rooms", json={"name": "Room"}).json()["id"]

    assert api(None).post(path, json=body).status_code == 401
    assert api("lone", None).post(path, json=body).status_code == 403
    assert api("viewer").post(path, json=body).status_code == 403
    by_key = {"Authorization": f"Bearer {reading}"}
    assert api(None).post(path, json=body, headers=by_key).status_code == 403
    monkeypatch.setattr(cloud.settings, "pro_per_minute", 1)
    limited = api("owner", "limited", "pro")
    assert [limited.post(path, json=body).status_code for _ in range(3)] == [404, 429, 429]
    assert "1 request a minute is allowed in" in limited.get("/devices").json()["message"]
    assert api().post(path, json={}).status_code == 400
    assert api().post(path, content=b"{").status_code == 400
    lost = {**body, "capability": "nothing that there is"}
    assert api().post(f"/rooms/{room}/command", json=lost).status_code == 400
    assert api().post("/rooms/nowhere/command", json=body).status_code == 404
    several = {"action": "nonsense", "device_ids": [lamp.id, "nobody"]}
    assert api().post("/devices/command", json=several).status_code == 200
    assert api().post(path, json={"action": "nonsense"}).status_code == 400
    assert api().post(path, json={"action": "light_on"}).status_code == 409
    wish = {"type": "device.control", "payload": {"device_id": lamp.id, "action": "nonsense"}}
    assert api().post("/intent", json=wish).status_code == 200
    with pytest.raises(ApiError):
        orders.order(cloud.services, "no token", None, None)  # type: ignore[arg-type]  # for a stranger
    api("viewer").get("/tenant/settings")  # no command

    assert counted("hxtp_gate_refusals_total") == {
        ("UNAUTHORIZED", "authentication"): 2,
        ("PERMISSION_DENIED", "tenant"): 1,
        ("PERMISSION_DENIED", "role_and_scope"): 2,
        ("RATE_LIMIT_EXCEEDED", "rate_limit"): 2,
        ("BAD_REQUEST", "request"): 2,
        ("PARAMS_INVALID", "request"): 1,
        ("NOT_FOUND", "request"): 3,
        ("ACTION_NOT_IN_MANIFEST", "manifest"): 3,
        ("CONFIRMATION_REQUIRED", "safety_class"): 1,
    }


def test_every_answer_that_refuses_is_counted_by_its_route(api, lamp, counted):
    api().post(f"/device/{lamp.id}/command", json={"action": "nonsense"})
    api("viewer").get("/tenant/settings")
    api(None).get("/something/a/stranger/made/up")
    api(None).delete("/version")
    api().head("/devices/nobody")
    api().get("/plans")
    assert counted("hxtp_refusals_total") == {
        ("/device/{device_id}/command", "ACTION_NOT_IN_MANIFEST"): 1,
        ("/tenant/settings", "PERMISSION_DENIED"): 1,
        ("NOT_FOUND", "unmatched"): 1,
        ("METHOD_NOT_ALLOWED", "unmatched"): 1,
        ("/devices/{device_id}", "NOT_FOUND"): 1,
        ("/plans", "NOT_IMPLEMENTED"): 1,
    }


def test_a_code_that_nobody_knows_is_no_label(cloud, counted, api, client_of, monkeypatch):
    def refuses(*unused):
        raise ApiError(400, "a stranger's own words", "no")

    monkeypatch.setattr("host_sim.cloud.catalogue.clients.every", refuses)
    headers = {"Authorization": api().headers["Authorization"]}
    assert client_of(cloud).get("/auth/clients", headers=headers).status_code == 400
    assert counted("hxtp_refusals_total") == {("/auth/clients", "other"): 1}
    assert "stranger" not in api(None).get("/metrics").text
