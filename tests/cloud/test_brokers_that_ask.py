"""Brokers that ask over HTTP who may come in, and the embedded one, which asks the same: one rule for all."""

import contextlib
import ssl
import time

import paho.mqtt.client as mqtt
import pytest
from sqlalchemy.exc import OperationalError

from host_sim.broker.authority import DEVICE_PUBLISHES, DEVICE_SUBSCRIBES
from host_sim.cloud.catalogue import devices
from host_sim.cloud.storage.database import Database, Unsure
from hxtp.sign import mqtt_password
from tests.cloud.waiting import until

SECRET = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def cloud_settings() -> dict:
    return {"broker_auth_secret": SECRET}


@pytest.fixture(scope="module")
def made(api) -> dict:
    return api().post("/device/register", json={"device_type": "x"}).json()


@pytest.fixture(scope="module")
def foreign(api) -> dict:
    return api("owner", "other").post("/device/register", json={"device_type": "x"}).json()


@pytest.fixture(scope="module")
def asks(api):
    """asks("auth", …): what the broker is answered."""

    def ask(what: str, **body) -> str:
        answer = api(None).post(f"/mqtt/{what}", json=body, headers={"X-HXTP-Broker-Secret": SECRET})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["ok"] == (told["result"] == "allow") and told["is_superuser"] is False
        return told["result"]

    return ask


def _password(made, ahead=86400):
    return mqtt_password(bytes.fromhex(made["device_secret"]), made["device_id"], int(time.time()) + ahead)


def _own(made, channel):
    return f"hxtp/{made['tenant_id']}/device/{made['device_id']}/{channel}"


def test_a_device_comes_in_by_its_password_and_client_id_alone(asks, made, foreign):
    name, right = made["device_id"], _password(made)
    assert asks("auth", clientid=f"hxtp-{name}", username=name, password=right) == "allow"
    for wrong in (
        {"clientid": "another", "username": name, "password": right},
        {"clientid": f"hxtp-{name}", "username": foreign["device_id"], "password": right},
        {"clientid": f"hxtp-{name}", "username": name, "password": _password(foreign)},
        {"clientid": f"hxtp-{name}", "username": name, "password": made["device_secret"]},
        {"clientid": f"hxtp-{name}", "username": name, "password": _password(made, ahead=-1)},
        {"clientid": f"hxtp-{name}", "username": name, "password": _password(made, ahead=40 * 86400)},
        {"clientid": f"hxtp-{name}", "username": name, "password": "é"},
        {"clientid": f"hxtp-{name}", "username": name},
        {},
    ):
        assert asks("auth", **wrong) == "deny", wrong


@pytest.mark.parametrize("form", ["emqx", "acc"])
def test_a_device_uses_its_own_topics_and_no_others(asks, made, foreign, form):
    def may(verb, topic, of=made):
        how = {"action": verb} if form == "emqx" else {"acc": 2 if verb == "publish" else 4}
        return asks("acl", username=of["device_id"], topic=topic, **how) == "allow"

    for channel in DEVICE_PUBLISHES:
        assert may("publish", _own(made, channel)) and not may("subscribe", _own(made, channel))
        assert not may("publish", _own(made, channel), of=foreign)
    for channel in DEVICE_SUBSCRIBES:
        assert may("subscribe", _own(made, channel)) and not may("publish", _own(made, channel))
        assert not may("subscribe", _own(made, channel), of=foreign)
    for topic in ("hxtp/#", "#", _own(made, "+"), _own(made, "#"), f"$share/hxtp-cloud/{_own(made, 'cmd')}"):
        assert not may("subscribe", topic)
    assert asks("acl", username="nobody", topic=_own(made, "state"), action="publish") == "deny"
    assert asks("acl", username=made["device_id"], topic=_own(made, "cmd"), acc=3) == "deny"
    assert asks("acl", username=made["device_id"], topic=_own(made, "cmd")) == "deny"


def test_the_cloud_itself_comes_in_and_reads_all_devices(cloud, asks, monkeypatch):
    monkeypatch.setattr(cloud.settings, "broker_password", "a long password of ours")
    name = cloud.services.uplink.address.username
    assert asks("auth", clientid="worker-1", username=name, password="a long password of ours") == "allow"
    assert asks("auth", clientid="worker-1", username=name, password="another") == "deny"
    for topic in ("hxtp/+/device/+/state", "$share/hxtp-cloud/hxtp/+/device/+/state"):
        assert asks("acl", username=name, topic=topic, action="subscribe") == "allow"
    assert asks("acl", username=name, topic="hxtp/t/device/d/cmd", action="publish") == "allow"
    assert asks("acl", username=name, topic="$SYS/#", action="subscribe") == "deny"


def test_who_does_not_show_the_secret_is_told_nothing(api, made):
    name = made["device_id"]
    body = {"clientid": f"hxtp-{name}", "username": name, "password": _password(made)}
    for headers in ({}, {"X-HXTP-Broker-Secret": "another"}, {"X-HXTP-Broker-Secret": ""}):
        answer = api(None).post("/mqtt/auth", json=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "UNAUTHORIZED")


def test_without_a_secret_in_the_settings_no_broker_is_answered(cloud, api, monkeypatch):
    monkeypatch.setattr(cloud.settings, "broker_auth_secret", "")
    answer = api(None).post("/mqtt/auth", json={}, headers={"X-HXTP-Broker-Secret": ""})
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")


