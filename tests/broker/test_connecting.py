"""What a client sees when it comes and goes, clause by clause, of our broker and of Mosquitto alike.

Each test is a claim that the two do not differ; where they may, it is in test_choices.py.
"""

import pytest

from host_sim.broker.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
)

# -- connecting --


def test_a_client_is_greeted_with_connack_first_and_no_session(client):
    """[MQTT-3.1.4-4] [MQTT-3.2.0-1] [MQTT-3.2.2-1]"""
    assert client().send(Connect("greeted")).receive() == Connack(0, session_present=False)


@pytest.mark.parametrize(
    "first",
    [Pingreq(), Publish("a", b""), Subscribe(1, [("a", 0)]), Disconnect(), Puback(1), Connack(0)],
    ids=lambda packet: type(packet).__name__,
)
def test_a_first_packet_other_than_connect_ends_the_connection(client, first):
    """[MQTT-3.1.0-1]"""
    assert client().send(first).is_closed()


def test_a_second_connect_ends_the_connection(client):
    """[MQTT-3.1.0-2]"""
    assert client("twice").send(Connect("twice")).is_closed()


def test_another_protocol_name_ends_the_connection(client):
    """[MQTT-3.1.2-1]"""
    assert client().send(Connect("name").encode().replace(b"MQTT", b"MQTS")).is_closed()


def test_an_unknown_protocol_level_is_answered_with_code_1(client):
    """[MQTT-3.1.2-2] [MQTT-3.2.2-4] [MQTT-3.2.2-5]"""
    wire = client().send(Connect("level", level=6))
    assert wire.receive() == Connack(1)
    assert wire.is_closed()


def _connect_with_flags(flags, rest=b""):
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x3c" + b"\x00\x05flags" + rest
    return bytes([0x10, len(body)]) + body


WILL = b"\x00\x01w\x00\x01x"


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(_connect_with_flags(0x03), id="MQTT-3.1.2-3 reserved flag"),
        pytest.param(_connect_with_flags(0x0A), id="MQTT-3.1.2-13 will QoS without will"),
        pytest.param(_connect_with_flags(0x22), id="MQTT-3.1.2-15 will retain without will"),
        pytest.param(_connect_with_flags(0x1E, WILL), id="MQTT-3.1.2-14 will QoS 3"),
        pytest.param(_connect_with_flags(0x42, b"\x00\x01p"), id="MQTT-3.1.2-22 password without user"),
        pytest.param(_connect_with_flags(0x06), id="MQTT-3.1.2-9 will missing"),
        pytest.param(_connect_with_flags(0x82), id="MQTT-3.1.2-19 user name missing"),
        pytest.param(_connect_with_flags(0xC2, b"\x00\x01u"), id="MQTT-3.1.2-21 password missing"),
        pytest.param(_connect_with_flags(0x02, b"\x00\x00"), id="MQTT-3.1.4-1 bytes behind the end"),
        pytest.param(
            _connect_with_flags(0x06, b"\x00\x01#\x00\x01x"), id="MQTT-4.7.1-1 wildcard in will topic"
        ),
        pytest.param(_connect_with_flags(0x06, b"\x00\x00\x00\x01x"), id="MQTT-4.7.3-1 empty will topic"),
        pytest.param(_connect_with_flags(0x82, b"\x00\x01\xff"), id="MQTT-3.1.3-11 user name no UTF-8"),
        pytest.param(b"\x10\x00", id="MQTT-3.1.4-1 empty"),
        pytest.param(b"\x11\x00", id="MQTT-2.2.2-2 header flags"),
        pytest.param(b"\x10\xff\xff\xff\xff\x7f", id="2.2.3 overlong length"),
        pytest.param(Connect("a\0b").encode(), id="MQTT-1.5.3-2 U+0000 in client id"),
        pytest.param(
            Connect("abc").encode().replace(b"abc", b"a\xed\xa0"), id="MQTT-1.5.3-1 half a surrogate"
        ),
        pytest.param(Connect("abc").encode().replace(b"abc", b"\xed\xa0\x80"), id="MQTT-1.5.3-1 surrogate"),
    ],
)
def test_a_malformed_connect_is_closed_without_an_answer(client, packet):
    """[MQTT-3.1.4-1] [MQTT-3.2.2-6]"""
    assert client().send(packet).is_closed()


def test_an_empty_client_id_needs_a_clean_session(client):
    """[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.1.3-8]"""
    assert client().send(Connect("", clean_session=True)).receive() == Connack(0)
    refused = client().send(Connect("", clean_session=False))
    assert refused.receive() == Connack(2)
    assert refused.is_closed()


