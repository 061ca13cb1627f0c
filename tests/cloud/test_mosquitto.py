"""A real Mosquitto, set up by one command, that the cloud tells which devices there are."""

import contextlib
import ssl
import time
import uuid
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
import sqlalchemy as sa

from host_sim.cloud.broker import logins
from host_sim.cloud.broker.dynsec import DynSec, admit, dismiss
from host_sim.cloud.exchange.uplink import BrokerAddress, Uplink
from host_sim.cloud.links import keyring
from host_sim.cloud.storage.tables import broker_logins
from hxtp.sign import mqtt_password
from tests.cloud.waiting import WAIT, until


@pytest.fixture(scope="module")
def cloud_settings(mosquitto):
    return mosquitto.settings


@pytest.fixture(scope="module")
def lamp(device):
    return device()


@pytest.fixture(scope="module")
def address(mosquitto) -> BrokerAddress:
    """How the cloud reaches it."""
    given = mosquitto.settings
    return BrokerAddress.of(given["broker"], given["broker_password"], Path(given["broker_ca"]))


@pytest.fixture(scope="module")
def dynsec(address):
    one = DynSec(address).start()
    yield one
    one.stop()


class Peer:
    """A client with a password of its choice, which counts what it was answered."""

    def __init__(self, address, client_id, username, password, version=mqtt.MQTTv311):
        self.reason = None
        self.granted = None
        self.published = {}
        self.got = []
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=version,
            reconnect_on_failure=False,
        )
        self._client.tls_set_context(ssl.create_default_context(cafile=str(address.ca)))
        self._client.username_pw_set(username, password)
        self._client.on_connect = lambda c, d, f, reason, p: setattr(self, "reason", reason)
        self._client.on_subscribe = lambda c, d, m, reasons, p: setattr(self, "granted", reasons)
        self._client.on_publish = lambda c, d, mid, reason, p: self.published.update({mid: reason})
        self._client.on_message = lambda c, d, message: self.got.append(message.topic)
        self._client.on_disconnect = lambda *unused: setattr(self, "ended", True)
        self.ended = False
        self._client.connect(address.host, address.port)
        self._client.loop_start()
        until(lambda: self.reason is not None, "an answer")

    @property
    def let_in(self):
        return not self.reason.is_failure

    def subscribe(self, name):
        self.granted = None
        self._client.subscribe(name, 1)
        return not until(lambda: self.granted, "an answer")[0].is_failure

    def publish(self, name, payload=b"x"):
        mid = self._client.publish(name, payload, qos=1).mid
        return not until(lambda: self.published.get(mid), "an answer").is_failure

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._client.disconnect()
        self._client.loop_stop()


def _row(cloud, device_id):
    with cloud.services.database.reading() as connection:
        return connection.execute(
            sa.select(broker_logins).where(broker_logins.c.device_id == device_id)
        ).one()


def _written(cloud, device_id):
    assert cloud.services.logins.wait(device_id, WAIT)


def _password(cloud, thing):
    secret = bytes.fromhex(thing["device_secret"])
    return mqtt_password(secret, thing["device_id"], _row(cloud, thing["device_id"]).expires_s)


def _registered(cloud, api, tenant="home"):
    made = api("owner", tenant).post("/device/register", json={"device_type": "x"}).json()
    _written(cloud, made["device_id"])
    return made


def test_a_registered_device_is_let_in_and_obeys(api, lamp):
    # HX3-PROV-11
    assert api().command(lamp.id, "light_on")["status"] == "acknowledged"
    assert lamp.sim.parts[0].brightness == 100


def test_nobody_comes_in_by_another_password_or_client_id(cloud, api, address):
    made = _registered(cloud, api)
    name, right = made["device_id"], _password(cloud, made)
    with Peer(address, f"hxtp-{name}", name, right) as peer:
        assert peer.let_in
    expiry = _row(cloud, name).expires_s
    for client_id, username, password in (
        (f"hxtp-{name}", name, mqtt_password(b"\xab" * 32, name, expiry)),
        (f"hxtp-{name}", name, made["device_secret"]),
        (f"hxtp-{name}", name, mqtt_password(bytes.fromhex(made["device_secret"]), name, expiry + 1)),
        ("another", name, right),
        (f"hxtp-{name}", "0" * 32, right),
        ("anybody", None, None),
    ):
        with Peer(address, client_id, username, password) as peer:
            assert not peer.let_in, client_id


