"""What a peer can cost: every limit is a setting, is kept, and is counted."""

from itertools import cycle

import pytest

from host_sim.broker.core import Broker, Settings
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.broker.packets import (
    Connect,
    Pingreq,
    Puback,
    Publish,
    Suback,
    Subscribe,
)
from tests.broker.peer import Peer


def reader_and_writer(qos=0, **limits):
    broker = Broker(settings=Settings(**limits))
    reader = Peer(broker, Connect("reader"), Subscribe(1, [("t", qos)]))
    reader.read()
    return broker, reader, Peer(broker, Connect("writer"))


def test_a_packet_over_the_limit_ends_the_connection_before_it_has_come():
    broker = Broker(settings=Settings(max_packet_size=1000))
    peer = Peer(broker, Connect("a"))
    peer.connection.receive(b"\x30\xff\xff\x7f", 0)
    assert peer.connection.closing
    assert "limit" in peer.connection.reason
    assert broker.counts.protocol_errors == 1


def test_connections_over_the_limit_are_closed_at_once():
    broker = Broker(settings=Settings(max_connections=2))
    first, second, third = (broker.open(0) for _ in range(3))
    assert [c.closing for c in (first, second, third)] == [False, False, True]
    first.closed(0)
    assert not broker.open(0).closing


def test_a_slow_reader_loses_qos_0_messages_and_nobody_else_does():
    broker, slow, writer = reader_and_writer(max_output_bytes=10_000)
    quick = Peer(broker, Connect("quick"), Subscribe(1, [("t", 0)]))
    quick.read()
    for _ in range(100):
        writer.send(Publish("t", bytes(1000)))
        assert len(quick.read_messages()) == 1
    assert slow.connection.pending < 12_000
    received = len(slow.read_messages())
    assert 9 <= received <= 10
    assert broker.counts.dropped_slow == 100 - received
    writer.send(Publish("t", b"again"))
    assert [message.payload for message in slow.read_messages()] == [b"again"]


def test_a_message_larger_than_the_buffer_still_passes_when_the_buffer_is_empty():
    broker, reader, writer = reader_and_writer(max_output_bytes=200)
    writer.send(Publish("t", bytes(1000)))
    assert len(reader.read_messages()) == 1
    assert broker.counts.dropped_slow == 0


def test_a_slow_reader_gets_qos_1_messages_later_and_in_order():
    """[MQTT-4.6.0-6]"""
    _, reader, writer = reader_and_writer(qos=1, max_output_bytes=3000)
    for number in range(20):
        writer.send(Publish("t", bytes([number]) * 1000, 1, packet_id=1))
    assert reader.connection.pending < 4000
    received = []
    while messages := reader.read_messages():
        received += messages
        reader.send(*(Puback(message.packet_id) for message in messages))
    assert [message.payload[0] for message in received] == list(range(20))


def test_a_blocked_qos_1_queue_moves_on_when_the_buffer_drains_though_nothing_is_unacknowledged():
    _, reader, writer = reader_and_writer(qos=1, max_output_bytes=1000)
    writer.send(Publish("t", bytes(900)), Publish("t", bytes(900), 1, packet_id=1))
    assert [message.qos for message in reader.read_messages()] == [0]
    assert [message.qos for message in reader.read_messages()] == [1]


def test_no_more_than_the_window_is_unacknowledged():
    broker, reader, writer = reader_and_writer(qos=1, max_inflight=3)
    for number in range(10):
        writer.send(Publish("t", bytes([number]), 1, packet_id=1))
    first = reader.read_messages()
    assert [message.payload[0] for message in first] == [0, 1, 2]
    reader.send(Puback(first[1].packet_id))
    assert [message.payload[0] for message in reader.read_messages()] == [3]
    reader.send(Puback(first[1].packet_id))  # twice: opens nothing
    assert reader.read_messages() == []
    reader.connection.closed(0)
    assert broker.counts.dropped_unacked == 9


