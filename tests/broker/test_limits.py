"""What a peer can cost: every limit is a setting, is kept, and is counted."""

from dataclasses import fields
from itertools import cycle, product

import pytest

from host_sim.broker.core import Broker, Settings
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.broker.packets import (
    Connack,
    Connect,
    Pingreq,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
)
from tests.broker.peer import Peer, run


def broker_of(**limits):
    return Broker(settings=Settings(**limits))


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


@pytest.mark.parametrize(
    ("items", "largest"),
    [
        ([], "max_connect_size"),
        ([Connect("a")], "max_packet_size"),
        ([Connect("a"), Publish("t", b"")], "max_packet_size"),
    ],
    ids=["nobody yet", "connected", "later"],
)
@pytest.mark.parametrize("kind", [0x10, 0x30])
def test_before_connect_is_accepted_packets_are_smaller(items, largest, kind):
    broker = broker_of(max_connect_size=100, max_packet_size=1000)
    limit = getattr(broker.settings, largest) - (2 if largest == "max_connect_size" else 3)
    for length, closing in ((limit, False), (limit + 1, True)):
        peer = Peer(broker, *items)
        header = bytes([kind, length]) if length < 128 else bytes([kind, length & 127 | 128, length >> 7])
        peer.send(header)
        assert peer.closing is closing
        peer.connection.closed(0)


def test_a_connect_that_is_refused_widens_nothing():
    broker = broker_of(max_connect_size=100)
    peer = Peer(broker, Connect("a", level=5))
    assert peer.closing
    assert peer.ask(Publish("t", bytes(200))) == [Connack(1)]


@pytest.mark.parametrize("kind", [Subscribe, Unsubscribe])
def test_packets_of_many_filters_are_smaller_than_messages(kind):
    """One of 65,536 filters would be a long turn."""
    broker = broker_of(max_subscribe_size=1000)
    fits = [(f"{number:03}", 0) if kind is Subscribe else f"{number:03}" for number in range(150)]
    peer = Peer(broker, Connect("a"), kind(1, fits), Publish("t", bytes(2000)))
    assert not peer.closing
    peer.send(kind(1, fits * 2))
    assert peer.closing
    assert "limit" in peer.connection.reason


# -- who has not said who he is --


def test_the_oldest_half_open_connection_makes_room():
    broker = broker_of(max_half_open=3)
    peers = [Peer(broker) for _ in range(3)]
    assert Peer(broker).ask(Connect("quick")) == [Connack(0)]
    assert [peer.closing for peer in peers] == [True, False, False]
    assert broker.counts.evicted == 1
    Peer(broker)
    assert [peer.closing for peer in peers] == [True, False, False]  # who is accepted holds no place


def test_one_address_cannot_take_the_place_of_others():
    broker = broker_of(max_half_open=100, max_half_open_per_address=2)
    slow = Peer(broker, address="192.0.2.1")
    flood = [Peer(broker, address="192.0.2.2") for _ in range(1000)]
    assert not slow.closing
    assert [peer.closing for peer in flood] == [True] * 998 + [False] * 2
    assert Peer(broker, address="192.0.2.2").ask(Connect("behind the same router")) == [Connack(0)]
    for peer in flood:
        peer.connection.closed(0)
    assert len(broker._half_open) == 1
    assert list(broker._half_open._by_address) == ["192.0.2.1"]


def test_a_flood_of_half_open_connections_keeps_nobody_out_who_speaks():
    """Each newcomer says CONNECT after ten more strangers have come."""
    broker = broker_of(max_half_open=50)
    for number in range(100):
        newcomer = Peer(broker)
        for _ in range(10):
            Peer(broker)
        assert newcomer.ask(Connect(f"c{number}")) == [Connack(0)]
    assert len(broker._half_open) <= 50


def test_half_open_is_over_in_time_too():
    broker = broker_of(connect_timeout_ms=100)
    Peer(broker, b"\x10")
    broker.tick(100)
    assert len(broker._half_open) == len(broker._connections) == 0


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


def test_subscriptions_are_weighed_too():
    """A filter may be 65,535 bytes long, or two hundred levels deep."""
    broker = broker_of(max_subscription_bytes=100_000)
    long, deep = "x" * 40_000, "/".join("x" * 180)
    peer = Peer(broker, Connect("a"))
    for digit, code in (("1", 0), ("2", 0), ("3", 0x80)):
        assert peer.ask(Subscribe(1, [(long + digit, 0)]))[-1] == Suback(1, [code])
    assert peer.ask(Subscribe(2, [(deep, 0), (long + "1", 1), ("small", 0)])) == [Suback(2, [0x80, 1, 0])]
    peer.ask(Unsubscribe(3, [long + "1"]))
    assert peer.ask(Subscribe(4, [(long + "3", 0)])) == [Suback(4, [0])]
    peer.connection.closed(0)
    assert broker.held == 0


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


def test_retained_messages_are_weighed_too():
    broker = broker_of(max_retained_bytes=10_000)
    for number in range(5):
        broker.publish(Publish(f"t/{number}", bytes(3000), retain=True))
    assert list(broker.retained) == ["t/0", "t/1", "t/2"]
    broker.publish(Publish("x" * 3000, b"", retain=True))  # clears what was never kept
    broker.publish(Publish("y" * 3000, b"x", retain=True))
    assert len(broker.retained) == 3
    broker.publish(Publish("t/1", bytes(100), retain=True))
    broker.publish(Publish("t/3", bytes(2500), retain=True))
    assert list(broker.retained) == ["t/0", "t/1", "t/2", "t/3"]
    assert broker.retained.bytes <= 10_000
    for topic in list(broker.retained):
        broker.publish(Publish(topic, b"", retain=True))
    assert (broker.retained.bytes, len(broker.retained)) == (0, 0)


