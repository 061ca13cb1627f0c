"""Sessions that outlive their connections, clause by clause, of our broker and of Mosquitto alike.

Each test is a claim that the two do not differ; where they may, it is in test_choices.py.
"""

import itertools

import pytest

from host_sim.broker.packets import Pingreq, Pingresp, Puback, Publish, Subscribe, Unsubscribe

_numbers = itertools.count(1)


@pytest.fixture
def session(client):
    """session() is a connected peer that asked for a session that lasts, the same one in each call of a
    test.
    """
    name = f"persistent-{next(_numbers)}"
    return lambda **options: client(name, clean_session=False, **options)


@pytest.fixture
def publish(client, topic):
    """publish(payload…) publishes each to the test's topic, at QoS 1 unless it is told otherwise."""
    writer = client(f"writer-{next(_numbers)}")

    def send(*texts, **options):
        for payload in texts:
            writer.publish(topic, payload, **options)
            writer.messages()  # at QoS 0 too the broker has it by now

    return send


def unacknowledged(wire, count):
    """The next `count` messages, none of them acknowledged."""
    return [wire.expect(Publish) for _ in range(count)]


def payloads(messages):
    return [message.payload for message in messages]


# -- being there --


def test_a_session_is_present_when_there_is_one(session):
    """[MQTT-3.1.2-4] [MQTT-3.2.2-2] [MQTT-3.2.2-3]"""
    first = session()
    assert first.session_present is False
    first.leave()
    assert session().session_present is True


def test_subscriptions_last(session, publish, topic):
    """[MQTT-3.1.2-4]"""
    reader = session()
    reader.subscribe(topic, f"{topic}/+", qos=0)
    reader.leave()
    reader = session()
    publish(b"x", qos=0)
    assert reader.wait_for_messages(1) == [Publish(topic, b"x")]


def test_a_connection_that_is_lost_leaves_its_session(session, publish, topic):
    """[MQTT-3.1.2-4]: as DISCONNECT does"""
    reader = session()
    reader.subscribe(topic)
    reader.close()
    reader = session()
    assert reader.session_present is True
    publish(b"x")
    assert payloads(reader.wait_for_messages(1)) == [b"x"]


def test_a_protocol_error_leaves_the_session(session, publish, topic):
    """[MQTT-4.8.0-1] speaks of the Network Connection only."""
    reader = session()
    reader.subscribe(topic)
    reader.send(b"\x00\x00")
    assert reader.is_closed()
    publish(b"x")
    assert payloads(session().wait_for_messages(1)) == [b"x"]


def test_a_clean_session_ends_the_one_before_and_leaves_none(client, topic, publish):
    """[MQTT-3.1.2-6]"""
    wire = client("to be cleaned", clean_session=False)
    wire.subscribe(topic)
    wire.leave()
    publish(b"kept for nobody")
    wire = client("to be cleaned")
    assert wire.session_present is False
    assert wire.messages() == []
    wire.subscribe(topic)
    wire.leave()
    publish(b"kept for nobody either")
    wire = client("to be cleaned", clean_session=False)
    assert wire.session_present is False
    publish(b"nobody subscribed")
    assert wire.messages() == []
    client("to be cleaned").leave()


def test_a_clean_session_is_not_taken_over_as_a_persistent_one(client, topic, publish):
    """[MQTT-3.1.2-6]: "state data associated with this Session MUST NOT be reused" """
    clean = client("first clean")
    clean.subscribe(topic)
    wire = client("first clean", clean_session=False)
    assert clean.is_closed()
    assert wire.session_present is False
    publish(b"x")
    assert wire.messages() == []


def test_unsubscribing_lasts(session, publish, topic):
    """[MQTT-3.10.4-1] [MQTT-3.1.2-4]"""
    reader = session()
    reader.subscribe(topic)
    reader.send(Unsubscribe(1, [topic]))
    reader.receive()
    reader.leave()
    publish(b"x")
    assert session().messages() == []


def test_the_granted_qos_lasts(session, publish, topic):
    """[MQTT-3.8.4-3] [MQTT-3.1.2-4]"""
    reader = session()
    reader.subscribe(topic, qos=0)
    reader.subscribe(topic, qos=1)
    reader.leave()
    reader = session()
    publish(b"x")
    assert [message.qos for message in reader.wait_for_messages(1)] == [1]