@pytest.mark.parametrize("limits", [{"max_queued": 3}, {"max_queued_bytes": 4400}], ids=str)
def test_a_full_queue_drops_the_newest(limits):
    """[MQTT-4.6.0-6]: so that what arrives has no hole but at its end."""
    broker, reader, writer = reader_and_writer(qos=1, max_inflight=1, **limits)
    for number in range(10):
        writer.send(Publish("t", bytes([number]) * 999, 1, packet_id=1))
    received = []
    while messages := reader.read_messages():
        received += messages
        reader.send(Puback(messages[0].packet_id))
    assert [message.payload[0] for message in received] == [0, 1, 2, 3]
    assert broker.counts.dropped_queue == 6


def test_packet_ids_wrap_and_step_over_those_in_use():
    """[MQTT-2.3.1-2]"""
    _, reader, writer = reader_and_writer(qos=1)
    writer.send(Publish("t", b"held", 1, packet_id=1))
    (held,) = reader.read_messages()
    assert held.packet_id == 1
    for expected in [*range(2, 65536), 2, 3]:
        writer.send(Publish("t", b"", 1, packet_id=1))
        (message,) = reader.read_messages()
        assert message.packet_id == expected
        reader.send(Puback(expected))


@pytest.mark.parametrize("max_inflight", [0, 65535])
def test_a_window_without_free_packet_ids_is_no_setting(max_inflight):
    with pytest.raises(ValueError, match="max_inflight"):
        Broker(settings=Settings(max_inflight=max_inflight))


def test_who_never_reads_his_answers_is_closed():
    broker = Broker(settings=Settings(max_output_bytes=1000))
    peer = Peer(broker, Connect("rude"))
    for _ in range(2000):
        peer.send(Pingreq())
    assert peer.connection.closing
    assert peer.connection.reason == "slow reader"
    assert peer.connection.pending < 2100


def test_who_never_reads_his_subacks_gets_no_retained_messages_either():
    broker = Broker(settings=Settings(max_output_bytes=1000))
    broker.publish(Publish("t", bytes(100), retain=True))
    peer = Peer(broker, Connect("rude"))
    while not peer.connection.closing:
        peer.send(Subscribe(1, [("t", 0)]))
    assert peer.connection.pending < 2200


def test_subscriptions_over_the_limit_are_refused():
    broker = Broker(settings=Settings(max_subscriptions=2))
    peer = Peer(broker, Connect("a"), Subscribe(1, [("a", 0), ("b", 0), ("c", 0), ("a", 1)]))
    assert peer.read()[1] == Suback(1, [0, 0, 0x80, 1])
    assert broker.counts.subscribe_refused == 1


def test_retained_messages_over_the_limit_are_passed_on_but_not_kept():
    broker = Broker(settings=Settings(max_retained=2))
    network = MemoryNetwork(broker)
    reader = MemoryClient(network, "reader")
    reader.connect()
    reader.subscribe("#")
    for topic, payload in zip("abca", cycle([b"x"]), strict=False):
        broker.publish(Publish(topic, payload, retain=True))
    network.advance(0)
    assert [message.topic for message in reader.poll()] == ["a", "b", "c", "a"]
    assert list(broker.retained) == ["a", "b"]
    assert broker.counts.not_retained == 1
    broker.publish(Publish("a", b"", retain=True))
    broker.publish(Publish("c", b"x", retain=True))
    assert list(broker.retained) == ["b", "c"]


def test_wildcards_in_every_level_cost_no_more_than_the_subscriptions_that_exist():
    """A tree walked by recursion or by copies of the name would not end here."""
    broker = Broker()
    deep = "/".join(["+"] * 200)
    peer = Peer(broker, Connect("a"), Subscribe(1, [(deep, 0), ("/".join(["a"] * 200), 0), (deep + "/#", 0)]))
    peer.read()
    peer.send(Publish("/".join(["a"] * 200), b"x"), Publish("/".join("a" * 199), b"x"))
    assert len(peer.read_messages()) == 1