def test_a_revoked_device_is_not_let_in(api, asks):
    gone = api().post("/device/register", json={"device_type": "x"}).json()
    name = gone["device_id"]
    assert asks("auth", clientid=f"hxtp-{name}", username=name, password=_password(gone)) == "allow"
    api().post(f"/device/{name}/revoke")
    assert asks("auth", clientid=f"hxtp-{name}", username=name, password=_password(gone)) == "deny"


def test_a_secret_is_a_password_only_where_the_tenant_takes_that_risk(api, asks):
    # HX3-KEY-06, HX3-SDK-08
    old = api("owner", "old").post("/device/register", json={"device_type": "x"}).json()
    name = old["device_id"]
    body = {"clientid": f"hxtp-{name}", "username": name, "password": old["device_secret"]}
    assert asks("auth", **body) == "deny"
    for takes, result in ((True, "allow"), (False, "deny")):
        api("owner", "old").patch("/tenant/settings", json={"accept_secret_as_mqtt_password": takes})
        assert asks("auth", **body) == result
        assert asks("auth", **{**body, "password": "ab" * 32}) == "deny"
        assert asks("auth", clientid=f"hxtp-{name}", username=name, password=_password(old)) == "allow"


@contextlib.contextmanager
def _nothing_fails(monkeypatch):
    yield 200


@contextlib.contextmanager
def _devices_cannot_be_read(monkeypatch):
    def away(*given):
        raise OperationalError(None, None, OSError())

    with monkeypatch.context() as for_now:
        for_now.setattr(devices, "every", away)
        yield 503


@contextlib.contextmanager
def _nobody_knows_whether_it_is_stored(monkeypatch):
    writing = Database.writing

    @contextlib.contextmanager
    def writing_that_is_not_answered(*given, **more):
        with writing(*given, **more) as connection:
            yield connection
        raise Unsure(OperationalError(None, None, OSError()))

    with monkeypatch.context() as for_now:
        for_now.setattr(Database, "writing", writing_that_is_not_answered)
        yield 503


@pytest.mark.parametrize(
    "trouble", [_nothing_fails, _devices_cannot_be_read, _nobody_knows_whether_it_is_stored]
)
def test_who_came_in_by_a_secret_is_thrown_off_when_the_tenant_ends_that(cloud, api, monkeypatch, trouble):
    owner = api("owner", "thrown")
    owner.patch("/tenant/settings", json={"accept_secret_as_mqtt_password": True})
    made = owner.post("/device/register", json={"device_type": "x"}).json()
    name, state = made["device_id"], {}
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"hxtp-{name}", protocol=mqtt.MQTTv311)
    client.tls_set_context(ssl.create_default_context(cafile=str(cloud.pki.ca)))
    client.username_pw_set(name, made["device_secret"])
    client.on_connect = lambda c, d, f, reason, p: state.update({str(reason): True})
    client.on_disconnect = lambda *unused: state.update(ended=True)
    with contextlib.ExitStack() as stack:
        client.connect("127.0.0.1", cloud.broker.server.port)
        client.loop_start()
        stack.callback(client.loop_stop)
        until(lambda: state.get("Success"), "the login")
        with trouble(monkeypatch) as status:
            told = owner.patch("/tenant/settings", json={"accept_secret_as_mqtt_password": False})
        assert told.status_code == status, told.text
        if status == 503:  # as it advises
            again = owner.patch("/tenant/settings", json={"accept_secret_as_mqtt_password": False})
            assert again.status_code == 200
        until(lambda: state.get("ended"), "the end of the connection")
        until(lambda: len(state) > 2, "the next login, which is refused")
        assert not client.is_connected()


def test_the_embedded_broker_refuses_the_topics_of_another_tenant(cloud, made, foreign):
    name = made["device_id"]
    granted, got, state = [], [], {}
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"hxtp-{name}", protocol=mqtt.MQTTv311)
    client.tls_set_context(ssl.create_default_context(cafile=str(cloud.pki.ca)))
    client.username_pw_set(name, _password(made))
    client.on_connect = lambda c, d, f, reason, p: state.update(reason=reason)
    client.on_subscribe = lambda c, d, m, reasons, p: granted.extend(reasons)
    client.on_message = lambda c, d, message: got.append(message.topic)
    client.on_disconnect = lambda *unused: state.update(ended=True)
    notices = []
    with contextlib.ExitStack() as stack:
        stack.callback(cloud.services.exchange.listen(notices.append))
        client.connect("127.0.0.1", cloud.broker.server.port)
        client.loop_start()
        stack.callback(client.loop_stop)
        until(lambda: "reason" in state, "an answer")
        assert not state["reason"].is_failure
        wanted = [
            _own(foreign, "cmd"),
            "hxtp/#",
            f"hxtp/{foreign['tenant_id']}/device/+/cmd",
            _own(made, "cmd"),
        ]
        for topic in wanted:
            client.subscribe(topic, 1)
        until(lambda: len(granted) == len(wanted), "all answers")
        assert [reason.is_failure for reason in granted] == [True, True, True, False]
        client.publish(_own(foreign, "state"), b"{}", qos=1)
        client.publish(_own(made, "state"), b"{}", qos=1)
        # What it may publish arrives, and is refused for what it is; of the other nothing is heard.
        until(lambda: state.get("ended") or any(one.device_id == name for one in notices), "it to be noticed")
        assert not any(one.device_id == foreign["device_id"] for one in notices)