def test_two_nameless_clients_do_not_push_each_other_out(client):
    """[MQTT-3.1.3-6]"""
    first, second = client(""), client("")
    assert first.messages() == second.messages() == []


@pytest.mark.parametrize("client_id", ["a", "0123456789abcdefghijABC", "x" * 200, "hxtp-\xe9/…"])
def test_client_ids_of_many_kinds_are_taken(client, client_id):
    """[MQTT-3.1.3-5]"""
    client(client_id)


def test_packets_right_behind_connect_are_served(client, topic):
    """[MQTT-3.1.4-6] lets a client not wait for CONNACK."""
    packets = [Connect("eager"), Subscribe(5, [(topic, 0)]), Publish(topic, b"now"), Pingreq()]
    wire = client().send(*packets)
    assert wire.receive() == Connack(0)
    assert wire.receive() == Suback(5, [0])
    assert wire.receive() == Publish(topic, b"now")
    assert wire.receive() == Pingresp()


def test_packets_behind_a_refused_connect_are_not_served(client, topic):
    """[MQTT-3.1.4-5]"""
    watcher = client("watcher")
    watcher.subscribe(topic)
    refused = client().send(Connect("", clean_session=False), Publish(topic, b"never"))
    assert refused.receive() == Connack(2)
    assert refused.is_closed()
    assert watcher.messages() == []


def test_a_newer_connection_of_the_same_client_takes_over(client, topic):
    """[MQTT-3.1.4-2] and, the session being clean, [MQTT-3.1.2-6]"""
    old = client("twin")
    old.subscribe(topic)
    new = client("twin")
    assert old.is_closed()
    new.publish(topic, b"x")
    assert new.messages() == []


def test_a_clean_session_forgets_subscriptions(client, topic):
    """[MQTT-3.1.2-6]"""
    first = client("forgetful")
    first.subscribe(topic)
    first.send(Disconnect())
    assert first.is_closed()
    second = client("forgetful")
    client("other").publish(topic, b"x")
    assert second.messages() == []


def test_pingreq_is_answered(client):
    """[MQTT-3.12.4-1]"""
    assert client("pinger").send(Pingreq()).receive() == Pingresp()


def test_the_server_closes_after_disconnect(client):
    """[MQTT-3.14.4-1], and nothing sent behind it counts"""
    assert client("leaver").send(Disconnect(), Pingreq()).is_closed()


# -- wills --


def _will(client, topic, **options):
    watcher = client("watcher")
    watcher.subscribe(topic)
    mortal = client("mortal", will=Publish(topic, b"gone", **options))
    return watcher, mortal


def test_a_lost_connection_publishes_the_will(client, topic):
    """[MQTT-3.1.2-8] [MQTT-3.1.2-16]"""
    watcher, mortal = _will(client, topic)
    mortal.close()
    assert watcher.wait_for_messages(1) == [Publish(topic, b"gone")]
    late = client("late")
    late.subscribe(topic)
    assert late.messages() == []


def test_a_protocol_error_publishes_the_will(client, topic):
    """[MQTT-3.1.2-8]"""
    watcher, mortal = _will(client, topic)
    mortal.send(b"\x00\x00")
    assert mortal.is_closed()
    assert [message.payload for message in watcher.wait_for_messages(1)] == [b"gone"]


def test_a_takeover_publishes_the_will(client, topic):
    """[MQTT-3.1.2-8]: the server closed the connection, and the client sent no DISCONNECT."""
    watcher, _ = _will(client, topic)
    client("mortal")
    assert [message.payload for message in watcher.wait_for_messages(1)] == [b"gone"]


def test_disconnect_discards_the_will(client, topic):
    """[MQTT-3.14.4-3] [MQTT-3.1.2-10]"""
    watcher, mortal = _will(client, topic)
    mortal.send(Disconnect())
    assert mortal.is_closed()
    assert watcher.messages() == []


def test_a_retained_will_is_kept(client, topic):
    """[MQTT-3.1.2-17]"""
    watcher, mortal = _will(client, topic, retain=True, qos=1)
    mortal.close()
    assert watcher.wait_for_messages(1)[0].retain is False
    late = client("late")
    late.subscribe(topic)
    assert [(m.payload, m.qos, m.retain) for m in late.messages()] == [(b"gone", 1, True)]


def test_an_empty_will_is_published(client, topic):
    """[MQTT-3.1.3-10]: a zero-length will message is one; HxTP's hint on `heartbeat` is such."""
    watcher = client("watcher")
    watcher.subscribe(topic)
    client("mortal", will=Publish(topic, b"")).close()
    assert watcher.wait_for_messages(1) == [Publish(topic, b"")]
