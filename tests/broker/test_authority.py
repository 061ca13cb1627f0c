"""Who may connect, publish and subscribe."""

from collections import UserDict

import pytest

from host_sim.broker.authority import (
    DEVICE_PUBLISHES,
    HxtpAuthority,
    OpenAuthority,
    Unable,
    User,
    UserAuthority,
)
from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.broker.packets import Publish

DEVICE, OTHER = "d" * 32, "e" * 32
OWN = f"hxtp/acme/device/{DEVICE}"
NOW_S = 1_700_000_000


@pytest.fixture
def checks():
    """What the password rule was asked."""
    return []


@pytest.fixture
def network(checks):
    def check_password(device_id, password, now_s):
        checks.append((device_id, password, now_s))
        return password == "right-" + device_id[0]

    devices = {DEVICE: "acme", OTHER: "acme"}
    authority = HxtpAuthority(devices, check_password, {"cloud": "cloud-password"})
    network = MemoryNetwork(Broker(authority), start=NOW_S * 1000 + 999)
    network.devices = devices
    return network


def device(network, device_id=DEVICE, **options):
    options = {"username": device_id, "password": b"right-" + device_id[:1].encode(), **options}
    return MemoryClient(network, f"hxtp-{device_id}", **options)


def cloud(network, client_id="cloud-1", password=b"cloud-password"):
    return MemoryClient(network, client_id, username="cloud", password=password)


def test_the_password_rule_is_asked_with_device_password_and_seconds(network, checks):
    assert device(network).connect() == 0
    assert checks == [(DEVICE, "right-d", NOW_S)]


@pytest.mark.parametrize(
    "options",
    [
        {"password": b"wrong"},
        {"password": None},
        {"password": b"\xff"},
        {"password": b""},
        {"username": None, "password": None},
        {"username": "stranger"},
        {"username": OTHER},
        {"username": "cloud"},
    ],
    ids=str,
)
def test_a_device_without_its_own_name_and_password_is_refused(network, options):
    """[MQTT-3.2.2-4] return code 5"""
    client = device(network, **options)
    assert client.connect() == 5
    assert not client.link.open
    assert network.broker.counts.refused_connects == 1


@pytest.mark.parametrize("client_id", ["", DEVICE, f"hxtp-{OTHER}", f"HXTP-{DEVICE}", f"hxtp-{DEVICE} "])
def test_a_device_connects_under_its_own_client_id_only(network, client_id):
    client = MemoryClient(network, client_id, username=DEVICE, password=b"right-d")
    assert client.connect() == 5


class Devices(UserDict):
    """Of a database that perhaps does not answer."""

    failing = False

    def __getitem__(self, name):
        if self.failing:
            raise Unable("the database does not answer")
        return self.data[name]

    def __contains__(self, name):
        return self.get(name) is not None


def test_while_nobody_can_tell_a_client_hears_that_the_server_is_unavailable():
    """[MQTT-3.2.2-4] return code 3, and what is not known is not permitted"""
    devices = Devices({DEVICE: "acme", OTHER: "acme"})
    network = MemoryNetwork(Broker(HxtpAuthority(devices, lambda *asked: True)), start=NOW_S * 1000)
    here, other = device(network), device(network, OTHER)
    assert here.connect() == 0
    devices.failing = True
    assert other.connect() == 3 and not other.connected
    here.publish(OWN + "/state", b"{}")
    assert network.broker.counts.publish_refused == 1 and here.connected
    devices.failing = False
    assert other.connect() == 0


def test_a_refused_newcomer_does_not_push_out_the_device_that_is_connected(network):
    """[MQTT-3.1.4-2] comes after authentication"""
    good = device(network)
    good.connect()
    assert device(network, password=b"wrong").connect() == 5
    assert good.connected


@pytest.mark.parametrize("channel", sorted(DEVICE_PUBLISHES))
def test_a_device_publishes_on_its_channels(network, channel):
    reader, writer = cloud(network), device(network)
    reader.connect()
    reader.subscribe("hxtp/#")
    writer.connect()
    writer.publish(f"{OWN}/{channel}", b"x", qos=1)
    assert [message.topic for message in reader.poll()] == [f"{OWN}/{channel}"]


@pytest.mark.parametrize(
    "topic",
    [
        f"{OWN}/cmd",
        f"{OWN}/ota",
        f"{OWN}/unknown",
        f"{OWN}/state/x",
        OWN,
        f"{OWN}/",
        f"hxtp/acme/device/{OTHER}/state",
        f"hxtp/other/device/{DEVICE}/state",
        f"/hxtp/acme/device/{DEVICE}/state",
        f"HXTP/acme/device/{DEVICE}/state",
        "state",
        "$SYS/state",
    ],
)
def test_what_a_device_may_not_publish_is_acknowledged_dropped_and_counted(network, topic):
    """[MQTT-3.3.5-2]"""
    watcher = cloud(network)
    watcher.connect()
    watcher.subscribe("hxtp/#")
    writer = device(network)
    writer.connect()
    for retain in (False, True):
        writer.publish(topic, b"x", qos=1, retain=retain)
    assert writer.connected
    assert writer.unacked == {}
    assert watcher.poll() == []
    assert network.broker.retained == {}
    assert network.broker.counts.publish_refused == 2


