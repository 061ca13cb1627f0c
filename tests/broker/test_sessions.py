"""Persistent sessions where the standard leaves a choice: how long, how much, whose."""

import pytest

from host_sim.broker.authority import User, UserAuthority
from host_sim.broker.core import NEVER, Broker, Settings
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.broker.packets import Connack, Connect, Puback, Publish, Subscribe
from host_sim.broker.server import ThreadedBroker
from tests.broker.conftest import running_mosquitto
from tests.broker.peer import Peer, run
from tests.broker.wire import Wire

HOUR = 3_600_000


def network_of(authority=None, **limits):
    """A network with a writer, and a reader with a persistent session that subscribes to everything."""
    network = MemoryNetwork(Broker(authority, Settings(**limits)))
    writer = member(network, "writer")
    reader = member(network, "reader", "#", clean_session=False)
    return network, writer, reader


def member(network, name, *filters, **options):
    client = MemoryClient(network, name, **options)
    assert client.connect() == 0
    if filters:
        assert client.subscribe(*filters) == [1] * len(filters)
    return client


def payloads(client):
    return [message.payload for message in client.poll()]


# -- how long --


@pytest.mark.parametrize(("hours", "found"), [(0, True), (1.999, True), (2, False), (1000, False)])
def test_a_session_expires_when_its_client_has_been_away_for_that_long(hours, found):
    network, writer, reader = network_of(session_expiry_ms=2 * HOUR)
    network.advance(50 * HOUR)  # being there does not count
    reader.vanish()
    writer.publish("t", b"x", qos=1)
    network.advance(int(hours * HOUR))
    assert ("reader" in network.broker.sessions) is found  # gone by itself, and not when it is asked for
    reader.connect()
    assert reader.connack.session_present is found
    assert payloads(reader) == ([b"x"] if found else [])
    assert network.broker.counts.sessions_expired == (not found)
    assert network.broker.counts.dropped_unacked == (not found)


def test_a_session_that_is_over_is_not_found_though_nobody_called_tick():
    broker = Broker(settings=Settings(session_expiry_ms=1000))
    Peer(broker, Connect("a", clean_session=False)).connection.closed(0)
    assert Peer(broker).ask(Connect("a", clean_session=False), now=999) == [Connack(0, True)]
    broker.sessions["a"].connection.closed(999)
    assert Peer(broker).ask(Connect("a", clean_session=False), now=1999) == [Connack(0, False)]


def test_sessions_expire_in_the_order_of_leaving_and_tell():
    events = []
    broker = Broker(settings=Settings(session_expiry_ms=1000), on_event=lambda *event: events.append(event))
    peers = {name: Peer(broker, Connect(name, clean_session=False)) for name in "abc"}
    for now, name in enumerate("bca"):
        peers[name].connection.closed(now)
    assert broker.next_deadline() == 1000
    broker.tick(1001)
    assert list(broker.sessions) == ["a"]
    assert broker.next_deadline() == 1002
    broker.tick(1002)
    assert broker.next_deadline() == NEVER
    assert [event for event in events if event[1] == "discarded"] == [
        (1001, "discarded", "b", "expired"),
        (1001, "discarded", "c", "expired"),
        (1002, "discarded", "a", "expired"),
    ]


def test_sessions_can_be_told_never_to_expire():
    network, _, reader = network_of(session_expiry_ms=NEVER)
    reader.vanish()
    network.advance(100 * 365 * 24 * HOUR)
    reader.connect()
    assert reader.connack.session_present


# -- how much --


@pytest.mark.parametrize("which", ["ours", "mosquitto"])
def test_a_full_queue_drops_the_newest_as_mosquitto_does(which, request, tmp_path):
    """In flight 2, in the queue 3. (What is in flight while its client is away counts as queued in Mosquitto
    2.0, and does not in ours: that is not tested here.)
    """
    if which == "ours":
        running = ThreadedBroker(settings=Settings(max_queued=3, max_inflight=2))
    else:
        lines = "allow_anonymous true\nmax_queued_messages 3\nmax_inflight_messages 2"
        running = running_mosquitto(request.getfixturevalue("program")("mosquitto"), tmp_path, lines)
    with running as found:
        port = found if which == "mosquitto" else found.port
        reader = Wire(port).connect("reader", clean_session=False)
        reader.subscribe("t")
        reader.leave()
        writer = Wire(port).connect("writer")
        for number in range(10):
            writer.publish("t", bytes([number]))
        reader = Wire(port).connect("reader", clean_session=False)
        away = [message.payload[0] for message in reader.wait_for_messages(3)]
        reader.leave()
        reader = Wire(port).connect("reader", clean_session=False)
        for number in range(10):
            writer.publish("t", bytes([number]))
        here = [message.payload[0] for message in reader.wait_for_messages(5)]
    assert (away, here) == ([0, 1, 2], [0, 1, 2, 3, 4])


