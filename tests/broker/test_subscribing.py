"""What a client sees of subscriptions, clause by clause, of our broker and of Mosquitto alike.

Each test is a claim that the two do not differ; where they may, it is in test_choices.py.
"""

import pytest

from host_sim.broker.packets import Suback, Subscribe, Unsuback, Unsubscribe


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