def test_a_message_too_large_to_keep_leaves_no_older_one_in_its_place():
    """What is kept is the last message of its topic, or nothing: [MQTT-3.3.1-5]"""
    broker = broker_of(max_retained_bytes=1000)
    broker.publish(Publish("t", b"old", retain=True))
    broker.publish(Publish("t", bytes(2000), retain=True))
    assert dict(broker.retained) == {}
    assert broker.counts.not_retained == 1


def test_slots_of_cleared_messages_are_used_again():
    broker = broker_of(max_retained=10)
    for number in range(1000):
        broker.publish(Publish(f"t/{number}", b"x", retain=True))
        broker.publish(Publish(f"t/{number}", b"", retain=True))
    assert len(broker.retained.slots) == 1


# -- all together --


def test_slow_readers_together_hold_no_more_than_the_total():
    limit = 300_000
    broker = broker_of(max_total_bytes=limit, reserved_bytes=1000)
    readers = [Peer(broker, Connect(f"r{n}"), Subscribe(1, [("t", n % 2)])) for n in range(20)]
    for number in range(200):
        broker.publish(Publish("t", bytes([number]) * 2000, 1))
        assert broker.held <= limit + 20 * 3000
    assert broker.counts.dropped_slow > 0
    assert broker.counts.dropped_queue > 0
    for reader in readers:
        assert reader.read_messages()[0].payload[0] == 0  # nobody was left without
        reader.connection.closed(0)
    assert broker.held == 0


def test_half_sent_packets_together_hold_no_more_than_the_total():
    """Each may be almost as large as a packet may be, and never end."""
    broker = broker_of(max_total_bytes=300_000, reserved_bytes=1000)
    almost = Publish("t", bytes(50_000)).encode()[:-1]
    peers = [Peer(broker, Connect(f"p{number}").encode() + almost) for number in range(20)]
    assert broker.held <= 300_000
    assert 4 <= sum(not peer.closing for peer in peers) <= 6
    assert Peer(broker, Connect("modest")).ask(Publish("t", b"x", 1, packet_id=1))[-1] == Puback(1)
    for peer in peers:
        peer.send(b"\0")
        peer.connection.closed(0)
    for session in list(broker.sessions):
        broker.forget(session, 0)
    peers[0].broker.take_dirty()
    assert 0 <= broker.held < 200  # the answers that nobody fetched


def test_unread_answers_are_bounded_sooner_where_too_much_is_held():
    broker = broker_of(max_total_bytes=300_000, reserved_bytes=1000)
    rude = [Peer(broker, Connect(f"p{number}")) for number in range(20)]
    for _ in range(1000):
        for peer in rude:
            peer.send(Pingreq())
    assert any(peer.connection.reason == "slow reader" for peer in rude)
    assert broker.held <= 300_000 + 20 * 2000
    for peer in rude:
        peer.connection.closed(0)
    assert broker.held == 0


def test_what_waits_for_its_turn_counts_until_it_is_served():
    broker = broker_of(work_per_turn=10)
    peer = Peer(broker, Connect("a"), Pingreq().encode() * 100)
    peer.send(Pingreq().encode() * 100)
    waiting = 400 - 2 * 9
    assert broker.held == waiting + peer.connection.pending
    run(broker)
    assert broker.held == peer.connection.pending
    peer.send(b"\x30\x7f" + bytes(50))
    assert broker.held == 52 + peer.connection.pending
    peer.connection.closed(0)
    assert broker.held == 0


def test_a_full_house_refuses_subscriptions_too():
    broker = broker_of(max_total_bytes=10_000)
    peer = Peer(broker, Connect("a"))
    codes = peer.ask(Subscribe(1, [(f"{number}", 0) for number in range(100)]))[1].codes
    assert codes[0] == 0
    assert codes[-1] == 0x80
    assert broker.held <= 10_000


@pytest.mark.parametrize("name", ["work_per_turn", "max_packet_burst"])
def test_a_setting_with_which_nothing_would_ever_be_served_is_none(name):
    with pytest.raises(ValueError, match=name):
        Settings(**{name: 0})


def test_a_negative_limit_is_none():
    with pytest.raises(ValueError, match="max_retained"):
        Settings(max_retained=-1)


def test_every_limit_says_what_it_is():
    assert all(field.metadata["help"] for field in fields(Settings))


# -- wildcards --


def test_wildcards_in_every_level_cost_no_more_than_the_subscriptions_that_exist():
    """A tree walked by recursion or by copies of the name would not end here."""
    broker = Broker()
    deep = "/".join(["+"] * 200)
    peer = Peer(broker, Connect("a"), Subscribe(1, [(deep, 0), ("/".join(["a"] * 200), 0), (deep + "/#", 0)]))
    peer.read()
    peer.send(Publish("/".join(["a"] * 200), b"x"), Publish("/".join("a" * 199), b"x"))
    assert len(peer.read_messages()) == 1


def test_every_combination_of_wildcards_at_once_gives_one_copy():
    """The 256 filters that all take one name of eight levels: still one message, and one look at each."""
    broker = broker_of(max_subscriptions=256)
    filters = ["/".join(levels) for levels in product("a+", repeat=8)]
    peer = Peer(broker, Connect("a"), Subscribe(1, [(each, 0) for each in filters]))
    assert peer.read()[1].codes == [0] * 256
    peer.send(Publish("/".join("a" * 8), b"x"))
    assert len(peer.read_messages()) == 1