@pytest.mark.parametrize(
    "limits", [{"max_queued": 3}, {"max_queued_bytes": 3300}, {"max_total_bytes": 3700, "reserved_bytes": 0}]
)
def test_the_queue_of_a_client_that_is_away_is_bounded(limits):
    network, writer, reader = network_of(**limits)
    reader.vanish()
    for number in range(9):
        writer.publish("t", bytes([number]) * 1000, qos=1)
    assert network.broker.counts.dropped_queue == 6
    assert reader.connect() == 0
    assert [payload[0] for payload in payloads(reader)] == [0, 1, 2]


def test_an_empty_message_with_a_long_topic_weighs_what_it_weighs():
    network, writer, reader = network_of(max_queued_bytes=100_000)
    reader.vanish()
    for _ in range(9):
        writer.publish("t" * 30_000, b"", qos=1)
    assert network.broker.counts.dropped_queue == 6


def test_messages_of_qos_0_are_counted_when_nobody_is_there_for_them():
    network, writer, reader = network_of()
    reader.vanish()
    writer.publish("t", b"x")
    assert network.broker.counts.dropped_away == 1
    reader.connect()
    assert payloads(reader) == []


def test_what_the_others_hold_does_not_reach_into_a_clients_reserve():
    network, writer, greedy = network_of(max_total_bytes=200_000, reserved_bytes=20_000)
    modest = member(network, "modest", "m", clean_session=False)
    for client in (greedy, modest):
        client.vanish()
    for _ in range(40):
        writer.publish("t", bytes(10_000), qos=1)
    assert network.broker.counts.dropped_queue > 0
    writer.publish("m", bytes(5_000), qos=1)
    writer.publish("m", bytes(5_000), qos=1)
    modest.connect()
    assert len(modest.poll()) == 2


def test_sessions_over_the_limit_are_refused_with_code_3_and_clean_ones_are_not():
    """3.2.2.3: server unavailable"""
    broker = Broker(settings=Settings(max_sessions=2))
    peers = [Peer(broker, Connect(name, clean_session=False)) for name in "ab"]
    for peer in peers:
        peer.connection.closed(0)
    assert Peer(broker).ask(Connect("c", clean_session=False)) == [Connack(3)]
    assert Peer(broker).ask(Connect("c")) == [Connack(0)]
    assert Peer(broker).ask(Connect("b", clean_session=False)) == [Connack(0, True)]
    assert broker.counts.sessions_refused == 1
    assert Peer(broker).ask(Connect("a")) == [Connack(0)]  # ends a's session
    assert Peer(broker).ask(Connect("d", clean_session=False)) == [Connack(0)]


def test_who_is_refused_for_want_of_room_does_not_push_out_his_own_clean_connection():
    broker = Broker(settings=Settings(max_sessions=0))
    clean = Peer(broker, Connect("a"))
    assert Peer(broker).ask(Connect("a", clean_session=False)) == [Connack(3)]
    assert not clean.closing


def test_everything_that_was_held_is_given_back():
    network, writer, reader = network_of(max_inflight=2)
    broker = network.broker
    base = member(network, "clean", "#", "a/+", acknowledge=False)
    reader.acknowledge = False
    for number in range(10):
        writer.publish("a/b", bytes(100 * number), qos=number % 2, retain=True)
    reader.poll()
    reader.vanish()
    writer.publish("a/b", bytes(1000), qos=1)
    assert broker.held > 5000
    reader.acknowledge = True
    reader.connect()
    assert len(reader.poll()) == 6
    base.disconnect()
    reader.unsubscribe("#")
    assert broker.sessions["reader"].held == 0
    assert broker.held == 0
    reader.subscribe("x")
    reader.vanish()
    assert network.forget("reader")
    writer.vanish()
    assert (broker.held, broker.sessions, len(broker._tree)) == (0, {}, 0)


# -- whose --


def users(**subscribe):
    return UserAuthority({name: User(name, subscribe=filters) for name, filters in subscribe.items()})


def test_another_user_does_not_get_the_session():
    """Client ids are free to choose here, and what waits in a session is its user's."""
    network = MemoryNetwork(Broker(users(alice=("#",), eve=("#",))))
    alice = member(network, "same", "#", clean_session=False, username="alice", password=b"alice")
    alice.vanish()
    network.publish("secret", b"x", 1)
    eve = member(network, "same", clean_session=False, username="eve", password=b"eve")
    assert not eve.connack.session_present
    network.publish("secret", b"y", 1)
    assert eve.poll() == []


