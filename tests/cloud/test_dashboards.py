"""The WebSocket for dashboards: states as they happen, and what ends a connection."""

import dataclasses
import json
import threading
from time import monotonic_ns

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from host_sim.cloud.live.hub import Bounds
from host_sim.cloud.routes import live
from host_sim.cloud_client.words import LOST, presence
from tests.cloud.programs import PLAIN, address, closed, dial, token_of
from tests.cloud.waiting import WAIT, until


@pytest.fixture(scope="module")
def cloud_settings():
    return PLAIN


@pytest.fixture(scope="module")
def lamp(device):
    return device()


@pytest.fixture
def bounds(cloud):
    """bounds(idle_s=1) for the connections that are made from now on in this test."""
    live = cloud.services.live

    def set_to(**changes):
        live.bounds = dataclasses.replace(live.bounds, **changes)

    yield set_to
    live.bounds = Bounds()


def updates(socket, device_id, wanted):
    """Read until the device's state has these members."""
    while True:
        told = json.loads(socket.recv(WAIT))
        assert set(told) == {"type", "device_id", "state", "timestamp"} and told["type"] == "state_update"
        if told["device_id"] == device_id and wanted.items() <= told["state"].items():
            return told


@pytest.mark.parametrize("path", ["/ws/state", "/api/v1/ws/state"])
def test_a_dashboard_is_told_states_as_they_happen(cloud, api, lamp, path):
    with dial(cloud, token_of(api("viewer")), path) as socket:
        level = 11 if path == "/ws/state" else 12
        until(lambda: cloud.services.live.connections, "the seat")
        api().command(lamp.id, "light_brightness", {"brightness": level})
        told = updates(socket, lamp.id, {"brightness": level})
        assert told["timestamp"] > 1704067200000


def test_the_token_may_come_in_a_header(cloud, api):
    headers = {"Authorization": f"Bearer {token_of(api())}"}
    with connect(address(cloud), additional_headers=headers) as socket:
        socket.send("ping")
        assert socket.recv(WAIT) == "pong"


def test_another_address_is_not_found_and_told_where_it_is(cloud):
    with pytest.raises(InvalidStatus) as refused:
        connect(address(cloud, "/ws/stat"), open_timeout=WAIT)
    answer = refused.value.response
    assert answer.status_code == 404 and "/ws/state" in json.loads(answer.body)["hint"]


def test_a_ping_is_answered(cloud, api):
    """HX3-TRANS-14"""
    with dial(cloud, token_of(api())) as socket:
        socket.send("ping")
        assert socket.recv(WAIT) == "pong"
        socket.send('{"type":"ping"}')
        assert json.loads(socket.recv(WAIT)) == {"type": "pong"}
        socket.send('{"id":7,"type":"ping"}')
        assert json.loads(socket.recv(WAIT)) == {"type": "pong", "id": 7}


@pytest.mark.parametrize("token", [None, "", "x", "eyJhbGciOiJub25lIn0.e30.", "hxtp_" + "a" * 40])
def test_without_a_token_there_is_nothing(cloud, token):
    with dial(cloud, token) as socket:
        assert closed(socket) == 4401


def test_an_address_opens_only_so_many_connections_a_minute_whoever_it_says_it_is(cloud, api, monkeypatch):
    asked = []
    monkeypatch.setattr(live, "admitted", lambda *given: asked.append(given))
    monkeypatch.setattr(live, "OPENED", 0)
    for token in ("x", token_of(api())):
        with dial(cloud, token) as socket:
            assert closed(socket) == 4429
    assert asked == []
    monkeypatch.undo()
    with dial(cloud, token_of(api())) as socket:
        socket.send("ping")
        assert socket.recv(WAIT) == "pong"


def test_without_a_tenant_there_is_nothing_to_see(cloud, api):
    with dial(cloud, token_of(api("none", tenant=None))) as socket:
        assert closed(socket) == 4403


def test_an_api_key_needs_its_scope(cloud, api, lamp):
    def key(scope):
        return api().post("/auth/api-keys", json={"name": scope, "scopes": [scope]}).json()["key"]

    with dial(cloud, key("read:devices")) as socket:
        socket.send("ping")
        assert socket.recv(WAIT) == "pong"
    with dial(cloud, key("read:homes")) as socket:
        assert closed(socket) == 4403


def test_another_tenant_sees_nothing_of_it(cloud, api, lamp, device):
    theirs = device(tenant="other")
    with dial(cloud, token_of(api("owner", "other"))) as socket:
        socket.send("ping")
        assert socket.recv(WAIT) == "pong"
        api().command(lamp.id, "light_brightness", {"brightness": 21})
        api("owner", "other").command(theirs.id, "light_brightness", {"brightness": 22})
        assert updates(socket, theirs.id, {"brightness": 22})
        socket.send("ping")
        assert socket.recv(WAIT) == "pong"  # nothing else came before it


def test_a_dashboard_that_asks_is_told_what_becomes_of_commands(cloud, api, lamp):
    with dial(cloud, token_of(api()), events="command") as socket:
        socket.send("ping")
        assert socket.recv(WAIT) == "pong"
        command = api().command(lamp.id, "light_on")
        told = json.loads(socket.recv(WAIT))
        assert (told["type"], told["command_id"], told["status"], told["action"]) == (
            "command_update",
            command["id"],
            "acknowledged",
            "light_on",
        )


