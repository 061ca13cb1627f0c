"""What every answer has, whatever was asked: its headers, one shape of errors, and how often one may ask."""

import ssl
import uuid

import pytest
import sqlalchemy.exc
from websockets.sync.client import connect

from host_sim.cloud.app import MAX_BODY
from host_sim.cloud.errors import ApiError
from tests.cloud.waiting import hold_still


@pytest.fixture(scope="module")
def cloud_settings():
    return {"allowed_origins": "https://dash.example"}


def _asks(api):
    """Name → an answer of each kind."""
    owner, nobody = api(), api(None)
    return {
        200: lambda: nobody.get("/version"),
        201: lambda: owner.post("/auth/clients", json={"name": "c"}),
        400: lambda: owner.post("/auth/clients", json={}),
        401: lambda: nobody.get("/auth/me"),
        403: lambda: api("viewer").get("/tenant/settings"),
        404: lambda: owner.get("/nothing/here"),
        405: lambda: owner.delete("/auth/me"),
        409: lambda: owner.post("/tenant/register", json={"tenant_name": "x"}),
        413: lambda: owner.post("/auth/clients", content=b"[" + b" " * MAX_BODY + b"]"),
    }


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 405, 409, 413])
def test_every_answer_names_its_request_and_the_versions(api, status):
    # HX3-TRANS-16
    answer = _asks(api)[status]()
    assert answer.status_code == status, answer.text
    assert (answer.headers["X-API-Version"], answer.headers["X-Protocol-Version"]) == ("1", "HxTP/3.0")
    assert uuid.UUID(answer.headers["X-Request-ID"])
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == (
        "nosniff",
        "no-store",
    )
    if status >= 400:
        told = answer.json()
        assert set(told) >= {"error", "message", "hint", "request_id"} and told["message"]
        assert told["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/health", "/metrics", "/auth/cli", "/no/where"])
def test_so_does_what_is_no_json(api, path):
    # HX3-TRANS-16
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        answer = api(None).request(method, path)
        found = answer.headers["X-API-Version"], answer.headers["X-Protocol-Version"]
        assert found == ("1", "HxTP/3.0") and answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/ws/state", "/api/v1/ws/state"])
def test_so_does_the_change_to_a_websocket_and_a_plain_request_is_told_to_make_one(cloud, api, path):
    # HX3-TRANS-16
    address = api(None).base_url.copy_with(path=path)
    verify = ssl.create_default_context(cafile=str(cloud.pki.ca))
    with connect(str(address.copy_with(scheme="wss")), ssl=verify) as socket:
        told = socket.response.headers
        assert (told["X-API-Version"], told["X-Protocol-Version"]) == ("1", "HxTP/3.0")
        assert uuid.UUID(told["X-Request-ID"])
    answer = api(None).get(str(address))
    assert (answer.status_code, answer.json()["error"]) == (426, "UPGRADE_REQUIRED")
    assert (answer.headers["Upgrade"], answer.headers["Connection"]) == ("websocket", "Upgrade")
    assert answer.json()["hint"] and answer.json()["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "path", ["/health", "/health/live", "/health/ready", "/version", "/devices", "/scenes", "/devices/nobody"]
)
def test_head_is_answered_as_get_without_the_body(api, path):
    head, get = api().head(path), api().get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"] == "application/json"
    if path != "/health":  # what is measured differs
        assert head.headers["Content-Length"] == str(len(get.content))


def test_head_of_what_cannot_be_got_is_refused(api):
    answer = api().head("/devices/command")
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (405, "POST", b"")
    assert api(None).head("/devices").status_code == 401


@pytest.mark.parametrize(
    "path, near",
    [
        ("/api/v1/devicess", "/api/v1/devices"),
        ("/devices", "/api/v1/devices"),
        ("/auth/cli", "/api/v1/auth/cli"),
        ("/api/v1/device/x/comand", "/api/v1/device/{device_id}/command"),
        ("/api/v1/xyzzy", None),
        ("/api/v1/devices/" + "x" * 200 + "/stat", None),
    ],
)
def test_a_path_that_there_is_not_is_answered_with_the_nearest(api, path, near):
    answer = api(None).get(str(api(None).base_url.copy_with(path=path)))
    told = "GET /api/v1/docs shows what there is"
    assert answer.status_code == 404
    assert answer.json()["hint"] == (f"did you mean {near}? {told}" if near else told)


