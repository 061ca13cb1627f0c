"""What a client sees of messages, clause by clause, of our broker and of Mosquitto alike.

Each test is a claim that the two do not differ; where they may, it is in test_choices.py.
"""

import pytest

from host_sim.broker.packets import Pingreq, Pingresp, Puback, Publish, Subscribe

# -- publishing --


@pytest.mark.parametrize(("published", "granted", "delivered"), [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1)])
def test_a_message_arrives_at_the_lower_qos(client, topic, published, granted, delivered):
    """[MQTT-3.8.4-6] [MQTT-4.3.1-1] [MQTT-4.3.2-1]"""
    reader = client("reader")
    assert reader.subscribe(topic, qos=granted) == [granted]
    client("writer").publish(topic, b"\x00\xff", qos=published)
    (message,) = reader.wait_for_messages(1)
    assert (message.payload, message.qos, message.dup, message.retain) == (
        b"\x00\xff",
        delivered,
        False,
        False,
    )


def test_puback_carries_the_packet_id_of_the_message(client, topic):
    """[MQTT-2.3.1-6] [MQTT-4.3.2-2]"""
    writer = client("writer")
    for packet_id in (1, 65535, 256):
        assert writer.send(Publish(topic, b"", 1, packet_id=packet_id)).receive() == Puback(packet_id)


def test_a_sender_receives_its_own_message(client, topic):
    """3.1.1 has no "no local"."""
    both = client("both")
    both.subscribe(topic, qos=0)
    both.send(Publish(topic, b"echo"))
    assert both.receive() == Publish(topic, b"echo")


def test_dup_is_not_passed_on(client, topic):
    """[MQTT-3.3.1-3], and a repeated QoS 1 message is a message again"""
    reader = client("reader")
    reader.subscribe(topic)
    writer = client("writer")
    for dup in (False, True):
        writer.send(Publish(topic, b"x", 1, dup=dup, packet_id=3))
        assert writer.receive() == Puback(3)
    assert [message.dup for message in reader.messages()] == [False, False]


def test_messages_of_one_topic_and_qos_arrive_in_order(client, topic):
    """[MQTT-4.6.0-6]"""
    reader = client("reader")
    reader.subscribe(topic)
    writer = client("writer")
    payloads = [bytes([number]) for number in range(200)]
    for payload in payloads:
        writer.publish(topic, payload)
    assert [message.payload for message in reader.wait_for_messages(200)] == payloads


def test_unacknowledged_messages_have_different_packet_ids(client, topic):
    """[MQTT-2.3.1-2] [MQTT-2.3.1-4]"""
    reader = client("reader")
    reader.subscribe(topic)
    writer = client("writer")
    for _ in range(15):
        writer.publish(topic, b"x")
    received = [reader.expect(Publish) for _ in range(15)]  # none acknowledged yet
    assert len({message.packet_id for message in received}) == 15
    assert all(message.packet_id for message in received)


