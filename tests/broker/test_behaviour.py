"""What a client sees, clause by clause, of our broker and of Mosquitto alike.

A test that runs against both is a claim that they do not differ. Where they may, because the
standard leaves a choice or ours does less, the test is in test_choices.py. Persistent sessions
have a file of their own, test_persistent_sessions.py.
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
    Unsuback,
    Unsubscribe,
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


# -- subscribing --


def test_suback_answers_every_filter_in_order(client, topic):
    """[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-4] [MQTT-3.8.4-5] [MQTT-3.9.3-1]"""
    wire = client("asker").send(Subscribe(65535, [(f"{topic}/a", 1), (f"{topic}/b", 0), (f"{topic}/c", 1)]))
    assert wire.receive() == Suback(65535, [1, 0, 1])


def test_the_same_filter_again_replaces_the_subscription(client, topic):
    """[MQTT-3.8.4-3]"""
    reader = client("reader")
    reader.subscribe(topic, qos=1)
    reader.subscribe(topic, qos=0)
    client("writer").publish(topic, b"x")
    assert [message.qos for message in reader.messages()] == [0]


def test_overlapping_subscriptions_give_one_copy_at_the_highest_qos(client, topic):
    """[MQTT-3.3.5-1]: further copies are allowed, and neither broker makes any."""
    reader = client("reader")
    reader.subscribe(f"{topic}/#", qos=0)
    reader.subscribe(f"{topic}/+", qos=1)
    client("writer").publish(f"{topic}/a", b"x")
    assert [message.qos for message in reader.messages()] == [1]


def test_unsubscribing_stops_the_messages(client, topic):
    """[MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4]"""
    reader, writer = client("reader"), client("writer")
    reader.subscribe(f"{topic}/a", f"{topic}/+")
    reader.send(Unsubscribe(9, [f"{topic}/a"]))
    assert reader.receive() == Unsuback(9)
    writer.publish(f"{topic}/a", b"1")
    assert len(reader.messages()) == 1  # the wildcard is another subscription: filters are compared as text
    reader.send(Unsubscribe(10, [f"{topic}/+", f"{topic}/none"]))
    assert reader.receive() == Unsuback(10)
    writer.publish(f"{topic}/a", b"2")
    assert reader.messages() == []


def test_unsubscribing_what_was_not_subscribed_is_acknowledged(client, topic):
    """[MQTT-3.10.4-5]"""
    assert client("reader").send(Unsubscribe(3, [topic])).receive() == Unsuback(3)


@pytest.mark.parametrize(
    ("topic_filter", "takes", "leaves"),
    [
        ("sport/#", ["sport", "sport/", "sport/a", "sport/a/b"], ["sports", "Sport/a"]),
        ("sport/+", ["sport/", "sport/a"], ["sport", "sport/a/b"]),
        ("+/+", ["/finance", "a/b"], ["a", "a/b/c"]),
        ("/+", ["/finance", "/"], ["finance", "/a/b"]),
        ("+", ["finance"], ["/finance", "a/b"]),
        ("a/+/c", ["a/b/c", "a//c"], ["a/b", "a/b/c/d", "a/b/d"]),
        ("a/+/#", ["a/b", "a/b/c/d", "a/"], ["a"]),
        ("+/tennis/#", ["sport/tennis", "/tennis/x"], ["$x/tennis", "tennis"]),
        ("#", ["a", "/", "a/b/c"], ["$x", "$x/a"]),
        ("$x/#", ["$x", "$x/a"], ["x/a"]),
        ("$x/+", ["$x/a"], ["$y/a"]),
        ("a/b", ["a/b"], ["a/b/", "/a/b", "A/b", "a/B"]),
    ],
)
def test_filters_take_the_names_that_the_standard_says(client, topic_filter, takes, leaves):
    """[MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-4.7.2-1] [MQTT-3.3.2-3]"""
    reader, writer = client("reader"), client("writer")
    reader.subscribe(topic_filter, qos=0)
    reader.messages()
    for name in [*takes, *leaves]:
        writer.publish(name, b"here")
    received = [message.topic for message in reader.messages() if message.payload == b"here"]
    assert received == takes