# -- while its client is away --


def test_messages_of_qos_1_wait(session, publish, topic):
    """[MQTT-3.1.2-5], for the first time with DUP 0 [MQTT-3.3.1-1], in order [MQTT-4.6.0-6]"""
    reader = session()
    reader.subscribe(topic)
    reader.leave()
    expected = [bytes([number]) for number in range(100)]
    publish(*expected)
    reader = session()
    messages = reader.wait_for_messages(100)
    reader.leave()
    assert payloads(messages) == expected
    assert {(message.dup, message.qos, message.retain) for message in messages} == {(False, 1, False)}
    assert session().messages() == []


@pytest.mark.parametrize(("published", "granted"), [(0, 0), (0, 1), (1, 0)])
def test_messages_of_qos_0_do_not_wait(session, publish, topic, published, granted):
    """[MQTT-3.1.2-5] lets a server store them or not; neither of these does."""
    reader = session()
    reader.subscribe(topic, qos=granted)
    reader.leave()
    publish(b"x", qos=published)
    assert session().messages() == []


def test_a_message_for_overlapping_subscriptions_waits_once(session, publish, topic):
    """[MQTT-3.3.5-1]"""
    reader = session()
    reader.subscribe(topic, qos=0)
    reader.subscribe(f"{topic}/#", qos=1)
    reader.leave()
    publish(b"x")
    assert [message.qos for message in session().wait_for_messages(1)] == [1]


def test_each_session_has_a_queue_of_its_own(client, publish, topic):
    """[MQTT-3.1.2-5]"""
    names = [f"own queue {number}" for number in range(3)]
    for name in names:
        wire = client(name, clean_session=False)
        wire.subscribe(topic)
        wire.leave()
    publish(b"x")
    for name in names:
        assert payloads(client(name, clean_session=False).wait_for_messages(1)) == [b"x"]


def test_a_message_that_is_retained_meanwhile_waits_without_the_flag(session, publish, topic):
    """[MQTT-3.3.1-9]: the subscription stood before"""
    reader = session()
    reader.subscribe(topic)
    reader.leave()
    publish(b"x", retain=True)
    reader = session()
    assert [(m.payload, m.retain) for m in reader.wait_for_messages(1)] == [(b"x", False)]
    assert reader.messages() == []


def test_retained_messages_come_with_a_subscription_and_not_with_a_session(session, publish, topic):
    """[MQTT-3.3.1-6]"""
    publish(b"kept", retain=True)
    reader = session()
    reader.subscribe(topic)
    assert payloads(reader.messages()) == [b"kept"]
    reader.leave()
    reader = session()
    assert reader.messages() == []
    reader.subscribe(topic)
    assert [message.retain for message in reader.messages()] == [True]


def test_the_session_hears_its_own_will(session, topic):
    """[MQTT-3.1.2-8]: subscribed to it, the session outlives the connection that the will tells of"""
    mortal = session(will=Publish(topic, b"gone", 1))
    mortal.subscribe(topic)
    mortal.send(b"\x00\x00")
    assert mortal.is_closed()
    assert payloads(session().wait_for_messages(1)) == [b"gone"]


# -- coming back --


def test_what_was_not_acknowledged_comes_again_with_dup_and_its_packet_id(session, publish, topic):
    """[MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-2.3.1-2]"""
    reader = session()
    reader.subscribe(topic)
    publish(b"x")
    (first,) = unacknowledged(reader, 1)
    assert first.dup is False
    reader.close()
    (again,) = unacknowledged(session(), 1)
    assert again == Publish(topic, b"x", 1, dup=True, packet_id=first.packet_id)


def test_it_comes_again_as_often_as_it_is_not_acknowledged(session, publish, topic):
    """[MQTT-4.3.2-1]"""
    reader = session()
    reader.subscribe(topic)
    publish(b"x")
    found = unacknowledged(reader, 1)
    for _ in range(4):
        reader.close()
        reader = session()
        found += unacknowledged(reader, 1)
    assert [message.dup for message in found] == [False, True, True, True, True]
    assert len({message.packet_id for message in found}) == 1