def test_the_broker_refuses_the_topics_of_other_devices_and_tenants(cloud, api, address, lamp):
    made = _registered(cloud, api, "other")
    name, tenant = made["device_id"], made["tenant_id"]
    theirs = f"hxtp/{lamp.registration['tenant_id']}/device/{lamp.id}"
    own = f"hxtp/{tenant}/device/{name}"
    with Peer(address, f"hxtp-{name}", name, _password(cloud, made), mqtt.MQTTv5) as peer:
        assert peer.let_in and peer.subscribe(f"{own}/cmd") and peer.subscribe(f"{own}/ota")
        assert peer.publish(f"{own}/telemetry")
        for topic in (
            *(f"{theirs}/cmd", f"{own}/state", f"{own}/#", f"hxtp/{tenant}/device/+/cmd", "hxtp/#", "#"),
            *(f"$share/hxtp-cloud/{theirs}/state", "$CONTROL/dynamic-security/v1/response", "$SYS/#"),
        ):
            assert not peer.subscribe(topic), topic
        for topic in (
            *(f"{theirs}/state", f"{theirs}/cmd", f"{own}/cmd", f"{own}/other", "hxtp", "x"),
            *(f"hxtp/{tenant}/device/{lamp.id}/state", "$CONTROL/dynamic-security/v1"),
        ):
            assert not peer.publish(topic), topic
        assert peer.got == []


def test_a_revoked_device_is_thrown_off_at_once_and_not_let_in_again(cloud, api, address):
    made = _registered(cloud, api)
    name, password = made["device_id"], _password(cloud, made)
    with Peer(address, f"hxtp-{name}", name, password) as peer:
        assert peer.let_in
        api().post(f"/device/{name}/revoke")
        until(lambda: peer.ended, "the connection to end")
    with Peer(address, f"hxtp-{name}", name, password) as peer:
        assert not peer.let_in


