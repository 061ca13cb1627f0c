"""What ours does where the standard leaves a choice, where it does less, and where Mosquitto is laxer."""

import pytest

from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.broker.packets import (
    Connack,
    Connect,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
)
from tests.broker.peer import Peer


@pytest.fixture
def network():
    return MemoryNetwork()


def member(network, name, *filters, **options):
    client = MemoryClient(network, name, **options)
    assert client.connect() == 0
    if filters:
        assert client.subscribe(*filters) == [1] * len(filters)
    return client


# -- what it does not do --


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc", id="MQTT 5"),
        pytest.param(b"\x10\x10\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x02ab", id="MQTT 3.1"),
    ],
)
def test_another_version_is_answered_with_code_1_so_that_the_client_falls_back(packet):
    """[MQTT-3.1.2-2]"""
    peer = Peer()
    assert peer.ask(packet) == [Connack(1)]
    assert peer.connection.closing
    assert peer.broker.counts.refused_connects == 1


def test_a_qos_2_subscription_is_granted_1():
    """[MQTT-3.8.4-6] lets a server grant less."""
    peer = Peer()
    assert peer.ask(Connect("a"), Subscribe(1, [("t", 2)]))[1] == Suback(1, [1])


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(Publish("t", b"x", 2, packet_id=1), id="PUBLISH"),
        pytest.param(b"\x50\x02\x00\x01", id="PUBREC"),
        pytest.param(b"\x62\x02\x00\x01", id="PUBREL"),
        pytest.param(b"\x70\x02\x00\x01", id="PUBCOMP"),
    ],
)
def test_packets_of_qos_2_end_the_connection(network, packet):
    watcher = member(network, "watcher", "#")
    peer = Peer(network.broker)
    peer.ask(Connect("a"), packet)
    assert peer.connection.closing
    assert watcher.poll() == []


def test_a_will_of_qos_2_is_refused_without_an_answer():
    peer = Peer()
    assert peer.ask(Connect("a", will=Publish("t", b"", 2))) == []
    assert peer.connection.closing


def test_an_unacknowledged_message_is_not_sent_again_within_a_connection(network):
    """[MQTT-4.4.0-1] asks for it on reconnecting, and for nothing else."""
    reader = member(network, "reader", "t", acknowledge=False)
    member(network, "writer").publish("t", b"x", qos=1)
    assert len(reader.poll()) == 1
    network.advance(24 * 3600 * 1000)
    assert reader.poll() == []
    reader.vanish()
    assert network.broker.counts.dropped_unacked == 1


def test_shared_subscriptions_are_filters_like_any_other(network):
    """They came with MQTT 5: `$share/…` takes what is published under just that name."""
    reader = member(network, "reader", "$share/group/t")
    writer = member(network, "writer")
    writer.publish("t", b"1")
    writer.publish("$share/group/t", b"2")
    assert [message.payload for message in reader.poll()] == [b"2"]


def test_nothing_comes_from_sys(network):
    """4.7.2: topics that begin with $ are for the server's own use; this one has none."""
    reader = member(network, "reader", "$SYS/#")
    network.advance(10 * 60 * 1000)
    assert reader.poll() == []


# -- where Mosquitto 2.0 looks away --


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"\x38\x03\x00\x01a", id="MQTT-3.3.1-2 DUP at QoS 0"),
        pytest.param(b"\x41\x02\x00\x01", id="MQTT-2.2.2-2 PUBACK flags"),
        pytest.param(b"\x90\x03\x00\x01\x00", id="SUBACK from a client"),
        pytest.param(b"\xb0\x02\x00\x01", id="UNSUBACK from a client"),
        pytest.param(b"\xd0\x00", id="PINGRESP from a client"),
    ],
)
def test_ours_is_strict_about_what_mosquitto_tolerates(packet):
    """[MQTT-4.8.0-1]"""
    peer = Peer()
    peer.ask(Connect("a"), packet)
    assert peer.connection.closing
    assert peer.broker.counts.protocol_errors == 1


# -- time --


def test_silence_for_one_and_a_half_times_the_keep_alive_ends_the_connection(network):
    """[MQTT-3.1.2-24]"""
    watcher = member(network, "watcher", "will")
    client = member(network, "sleeper", keepalive=60, will=Publish("will", b""))
    network.advance(89_999)
    assert client.connected
    network.advance(1)
    assert not client.connected
    assert [message.topic for message in watcher.poll()] == ["will"]
    assert network.broker.counts.timeouts == 1