def test_a_dashboard_that_asks_is_told_what_devices_measure(cloud, api, lamp):
    quiet = dial(cloud, token_of(api()))
    with dial(cloud, token_of(api()), events="telemetry") as socket, quiet:
        for one in (socket, quiet):
            one.send("ping")
            assert one.recv(WAIT) == "pong"
        lamp.mqtt.call(
            lambda: lamp.sim.session.telemetry({"temperature_mdeg": 21500}, monotonic_ns() // 1000000)
        )
        told = json.loads(socket.recv(WAIT))
        assert told.pop("timestamp") > 1704067200000 and told.pop("data")["temperature_mdeg"] == 21500
        assert told == {"type": "telemetry_update", "device_id": lamp.id}
        quiet.send("ping")
        while (heard := quiet.recv(WAIT)) != "pong":
            assert json.loads(heard)["type"] == "state_update"  # nothing of it to who did not ask


def test_events_that_there_are_not_are_refused(cloud, api):
    with dial(cloud, token_of(api()), events="everything") as socket:
        assert closed(socket) == 4400


def test_a_dashboard_that_sends_what_is_no_message_is_sent_away_in_the_end(cloud, api, bounds):
    bounds(refused=3)
    before = cloud.services.live.refused.copy()
    with dial(cloud, token_of(api())) as socket:
        for junk in ("{hello", b"\x00\x01", "{}"):
            socket.send(junk)
        assert closed(socket) == 4400
    refused = cloud.services.live.refused - before
    assert refused == {"FRAME_JSON_INVALID": 1, "FRAME_TOO_SHORT": 1, "VERSION_MISMATCH": 1}


def test_a_ping_between_makes_up_for_it(cloud, api, bounds):
    bounds(refused=2)
    with dial(cloud, token_of(api())) as socket:
        for _ in range(4):
            socket.send("junk")
            socket.send("ping")
            assert socket.recv(WAIT) == "pong"


def test_a_flood_ends_the_connection(cloud, api, bounds):
    bounds(burst=5, messages_per_s=0)
    with dial(cloud, token_of(api())) as socket:
        for _ in range(6):
            socket.send("ping")
        assert closed(socket) == 4429


def test_what_is_too_long_ends_the_connection(cloud, api):
    with dial(cloud, token_of(api())) as socket:
        socket.send("x" * 16641)
        assert closed(socket) == 1009


def test_what_is_a_little_too_long_for_a_message_is_refused_by_its_name(cloud, api):
    before = cloud.services.live.refused["PAYLOAD_TOO_LARGE"]
    with dial(cloud, token_of(api())) as socket:
        socket.send("{" + " " * 16500)
        socket.send("ping")
        assert socket.recv(WAIT) == "pong"
    assert cloud.services.live.refused["PAYLOAD_TOO_LARGE"] == before + 1


def test_a_tenant_has_so_many_connections_and_no_more(cloud, api, bounds):
    until(lambda: not cloud.services.live.connections, "those of the other tests to end")
    bounds(connections=1)
    with dial(cloud, token_of(api())) as first:
        first.send("ping")
        assert first.recv(WAIT) == "pong"
        with dial(cloud, token_of(api())) as second:
            assert closed(second) == 4429
        with dial(cloud, token_of(api("owner", "other"))) as other:
            other.send("ping")
            assert other.recv(WAIT) == "pong"


def test_who_says_nothing_for_too_long_is_sent_away(cloud, api, bounds):
    bounds(idle_s=0.05)
    with dial(cloud, token_of(api())) as socket:
        assert closed(socket) == 4408


def test_a_device_that_the_broker_lost_is_shown_as_away_until_its_next_word(cloud, api, device):
    thing, back = device(), threading.Event()
    quiet = dial(cloud, token_of(api()))
    with dial(cloud, token_of(api()), events="presence") as socket, quiet:
        until(lambda: cloud.services.live.connections == 2, "the seats")
        threading.Thread(target=thing.mqtt.call, args=(back.wait, WAIT)).start()
        until(lambda: cloud.broker.disconnect(f"hxtp-{thing.id}"), "the end of its connection")
        told = json.loads(socket.recv(WAIT))
        assert told.pop("timestamp") > 1704067200000
        assert told == {"type": "presence_update", "device_id": thing.id, "away": True}
        for path in (f"/devices/{thing.id}", f"/devices/{thing.id}/state"):
            shown = api().get(path).json()
            assert (shown["online"], shown["away"]) == (True, True)
        listed = api().get("/devices").json()["devices"]
        assert {one["id"]: one["away"] for one in listed}[thing.id] is True
        assert presence(shown) == LOST
        back.set()
        told = json.loads(socket.recv(WAIT))
        assert (told["device_id"], told["away"]) == (thing.id, False)
        assert api().get(f"/devices/{thing.id}").json()["away"] is False
        quiet.send("ping")
        while (heard := quiet.recv(WAIT)) != "pong":
            assert json.loads(heard)["type"] == "state_update"  # to who did not ask, nothing new


def test_a_connection_does_not_outlive_its_key(cloud, api, bounds):
    bounds(recheck_s=0.05)
    made = api().post("/auth/api-keys", json={"name": "short", "scopes": ["read:devices"]}).json()
    with dial(cloud, made["key"]) as socket:
        socket.send("ping")
        assert socket.recv(WAIT) == "pong"
        listed = api().get("/auth/api-keys").json()
        rows = listed["keys"] if "keys" in listed else listed["api_keys"]
        key_id = next(row["id"] for row in rows if row["name"] == "short")
        assert api().post("/auth/api-keys/revoke", json={"key_id": key_id}).status_code == 200
        assert closed(socket) == 4401