def test_an_unknown_puback_is_ignored(client):
    """Nothing forbids it: the server may have forgotten what the client remembers."""
    assert client("acker").send(Puback(4711), Pingreq()).receive() == Pingresp()


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"\x36\x05\x00\x01a\x00\x01", id="MQTT-3.3.1-4 QoS 3"),
        pytest.param(b"\x30\x04\x00\x02a+", id="MQTT-3.3.2-2 plus"),
        pytest.param(b"\x30\x04\x00\x02a#", id="MQTT-3.3.2-2 hash"),
        pytest.param(b"\x30\x02\x00\x00", id="MQTT-4.7.3-1 empty topic"),
        pytest.param(b"\x30\x04\x00\x02a\x00", id="MQTT-4.7.3-2 U+0000"),
        pytest.param(b"\x30\x04\x00\x02a\xff", id="MQTT-1.5.3-1 no UTF-8"),
        pytest.param(b"\x30\x04\x00\x09ab", id="MQTT-3.3.2-1 truncated topic"),
        pytest.param(b"\x30\x01\x00", id="MQTT-3.3.2-1 truncated length"),
        pytest.param(b"\x30\x00", id="MQTT-3.3.2-1 no topic"),
        pytest.param(b"\x32\x05\x00\x01a\x00\x00", id="MQTT-2.3.1-1 packet id 0"),
        pytest.param(b"\x32\x04\x00\x01a\x01", id="MQTT-2.3.1-1 truncated packet id"),
        pytest.param(b"\x32\x03\x00\x01a", id="MQTT-2.3.1-1 no packet id"),
        pytest.param(b"\x82\x02\x00\x01", id="MQTT-3.8.3-3 SUBSCRIBE without filter"),
        pytest.param(b"\x82\x06\x00\x00\x00\x01a\x00", id="MQTT-2.3.1-1 SUBSCRIBE packet id 0"),
        pytest.param(b"\x80\x06\x00\x01\x00\x01a\x00", id="MQTT-3.8.1-1 SUBSCRIBE flags"),
        pytest.param(b"\x82\x06\x00\x01\x00\x01a\x03", id="MQTT-3-8.3-4 QoS 3"),
        pytest.param(b"\x82\x06\x00\x01\x00\x01a\x80", id="MQTT-3-8.3-4 reserved bits"),
        pytest.param(b"\x82\x05\x00\x01\x00\x01a", id="MQTT-3-8.3-4 QoS missing"),
        pytest.param(b"\x82\x05\x00\x01\x00\x00\x00", id="MQTT-4.7.3-1 empty filter"),
        pytest.param(b"\x82\x06\x00\x01\x00\x01\xff\x00", id="MQTT-3.8.3-1 filter no UTF-8"),
        pytest.param(Subscribe(1, [("a/#/b", 0)]).encode(), id="MQTT-4.7.1-2 hash in the middle"),
        pytest.param(Subscribe(1, [("a#", 0)]).encode(), id="MQTT-4.7.1-2 hash in a level"),
        pytest.param(Subscribe(1, [("a+/b", 0)]).encode(), id="MQTT-4.7.1-3 plus in a level"),
        pytest.param(b"\xa2\x02\x00\x01", id="MQTT-3.10.3-2 UNSUBSCRIBE without filter"),
        pytest.param(b"\xa0\x05\x00\x01\x00\x01a", id="MQTT-3.10.1-1 UNSUBSCRIBE flags"),
        pytest.param(b"\xa2\x05\x00\x00\x00\x01a", id="MQTT-2.3.1-1 UNSUBSCRIBE packet id 0"),
        pytest.param(b"\xa2\x05\x00\x01\x00\x02a", id="MQTT-3.10.3-1 truncated filter"),
        pytest.param(b"\x40\x01\x01", id="truncated PUBACK"),
        pytest.param(b"\x00\x00", id="2.2.1 packet type 0"),
        pytest.param(b"\x20\x02\x00\x00", id="CONNACK from a client"),
        pytest.param(b"\xe1\x00", id="MQTT-3.14.1-1 DISCONNECT flags"),
        pytest.param(b"\x30\xff\xff\xff\xff\x01", id="2.2.3 overlong length"),
        pytest.param(Publish("/".join("a" * 202), b"").encode(), id="limit 202 levels in a name"),
        pytest.param(Subscribe(1, [("/".join("a" * 202), 0)]).encode(), id="limit 202 levels in a filter"),
    ],
)
def test_a_malformed_packet_ends_the_connection(client, packet):
    """[MQTT-4.8.0-1]"""
    assert client("malformed").send(packet).is_closed()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("/", id="slash"),
        pytest.param("//", id="slashes"),
        pytest.param("a b", id="space"),
        pytest.param("/lead", id="leading slash"),
        pytest.param("trail/", id="trailing slash"),
        pytest.param("\xe9", id="composed"),
        pytest.param("e\u0301", id="decomposed"),
        pytest.param("\ufefftopic", id="byte-order mark"),
        pytest.param("a/$b", id="dollar inside"),
        pytest.param("\U0001f4a1", id="emoji"),
        pytest.param("x" * 4000, id="long"),
        pytest.param("/".join("a" * 201), id="201 levels"),
    ],
)
def test_unusual_names_are_names(client, name):
    """[MQTT-4.7.3-1] [MQTT-4.7.3-4] no normalisation, [MQTT-1.5.3-3] a byte-order mark stays"""
    reader = client("reader")
    reader.subscribe(name, qos=0)
    client("writer").publish(name, b"x")
    assert [message.topic for message in reader.messages()] == [name]