@pytest.mark.parametrize("packet", ["ping", "publish", "subscribe"])
def test_any_packet_keeps_a_connection_alive(network, packet):
    """[MQTT-3.1.2-24] says "Control Packet", not PINGREQ."""
    client = member(network, "talker", keepalive=10)
    for _ in range(5):
        network.advance(14_000)
        {
            "ping": client.ping,
            "publish": lambda: client.publish("t"),
            "subscribe": lambda: client.subscribe("t"),
        }[packet]()
    assert client.connected


def test_part_of_a_packet_does_not_keep_a_connection_alive():
    """[MQTT-3.1.2-24]"""
    peer = Peer()
    peer.ask(Connect("dribbler", keepalive=10))
    peer.ask(b"\x30\x05\x00", now=14_000)
    peer.broker.tick(15_000)
    assert peer.connection.closing


def test_what_the_server_sends_does_not_keep_a_connection_alive(network):
    """[MQTT-3.1.2-24]"""
    reader = member(network, "reader", "t", keepalive=10)
    writer = member(network, "writer")
    for _ in range(3):
        network.advance(6_000)
        writer.publish("t")
    assert not reader.connected


def test_keep_alive_0_never_ends_a_connection(network):
    """3.1.2.10"""
    client = member(network, "eternal", keepalive=0)
    network.advance(365 * 24 * 3600 * 1000)
    assert client.ping()


@pytest.mark.parametrize("sent", [b"", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00"])
def test_a_connection_without_a_whole_connect_in_time_is_closed(sent):
    """3.1: "a reasonable amount of time"."""
    peer = Peer()
    peer.ask(sent[:4])
    peer.ask(sent[4:], now=9_999)
    peer.broker.tick(9_999)
    assert not peer.connection.closing
    peer.broker.tick(10_000)
    assert peer.connection.closing
    assert peer.broker.next_deadline() > 1 << 60


# -- the owner's side --


def test_the_owner_sees_every_message_passed_on_and_every_coming_and_going():
    messages, events = [], []
    broker = Broker(
        on_messages=lambda topic, payloads, client: messages.append((topic, *payloads, client)),
        on_event=lambda now, kind, client_id, detail: events.append((now, kind, client_id, detail)),
    )
    network = MemoryNetwork(broker, start=1000)
    client = member(network, "a", "t", username="u", password=b"hunter2", will=Publish("w", b"gone"))
    client.publish("t", b"x", qos=1)
    network.advance(500)
    client.vanish()
    broker.publish(Publish("o", b"y"))
    assert messages == [("t", b"x", "a"), ("w", b"gone", "a"), ("o", b"y", "")]
    assert events == [
        (1000, "connected", "a", "u"),
        (1000, "subscribed", "a", "t"),
        (1500, "closed", "a", "connection lost"),
    ]


def test_the_owner_can_publish_and_cut_a_client_off(network):
    client = member(network, "a", "#", will=Publish("w", b""))
    watcher = member(network, "b", "#")
    network.publish("t", b"x", 1, retain=True)
    assert [message.topic for message in watcher.poll()] == ["t"]
    assert network.disconnect("a")
    assert not network.disconnect("nobody")
    assert not client.connected
    assert [message.topic for message in watcher.poll()] == ["w"]


def test_nothing_is_heard_from_a_connection_that_was_ended():
    peer = Peer()
    peer.ask(Connect("a"), b"\x00\x00")
    reason = peer.connection.reason
    assert peer.ask(Connect("a"), b"\xc0\x00") == []
    peer.connection.closed(1)
    peer.connection.closed(2)
    assert peer.connection.reason == reason
    assert peer.broker.counts.connected == 1


def test_a_packet_behind_an_error_is_not_served():
    """[MQTT-4.8.0-1]"""
    peer = Peer()
    assert Pingresp() not in peer.ask(Connect("a"), b"\x00\x00", b"\xc0\x00")


def test_a_nameless_client_gets_a_name_that_nobody_has(network):
    """[MQTT-3.1.3-6]"""
    member(network, "auto-1")
    member(network, "")
    assert list(network.broker.sessions) == ["auto-1", "auto-2"]