def test_a_password_ends_at_its_expiry(cloud, api, address):
    made = _registered(cloud, api)
    name, now = made["device_id"], time.time_ns() // 1000000
    with cloud.services.database.writing() as connection:
        connection.execute(
            broker_logins.update()
            .where(broker_logins.c.device_id == name)
            .values(expires_s=now // 1000 + 2, wanted=2, due_at=now)
        )
    _written(cloud, name)
    password = _password(cloud, made)
    with Peer(address, f"hxtp-{name}", name, password) as peer:
        assert peer.let_in
        until(lambda: peer.ended, "the connection to end")
    with Peer(address, f"hxtp-{name}", name, password) as peer:
        assert not peer.let_in


def test_a_granted_expiry_stays_until_half_of_it_is_over(cloud, api):
    made = _registered(cloud, api)
    name, tenant_id, now = made["device_id"], made["tenant_id"], time.time_ns() // 1000000
    day = 86400 * 1000
    with cloud.services.database.writing(tenant_id) as connection:
        first = logins.grant(connection, tenant_id, name, 1, now)
        assert logins.grant(connection, tenant_id, name, 1, now + 14 * day) == first
        later = logins.grant(connection, tenant_id, name, 1, now + 16 * day)
        assert later == now // 1000 + 46 * 86400
        assert logins.grant(connection, tenant_id, name, 2, now + 16 * day) == later
    row = _row(cloud, name)
    assert (row.key_version, row.expires_s, row.told) == (2, later, True)


def test_an_old_device_comes_in_with_its_secret_only_where_the_tenant_takes_that_risk(cloud, api, address):
    # HX3-KEY-06, HX3-SDK-08
    made = _registered(cloud, api, "old")
    owner, name = api("owner", "old"), made["device_id"]

    def comes_in(password):
        with Peer(address, f"hxtp-{name}", name, password) as peer:
            return peer.let_in

    assert not comes_in(made["device_secret"])
    owner.patch("/tenant/settings", json={"accept_secret_as_mqtt_password": True}).raise_for_status()
    _written(cloud, name)
    assert comes_in(made["device_secret"])
    with cloud.services.database.writing(made["tenant_id"]) as connection:
        logins.grant(connection, made["tenant_id"], name, 1, time.time_ns() // 1000000)
    _written(cloud, name)  # it was answered bootstrap, and so is no old one
    assert comes_in(_password(cloud, made)) and not comes_in(made["device_secret"])


def test_the_password_follows_the_key_that_the_device_has_proven(cloud, api, address, device):
    thing = device()
    rotated = api().post(f"/device/{thing.id}/rotate-secret").json()
    assert rotated["key_version"] == 2
    tenant_id = thing.registration["tenant_id"]
    with cloud.services.database.writing(tenant_id) as connection:
        keyring.promote(connection, tenant_id, [thing.id], time.time_ns() // 1000000)
    _written(cloud, thing.id)
    secret = bytes.fromhex(rotated["new_secret"])
    thing.mqtt.stop()
    with Peer(
        address,
        f"hxtp-{thing.id}",
        thing.id,
        mqtt_password(secret, thing.id, _row(cloud, thing.id).expires_s),
    ) as peer:
        assert peer.let_in


def test_what_the_plugin_says_is_told_and_repeating_does_no_harm(dynsec):
    name = uuid.uuid4().hex
    for _ in range(2):
        admit(dynsec, "t", name, "a password")
    wrong = {"command": "addClientRole", "username": name, "rolename": "nothing"}
    assert dynsec.ask([wrong]) == ["Role not found"]
    for _ in range(2):
        dismiss(dynsec, name)
    assert dynsec.ask([{"command": "getClient", "username": name}]) == ["Client not found"]


def test_what_the_broker_was_not_told_is_told_when_it_is_back(cloud, api, mosquitto, address):
    mosquitto.stop()
    made = api().post("/device/register", json={"device_type": "x"}).json()
    until(lambda: _row(cloud, made["device_id"]).error, "an attempt that fails")
    mosquitto.start()
    assert cloud.services.logins.wait(made["device_id"], 3 * WAIT)
    until(lambda: cloud.services.uplink.connected(), "the cloud's connection")
    with Peer(address, f"hxtp-{made['device_id']}", made["device_id"], _password(cloud, made)) as peer:
        assert peer.let_in


def test_a_broker_that_forgot_everything_is_told_all_of_it(cloud, api, dynsec, address):
    made = _registered(cloud, api)
    dismiss(dynsec, made["device_id"])
    assert logins.renew_all(cloud.services.database, time.time_ns() // 1000000) > 1
    _written(cloud, made["device_id"])
    with Peer(address, f"hxtp-{made['device_id']}", made["device_id"], _password(cloud, made)) as peer:
        assert peer.let_in


def test_workers_share_what_devices_say(cloud, address, caplog):
    got = [[], []]
    cloud_got = []
    with contextlib.ExitStack() as stack:
        # The cloud is the third of them.
        stack.callback(cloud.services.exchange.listen(cloud_got.append))
        for number in range(2):
            one = Uplink(address, lambda name, payload, at=number: got[at].append(payload), shared=True)
            stack.callback(one.start().stop)
        sender = Uplink(address, lambda *unused: None)
        stack.callback(sender.start().stop)
        sent = [str(number).encode() for number in range(40)]
        for payload in sent:
            sender.publish("hxtp/shared/device/nobody/state", payload)

        def theirs():
            return [notice for notice in cloud_got if notice.device_id == "nobody"]

        until(lambda: len(got[0]) + len(got[1]) + len(theirs()) >= len(sent), "all messages")
        assert len(set(got[0] + got[1])) + len(theirs()) == len(sent), "each goes to one of them"
        assert got[0] and got[1] and theirs()
    assert "connection ended" not in caplog.text, "that a worker is stopped is nothing to warn of"


def test_no_password_is_in_the_brokers_log_or_in_a_file_that_others_may_read(mosquitto):
    secret = mosquitto.settings["broker_password"]
    assert secret not in mosquitto.log()
    assert "1." not in "".join(line for line in mosquitto.log().splitlines() if "password" in line)
    for path in mosquitto.folder.rglob("*"):
        mode = path.stat().st_mode & 0o777
        if path.name in ("ca.pem", "server.pem"):
            assert mode == 0o644, "whoever connects has to be able to read it"
        elif path.is_file():
            assert mode & 0o077 == 0, path
        else:
            assert mode == 0o711, "others get to what they may read, and see nothing else"
        if path.is_file() and path.name != "cloud.toml":
            assert secret.encode() not in path.read_bytes(), path