def test_a_fault_of_the_cloud_is_told_without_its_inside(api, monkeypatch):
    # HX3-TRANS-16
    def broken(*unused):
        raise RuntimeError("the inside")

    monkeypatch.setattr("host_sim.cloud.catalogue.clients.every", broken)
    answer = api().get("/auth/clients")
    assert (answer.status_code, answer.json()["error"]) == (500, "GATEWAY_ERROR")
    assert "inside" not in answer.text and answer.headers["X-API-Version"] == "1"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_request_that_finds_no_free_connection_of_the_database_may_be_tried_again(api, monkeypatch):
    def busy(*unused):
        raise sqlalchemy.exc.TimeoutError("QueuePool limit of size 12 reached")

    monkeypatch.setattr("host_sim.cloud.catalogue.clients.every", busy)
    answer = api().get("/auth/clients")
    assert (answer.status_code, answer.json()["error"]) == (503, "GATEWAY_ERROR")
    assert "QueuePool" not in answer.text and int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "given, kept",
    [("my-request-0001", True), ("short", False), ("x" * 65, False), ("a b c d e f g h", False)],
)
def test_a_request_may_bring_an_id_of_its_own_if_that_is_harmless(api, given, kept):
    told = api(None).get("/version", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert (told == given) is kept


@pytest.mark.parametrize("tier, most", [("free", 60), ("pro", 300)])
def test_a_tenant_may_ask_so_often_in_a_minute(api, monkeypatch, tier, most):
    hold_still(monkeypatch)
    limited = api("owner", f"{tier}-tenant", tier)
    answer = limited.get("/auth/me")
    assert answer.headers["RateLimit-Limit"] == str(most)
    assert answer.headers["RateLimit-Remaining"] == str(most - 1)
    assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 60 and "Retry-After" not in answer.headers


def test_the_last_one_goes_through_and_the_next_does_not(cloud, api, monkeypatch):
    hold_still(monkeypatch)
    monkeypatch.setattr(cloud.settings, "pro_per_minute", 5)
    owner, user = api("owner", "busy", "pro"), api("user", "busy")
    key = owner.post("/auth/api-keys", json={"name": "k", "scopes": ["read:devices"]}).json()["key"]
    by_key = {"Authorization": f"Bearer {key}"}
    answers = [
        user.get("/devices"),
        api(None).get("/devices", headers=by_key),
        owner.get("/nothing/here"),  # asks nobody, so it is not counted
        owner.get("/devices/nobody"),
        owner.get("/devices"),
        user.get("/devices"),
        api(None).get("/devices", headers=by_key),
    ]
    assert [one.status_code for one in answers] == [200, 200, 404, 404, 200, 429, 429]
    assert answers[4].headers["RateLimit-Remaining"] == "0"
    refused = answers[5]
    assert refused.json()["error"] == "RATE_LIMIT_EXCEEDED"
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
    assert refused.headers["X-Request-ID"] == refused.json()["request_id"]
    assert api("owner", "calm", "pro").get("/devices").status_code == 200


def test_a_new_minute_begins_anew(cloud, api, monkeypatch):
    monkeypatch.setattr(cloud.settings, "pro_per_minute", 1)
    owner = api("owner", "hasty", "pro")
    move = hold_still(monkeypatch)
    assert [owner.get("/devices").status_code for _ in range(2)] == [200, 429]
    move(int(owner.get("/devices").headers["Retry-After"]))
    assert owner.get("/devices").status_code == 200


def test_somebody_without_a_tenant_is_limited_too(cloud, api, monkeypatch):
    hold_still(monkeypatch)
    monkeypatch.setattr(cloud.settings, "tier", "free")
    monkeypatch.setattr(cloud.settings, "free_per_minute", 1)
    lone = api("lone", None)
    assert [lone.get("/auth/me").status_code for _ in range(2)] == [200, 429]


def test_without_a_limit_there_is_none_to_tell(api):
    assert "RateLimit-Limit" not in api().get("/devices").headers


def test_a_narrower_limit_is_told_in_place_of_the_tenants(api, monkeypatch):
    def limited(*unused):
        raise ApiError(429, "RATE_LIMIT_EXCEEDED", "too many of this", "later", {"RateLimit-Limit": "5"})

    monkeypatch.setattr("host_sim.cloud.catalogue.clients.every", limited)
    answer = api("owner", "narrow", "pro").get("/auth/clients")
    assert answer.headers.get_list("RateLimit-Limit") == ["5"]


def test_a_slash_at_the_end_of_a_path_changes_nothing_and_sends_nobody_elsewhere(api):
    for path in ("/devices", "/auth/me"):
        assert api().get(path + "/").json() == api().get(path).json()
    assert api().post("/auth/clients/", json={"name": "c"}).status_code == 201
    assert api().get("/nothing/").status_code == 404


def test_a_body_that_is_not_said_to_be_json_is_named_as_such(api):
    for sent, told in (
        ({"content": b'{"name":"c"}', "headers": {"Content-Type": "text/plain"}}, "says that it is JSON"),
        ({"data": {"name": "c"}}, "says that it is JSON"),
        ({"headers": {"Content-Type": "application/json"}}, "it is empty"),
    ):
        answer = api().post("/auth/clients", **sent)
        assert answer.status_code == 400 and told in answer.json()["message"]
        assert "Content-Type: application/json" in answer.json()["hint"] or "empty" in told


def test_where_a_body_stops_being_json_is_told_without_what_is_there(api):
    headers = {"Content-Type": "application/json"}
    answer = api().post("/auth/clients", content=b'{"name": "c" "key": "abc"}', headers=headers)
    assert answer.status_code == 400 and "abc" not in answer.text
    assert answer.json()["message"] == "body.13: from here on it is no JSON (Expecting ',' delimiter)"


def test_a_page_of_an_allowed_origin_may_call_the_api_and_no_other(api):
    def asked(origin):
        before = api(None).options(
            "/devices",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "Authorization, Content-Type, Idempotency-Key",
            },
        )
        answer = api().get("/nothing/here", headers={"Origin": origin})
        name = "Access-Control-Allow-Origin"
        return before.status_code, before.headers.get(name), answer.headers.get(name), answer

    allowed, page, told, answer = asked("https://dash.example")
    assert (allowed, page, told) == (200, "https://dash.example", "https://dash.example")
    assert {"X-Request-ID", "Retry-After", "Link"} <= set(
        answer.headers["Access-Control-Expose-Headers"].split(", ")
    )
    assert "Access-Control-Allow-Credentials" not in answer.headers, "our pages' cookies are for our pages"
    assert asked("https://other.example")[:3] == (400, None, None)