def test_what_was_acknowledged_does_not_come_again(session, publish, topic):
    """[MQTT-4.3.2-1]"""
    reader = session()
    reader.subscribe(topic)
    publish(b"1", b"2", b"3")
    messages = unacknowledged(reader, 3)
    reader.send(Puback(messages[1].packet_id))
    assert reader.messages() == []
    reader.close()
    reader = session()
    assert payloads(reader.wait_for_messages(2)) == [b"1", b"3"]
    reader.leave()
    assert session().messages() == []


def test_what_comes_again_comes_in_its_old_order_and_before_what_waited(session, publish, topic):
    """[MQTT-4.6.0-1] [MQTT-4.6.0-6]"""
    reader = session()
    reader.subscribe(topic)
    publish(b"1", b"2", b"3")
    unacknowledged(reader, 3)
    reader.leave()
    publish(b"4", b"5")
    messages = session().wait_for_messages(5)
    assert payloads(messages) == [b"1", b"2", b"3", b"4", b"5"]
    assert [message.dup for message in messages] == [True, True, True, False, False]


def test_packet_ids_of_what_comes_again_are_not_used_for_others(session, publish, topic):
    """[MQTT-2.3.1-2] [MQTT-2.3.1-4]"""
    reader = session()
    reader.subscribe(topic)
    publish(b"1", b"2", b"3")
    unacknowledged(reader, 3)
    reader.close()
    reader = session()
    publish(b"4", b"5", b"6")
    messages = unacknowledged(reader, 6)
    assert len({message.packet_id for message in messages}) == 6


def test_a_newer_connection_takes_the_session_over_with_what_is_unacknowledged(session, publish, topic):
    """[MQTT-3.1.4-2] [MQTT-3.1.2-4] [MQTT-4.4.0-1]"""
    old = session()
    old.subscribe(topic)
    publish(b"x")
    (first,) = unacknowledged(old, 1)
    new = session()
    assert old.is_closed()
    assert new.session_present is True
    (again,) = unacknowledged(new, 1)
    assert (again.packet_id, again.dup) == (first.packet_id, True)


def test_connack_comes_before_what_waited(session, publish, topic):
    """[MQTT-3.2.0-1]: `Wire.connect` would see a message first"""
    reader = session()
    reader.subscribe(topic)
    publish(b"1")
    unacknowledged(reader, 1)
    reader.leave()
    publish(b"2")
    reader = session()
    assert payloads(reader.wait_for_messages(2)) == [b"1", b"2"]


def test_a_client_may_subscribe_in_the_same_breath_as_it_comes_back(session, publish, topic):
    """[MQTT-3.1.4-6] [MQTT-3.8.4-3]"""
    reader = session()
    reader.subscribe(topic)
    reader.leave()
    publish(b"waited")
    reader = session().send(Subscribe(5, [(topic, 1)]))
    (message,) = unacknowledged(reader, 1)
    assert message.payload == b"waited"
    assert reader.receive().packet_id == 5


def test_a_message_that_a_client_repeats_is_passed_on_again(client, session, publish, topic):
    """[MQTT-4.3.2-2]: at least once; the server need not remember"""
    reader = session()
    reader.subscribe(topic)
    writer = client("repeating", clean_session=False)
    for dup in (False, True):
        writer.send(Publish(topic, b"x", 1, dup=dup, packet_id=7))
        assert writer.receive() == Puback(7)
        writer.close()
        writer = client("repeating", clean_session=False)
    assert [(m.payload, m.dup) for m in reader.wait_for_messages(2)] == [(b"x", False)] * 2


def test_more_than_a_window_waits_and_comes_as_it_is_acknowledged(session, publish, topic):
    """[MQTT-4.6.0-6] with a window of whatever size, and a connection lost in the middle of it"""
    reader = session()
    reader.subscribe(topic)
    reader.leave()
    expected = [number.to_bytes(2, "big") for number in range(300)]
    publish(*expected)
    reader = session()
    first = unacknowledged(reader, 5)
    reader.send(*(Puback(message.packet_id) for message in first[:3]), Pingreq())
    while not isinstance(packet := reader.receive(), Pingresp):
        assert isinstance(packet, Publish)
    reader.close()
    rest = session().wait_for_messages(297)
    assert payloads(first) == expected[:5]
    assert payloads(rest) == expected[3:]
    assert [message.dup for message in rest[:2]] == [True, True]