def test_permissions_are_asked_again_when_a_client_comes_back():
    permitted = ["a/#", "b/#"]
    network = MemoryNetwork(Broker(users(alice=permitted)))
    alice = member(
        network,
        "a",
        "a/+",
        "b/+",
        clean_session=False,
        username="alice",
        password=b"alice",
        acknowledge=False,
    )
    network.publish("a/1", b"1", 1)
    network.publish("b/1", b"2", 1)
    assert len(alice.poll()) == 2
    alice.vanish()
    network.publish("a/2", b"3", 1)
    network.publish("b/2", b"4", 1)
    permitted.remove("b/#")
    alice.connect()
    assert payloads(alice) == [b"1", b"3"]
    assert network.broker.counts.dropped_revoked == 2
    assert list(network.broker.sessions["a"].subscriptions) == ["a/+"]
    network.publish("b/3", b"5", 1)
    assert alice.poll() == []
    assert network.broker.sessions["a"].held > 0
    for packet_id in list(alice.unanswered):
        alice.ack(packet_id)
    assert network.broker.sessions["a"].held == 0


def test_its_owner_can_cut_a_client_off_or_forget_it():
    network, _, reader = network_of()
    assert network.disconnect("reader")
    assert not network.disconnect("reader")  # it is not there, its session is
    assert "reader" in network.broker.sessions
    reader.connect()
    assert reader.connack.session_present
    assert network.forget("reader")
    assert list(network.broker.sessions) == ["writer"]
    assert not network.forget("reader")
    assert not reader.connected


# -- coming back --


def test_coming_back_to_much_does_not_fill_the_output():
    """What is sent again waits for room as everything does, and is in order then."""
    broker = Broker(settings=Settings(max_output_bytes=5000, max_inflight=10))
    reader = Peer(broker, Connect("r", clean_session=False), Subscribe(1, [("t", 1)]))
    for number in range(20):
        broker.publish(Publish("t", bytes([number]) * 1000, 1))
        reader.read()
    reader.connection.closed(0)
    reader = Peer(broker, Connect("r", clean_session=False))
    assert reader.connection.pending < 6000
    reader.send(Puback(9))  # before it was sent again: then it is not
    found = []
    while messages := reader.read_messages():
        found += messages
    assert [message.packet_id for message in found] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
    assert [message.dup for message in found] == [True] * 9 + [False]
    assert broker.counts.resent == 9


def test_a_retained_message_keeps_its_flag_when_it_comes_again():
    """[MQTT-3.3.1-8] holds for the message, whenever it is sent."""
    network, writer, _ = network_of()
    writer.publish("t", b"x", qos=1, retain=True)
    late = member(network, "late", "t", clean_session=False, acknowledge=False)
    assert [(m.retain, m.dup) for m in late.poll()] == [(True, False)]
    late.connect()
    assert [(m.retain, m.dup) for m in late.poll()] == [(True, True)]


def test_retained_messages_that_did_not_fit_come_with_the_next_connection():
    """[MQTT-3.3.1-6], and those that changed meanwhile as they are now"""
    broker = Broker(settings=Settings(max_inflight=2, work_per_turn=3))
    for number in range(10):
        broker.publish(Publish(f"t/{number}", b"old", 1, retain=True))
    reader = Peer(broker, Connect("r", clean_session=False), Subscribe(1, [("t/+", 1)]))
    run(broker)
    seen = {message.topic: message.payload for message in reader.read_messages()}
    assert 1 <= len(seen) < 10
    reader.connection.closed(0)
    broker.publish(Publish("t/9", b"new", 1, retain=True))
    reader = Peer(broker, Connect("r", clean_session=False))
    for _ in range(20):
        run(broker)
        for message in reader.read_messages():
            seen[message.topic] = message.payload
            reader.send(Puback(message.packet_id))
    assert seen == {**{f"t/{number}": b"old" for number in range(9)}, "t/9": b"new"}


def test_a_will_goes_out_before_the_client_that_takes_over_is_greeted():
    network, _, _ = network_of()
    old = member(network, "twin", "w", clean_session=False, will=Publish("w", b"gone", 1))
    new = member(network, "twin", clean_session=False)
    assert not old.connected
    assert payloads(new) == [b"gone"]


def test_sessions_last_over_tcp_and_over_outages(broker):
    reader = Wire(broker.port).connect("reader", clean_session=False)
    reader.subscribe("t")
    broker.cut()
    broker.publish("t", b"1", 1)
    broker.restore()
    reader = Wire(broker.port).connect("reader", clean_session=False)
    assert reader.session_present is True
    assert [message.payload for message in reader.wait_for_messages(1)] == [b"1"]
    reader.leave()
    assert broker.forget("reader")
    assert Wire(broker.port).connect("reader", clean_session=False).session_present is False