def test_a_large_message_arrives_whole(client, topic):
    """2.2.3: lengths of one to four bytes"""
    reader = client("reader")
    reader.subscribe(topic, qos=0)
    writer = client("writer")
    for size in (0, 100, 127, 128, 16_300, 16_500, 200_000):
        payload = bytes(size)
        writer.publish(topic, payload)
        assert reader.expect(Publish).payload == payload


# -- retained messages --


def test_a_new_subscription_gets_the_last_retained_message(client, topic):
    """[MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-8] [MQTT-3.1.2-7]"""
    writer = client("writer")
    writer.publish(topic, b"first", retain=True)
    writer.publish(topic, b"last", retain=True)
    writer.close()
    reader = client("reader")
    reader.subscribe(topic)
    assert [(m.payload, m.retain, m.qos) for m in reader.messages()] == [(b"last", True, 1)]


def test_a_standing_subscription_sees_no_retain_flag(client, topic):
    """[MQTT-3.3.1-9]"""
    reader = client("reader")
    reader.subscribe(topic)
    client("writer").publish(topic, b"x", retain=True)
    assert [message.retain for message in reader.messages()] == [False]


@pytest.mark.parametrize(("retained", "asked", "got"), [(0, 1, 0), (1, 0, 0), (1, 1, 1)])
def test_a_retained_message_arrives_at_the_lower_qos(client, topic, retained, asked, got):
    """[MQTT-3.8.4-6] [MQTT-3.3.1-7]"""
    client("writer").publish(topic, b"x", retain=True, qos=retained)
    client("barrier").publish("barrier", b"")
    reader = client("reader")
    reader.subscribe(topic, qos=asked)
    assert [(message.qos, message.retain) for message in reader.wait_for_messages(1)] == [(got, True)]


def test_an_empty_retained_message_clears_and_is_still_delivered(client, topic):
    """[MQTT-3.3.1-10] [MQTT-3.3.1-11]"""
    writer, reader, late = client("writer"), client("reader"), client("late")
    writer.publish(topic, b"kept", retain=True)
    reader.subscribe(topic)
    assert len(reader.messages()) == 1
    writer.publish(topic, b"", retain=True)
    assert [(message.payload, message.retain) for message in reader.messages()] == [(b"", False)]
    late.subscribe(topic)
    assert late.messages() == []


def test_a_message_without_retain_leaves_the_retained_one(client, topic):
    """[MQTT-3.3.1-12]"""
    writer, reader = client("writer"), client("reader")
    writer.publish(topic, b"kept", retain=True)
    writer.publish(topic, b"passing")
    writer.publish(topic, b"")
    reader.subscribe(topic)
    assert [message.payload for message in reader.messages()] == [b"kept"]


def test_subscribing_again_brings_the_retained_message_again(client, topic):
    """[MQTT-3.8.4-3]"""
    client("writer").publish(topic, b"kept", retain=True)
    reader = client("reader")
    for _ in range(2):
        reader.subscribe(topic)
        assert [message.payload for message in reader.messages()] == [b"kept"]


def test_a_wildcard_brings_every_retained_message_below(client, topic):
    """[MQTT-3.3.1-6] [MQTT-3.8.3-2]"""
    writer, reader = client("writer"), client("reader")
    for name in ("a", "a/b", "c"):
        writer.publish(f"{topic}/{name}", name.encode(), retain=True)
    reader.subscribe(f"{topic}/#")
    assert sorted(message.payload for message in reader.messages()) == [b"a", b"a/b", b"c"]
    other = client("other")
    other.subscribe(f"{topic}/+")
    assert sorted(message.payload for message in other.messages()) == [b"a", b"c"]