@pytest.mark.parametrize(
    ("topic_filter", "code"),
    [
        (f"{OWN}/cmd", 1),
        (f"{OWN}/ota", 1),
        (f"{OWN}/state", 0x80),
        (f"{OWN}/#", 0x80),
        (f"{OWN}/+", 0x80),
        (f"hxtp/acme/device/{OTHER}/cmd", 0x80),
        (f"hxtp/+/device/{DEVICE}/cmd", 0x80),
        ("hxtp/acme/device/+/cmd", 0x80),
        ("#", 0x80),
        ("$SYS/#", 0x80),
    ],
)
def test_a_device_subscribes_to_its_own_commands_only(network, topic_filter, code):
    """[MQTT-3.9.3-2] 0x80"""
    client = device(network)
    client.connect()
    assert client.subscribe(topic_filter) == [code]


def test_a_refused_filter_does_not_take_the_others_with_it(network):
    """[MQTT-3.8.4-5]"""
    client = device(network)
    client.connect()
    assert client.subscribe("#", f"{OWN}/cmd", f"{OWN}/state") == [0x80, 1, 0x80]
    writer = cloud(network)
    writer.connect()
    writer.publish(f"{OWN}/cmd", b"go")
    assert [message.payload for message in client.poll()] == [b"go"]


def test_a_refused_subscription_brings_no_retained_message(network):
    writer = cloud(network)
    writer.connect()
    writer.publish(f"hxtp/acme/device/{OTHER}/cmd", b"secret", retain=True)
    client = device(network)
    client.connect()
    client.subscribe(f"hxtp/acme/device/{OTHER}/cmd", "#")
    assert client.poll() == []


@pytest.mark.parametrize(
    ("topic", "heard"), [(f"{OWN}/heartbeat", 1), (f"hxtp/acme/device/{OTHER}/heartbeat", 0)]
)
def test_a_will_needs_the_same_permission(network, topic, heard):
    watcher = cloud(network)
    watcher.connect()
    watcher.subscribe("hxtp/#")
    client = device(network, will=Publish(topic, b""))
    client.connect()
    client.vanish()
    assert len(watcher.poll()) == heard
    assert network.broker.counts.publish_refused == 1 - heard


def test_a_device_that_is_taken_out_loses_its_permissions_at_once(network):
    client = device(network)
    client.connect()
    del network.devices[DEVICE]
    client.publish(f"{OWN}/state", b"x", qos=1)
    assert network.broker.counts.publish_refused == 1
    assert client.subscribe(f"{OWN}/cmd") == [0x80]
    assert client.connect() == 5


def test_a_service_has_all_of_hxtp_and_nothing_else(network):
    client = cloud(network)
    assert client.connect() == 0
    assert client.subscribe("hxtp/#", "hxtp/+/device/+/state", "#", "+/x", "other") == [
        1,
        1,
        0x80,
        0x80,
        0x80,
    ]
    client.publish("other", b"x")
    assert network.broker.counts.publish_refused == 1


def test_a_service_needs_its_password_and_may_not_pose_as_a_device(network):
    assert cloud(network, password=b"wrong").connect() == 5
    assert cloud(network, password=None).connect() == 5
    assert cloud(network, client_id=f"hxtp-{DEVICE}").connect() == 5
    assert cloud(network, client_id="hxtp-gateway").connect() == 0


def test_users_have_the_filters_of_their_entry():
    users = {"meter": User("m", publish=("meters/+/value",), subscribe=()), "all": User("a")}
    authority = UserAuthority(users)
    assert authority.authenticate("x", "meter", b"m", 0)
    assert not authority.authenticate("x", "meter", b"M", 0)
    assert not authority.authenticate("x", "meter", None, 0)
    assert not authority.authenticate("x", "nobody", b"m", 0)
    assert not authority.authenticate("x", None, None, 0)
    assert authority.may_publish("meter", "meters/1/value")
    assert not authority.may_publish("meter", "meters/1")
    assert not authority.may_subscribe("meter", "meters/1/value")
    assert authority.may_subscribe("all", "#")
    assert not authority.may_subscribe("all", "$SYS/#")
    assert not authority.may_publish("nobody", "x")
    assert not authority.may_publish(None, "x")


def test_anonymous_clients_come_in_where_they_are_allowed():
    authority = UserAuthority({"a": User("secret")}, anonymous=True)
    assert authority.authenticate("x", None, None, 0)
    assert authority.may_publish(None, "x")
    assert authority.may_subscribe(None, "#")
    assert not authority.authenticate("x", "a", b"", 0)


def test_the_open_authority_lets_everybody_do_everything():
    authority = OpenAuthority()
    assert authority.authenticate("", None, None, 0)
    assert authority.may_publish(None, "$SYS/x")
    assert authority.may_subscribe(None, "#")


def test_a_password_shows_in_no_representation_and_no_event():
    events = []
    broker = Broker(UserAuthority({"u": User("hunter2")}), on_event=lambda *event: events.append(event))
    network = MemoryNetwork(broker)
    for password in (b"hunter2", b"hunter3"):
        MemoryClient(network, "a", username="u", password=password).connect()
    assert {event[1] for event in events} >= {"connected", "refused"}
    assert "hunter" not in repr(events) + repr(User("hunter2"))
