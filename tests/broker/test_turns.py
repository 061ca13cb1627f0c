"""Whatever one client sends, the others have their turn: counted in turns and virtual time, never timed."""

import itertools
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.broker.admission import FEW, Rate, Rates
from host_sim.broker.core import Broker, Settings
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.broker.packets import (
    Connack,
    Connect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
)
from host_sim.broker.server import ThreadedBroker
from tests.broker.peer import Peer, run
from tests.broker.wire import TIMEOUT, Wire

TURN = 100
"""Steps of work in a turn, in these tests."""


def broker_of(**limits):
    return Broker(settings=Settings(**{"work_per_turn": TURN, **limits}))


def fill(broker, count, prefix="r"):
    for number in range(count):
        broker.publish(Publish(f"{prefix}/{number}", b"kept", retain=True))


# -- what one client may do in a turn --

FLOODS = {
    "pings": Pingreq().encode() * 5000,
    "messages": Publish("flood", b"x").encode() * 5000,
    "acknowledged messages": Publish("flood", b"x", 1, packet_id=1).encode() * 5000,
    "acknowledgements of nothing": Puback(1).encode() * 5000,
    "subscriptions": b"".join(Subscribe(1, [(f"{n % 500}/+", 0)]).encode() for n in range(5000)),
    "subscriptions to everything": Subscribe(1, [("#", 0)]).encode() * 500,
    "many filters at once": Subscribe(1, [("#", 1)] * 5000).encode() * 10,
    "unsubscribing": Unsubscribe(1, ["nothing"]).encode() * 5000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_waits_between_turns_and_the_others_are_served_meanwhile(flood):
    broker = broker_of()
    fill(broker, 2 * TURN)
    reader = Peer(broker, Connect("reader"), Subscribe(1, [("news", 0)]))
    writer = Peer(broker, Connect("writer"))
    hostile = Peer(broker, Connect("hostile"))
    for peer in (reader, writer, hostile):
        peer.read()
    hostile.send(flood)
    turns = 0
    while broker.ready:
        assert hostile.connection.paused or hostile.connection.session.scans
        hostile.read()
        writer.send(Publish("news", b"%d" % turns))
        assert [message.payload for message in reader.read_messages()] == [b"%d" % turns]
        broker.turn(0)
        turns += 1
    assert turns >= 3  # so much was not done at once
    assert not hostile.closing
    assert hostile.ask(Pingreq())[-1] == Pingresp()  # and in the end all was done


def test_a_turn_is_bounded_by_the_work_and_not_by_the_packets():
    """A message to fifty subscribers is fifty-one steps."""
    broker = broker_of()
    readers = [Peer(broker, Connect(f"r{n}"), Subscribe(1, [("t", 0)])) for n in range(50)]
    writer = Peer(broker, Connect("w"), Publish("t", b"x").encode() * 100)
    for turn in range(1, 50):
        assert broker.counts.received <= 2 * turn
        broker.turn(0)
    run(broker)
    assert broker.counts.received == 100
    assert len(readers[0].read_messages()) == 100
    assert not writer.closing


def test_everyone_who_is_not_done_has_one_turn_in_each_round():
    broker = broker_of()
    floods = [Peer(broker, Connect(f"f{n}"), Publish(f"t/{n}", b"x").encode() * 1000) for n in range(5)]
    seen = dict.fromkeys(range(5), 0)

    def count(topic, payloads, client):
        seen[int(topic[2:])] += len(payloads)

    broker.on_messages = count
    for _ in range(5):
        broker.turn(0)
        assert max(seen.values()) - min(seen.values()) <= 1
    assert min(seen.values()) == 5 * TURN
    assert not any(flood.closing for flood in floods)


def test_a_waiting_client_is_served_in_order_and_loses_nothing():
    broker = broker_of()
    reader = Peer(broker, Connect("r"), Subscribe(1, [("t", 0)]))
    stream = b"".join(Publish("t", b"%d" % number).encode() for number in range(1000))
    writer = Peer(broker, Connect("w"))
    for start in range(0, len(stream), 777):  # more comes although it is paused: it is kept
        writer.send(stream[start : start + 777])
    run(broker)
    assert [int(message.payload) for message in reader.read_messages()] == list(range(1000))
    assert not writer.connection.paused


def test_who_waits_can_be_cut_off_and_leaves_nothing():
    broker = broker_of()
    hostile = Peer(broker, Connect("hostile"), Pingreq().encode() * 5000)
    broker.disconnect("hostile", 0)
    assert not broker.ready
    hostile.connection.closed(0)
    assert (broker.held, broker.throttled) == (0, {})


def test_who_waits_for_his_turn_does_not_time_out_for_it():
    """[MQTT-3.1.2-24]: what has come counts when it is served"""
    network = MemoryNetwork(broker_of(max_packet_rate=1, max_packet_burst=1))
    client = MemoryClient(network, "a", keepalive=2)
    client.connect()
    for _ in range(20):
        client.link.send(Pingreq().encode())
    network.advance(19_000)
    assert client.connected
    network.advance(10_000)
    assert not client.connected


# -- retained messages --


def test_looking_through_many_retained_messages_takes_many_turns():
    broker = broker_of()
    fill(broker, 1000)
    reader = Peer(broker, Connect("reader"))
    assert reader.read() == [Connack(0)]
    reader.send(Subscribe(1, [("r/999", 0), ("+/998", 0)]))
    first = reader.read()
    assert first[0] == Suback(1, [0, 0])
    assert [message.topic for message in first[1:]] == ["r/999"]
    turns = 0
    found = []
    while broker.ready:
        broker.turn(0)
        found += reader.read_messages()
        turns += 1
    assert turns >= 9
    assert [(message.topic, message.retain) for message in found] == [("r/998", True)]


def test_every_retained_message_comes_once_however_slow_its_reader_is():
    """[MQTT-3.3.1-6]: they wait until there is room"""
    broker = broker_of(max_output_bytes=2000, max_packet_size=1000)
    fill(broker, 500)
    reader = Peer(broker, Connect("reader"), Subscribe(1, [("r/+", 0)]))
    found = []
    for _ in range(10_000):
        run(broker)
        assert reader.connection.pending < 3200
        if not (messages := reader.read_messages()):
            break
        found += messages
    assert sorted(message.topic for message in found) == sorted(f"r/{number}" for number in range(500))
    assert broker.counts.dropped_slow == 0


def test_retained_messages_at_qos_1_wait_for_acknowledgements():
    """The queue is not for them: it stays free for what is published."""
    broker = broker_of(max_inflight=5, max_queued=3)
    for number in range(100):
        broker.publish(Publish(f"r/{number}", b"kept", 1, retain=True))
    reader = Peer(broker, Connect("reader"), Subscribe(1, [("r/+", 1)]))
    found = []
    while True:
        run(broker)
        assert len(broker.sessions["reader"].queue) <= 1
        if not (messages := reader.read_messages()):
            break
        found += messages
        reader.send(*(Puback(message.packet_id) for message in messages))
    assert len({message.topic for message in found}) == len(found) == 100
    assert broker.counts.dropped_queue == 0


def test_what_is_published_meanwhile_does_not_come_again_as_retained():
    """[MQTT-3.3.1-9]: nor does an old value behind a new one"""
    broker = broker_of()
    fill(broker, 1000)
    reader = Peer(broker, Connect("reader"), Subscribe(1, [("r/#", 0)]))
    broker.publish(Publish("r/900", b"new", retain=True))
    broker.publish(Publish("r/901", b"", retain=True))
    broker.publish(Publish("r/new", b"new", retain=True))
    run(broker)
    found = reader.read_messages()
    assert [m.retain for m in found if m.payload == b"new"] == [False, False]
    assert [(m.payload, m.retain) for m in found if m.topic == "r/900"] == [(b"new", False)]
    assert [(m.payload, m.retain) for m in found if m.topic == "r/901"] == [(b"", False)]
    assert len(found) == 1001


def test_unsubscribing_ends_the_search():
    broker = broker_of()
    fill(broker, 1000)
    reader = Peer(broker, Connect("reader"), Subscribe(1, [("r/+", 0)]), Unsubscribe(2, ["r/+"]))
    run(broker)
    assert len(reader.read_messages()) <= 2 * TURN


def test_the_same_wildcard_again_and_again_makes_no_pile_of_searches():
    broker = broker_of()
    fill(broker, 1000)
    hostile = Peer(broker, Connect("hostile"), Subscribe(1, [("#", 0)]).encode() * 1000)
    for _ in range(50):
        broker.turn(0)
        assert len(hostile.connection.session.scans) <= 1
        hostile.read()


# -- rate --


@given(
    st.integers(1, 2000),
    st.integers(1, 50),
    st.lists(st.integers(0, 3000), min_size=1, max_size=80),
)
def test_a_rate_lets_through_no_more_than_it_says_and_no_less(per_second, burst, pauses):
    """Over every stretch of time: at most the burst and what the rate gives; and who waits as told is let
    through.
    """
    rate = Rate(per_second, burst)
    served = []
    now = free = 0
    for pause in pauses:
        now = max(now + pause, free)
        served.append(now)
        free = now + rate.spend(now)
    for first, last in itertools.combinations_with_replacement(range(len(served)), 2):
        allowed = burst + (served[last] - served[first]) * per_second / 1000
        assert last - first + 1 <= allowed + 1e-9 or per_second * (1_000_000 // per_second) != 1_000_000
    assert free - now <= 1000 / per_second + 1


@given(st.integers(1, 2000), st.integers(1, 50), st.lists(st.integers(0, 300), min_size=1, max_size=20))
def test_what_is_counted_together_waits_as_long_as_one_by_one(per_second, burst, pauses):
    together, single = Rate(per_second, burst), Rate(per_second, burst)
    now = 0
    for pause in pauses:
        now += pause
        count = together.room(now)
        waits = [single.spend(now) for _ in range(count)]
        assert waits[:-1] == [0] * (count - 1)
        assert together.spend(now, count) == waits[-1] > 0


def test_messages_that_nobody_hears_are_told_all_and_kept_to_the_same_rate():
    stream = b"".join(Publish("t" * (1 + n // 40), b"%d" % n).encode() for n in range(120))
    for limits in ({"max_packet_rate": 10, "max_packet_burst": 30}, {"work_per_turn": 25}, {}):
        told, heard = {}, {}
        for name, filters in (("nobody", []), ("somebody", [Subscribe(1, [("#", 0)])])):
            broker = Broker(settings=Settings(**limits))
            seen = told[name] = []

            def tell(topic, payloads, client, seen=seen):
                seen += [(topic, payload, client) for payload in payloads]

            broker.on_messages = tell
            reader = Peer(broker, Connect("reader"), *filters)
            writer = Peer(broker, Connect("writer"), stream)
            heard[name] = []
            for now in range(0, 15_000, 100):
                broker.tick(now)
                run(broker, now)
                heard[name].append(broker.counts.received)
                reader.read()
            assert not writer.closing
        assert (
            told["nobody"]
            == told["somebody"]
            == [("t" * (1 + n // 40), b"%d" % n, "writer") for n in range(120)]
        )
        assert heard["nobody"] == heard["somebody"]
        assert heard["nobody"][-1] == 120


def test_over_its_rate_a_client_waits_and_nobody_else_does():
    network = MemoryNetwork(broker_of(max_packet_rate=10, max_packet_burst=5))
    reader = MemoryClient(network, "reader")
    reader.connect()
    reader.subscribe("#")
    quick = MemoryClient(network, "quick")
    quick.connect()
    for number in range(54):
        quick.publish("t", b"%d" % number)
    assert len(reader.poll()) == 4  # CONNECT was one of the five
    calm = MemoryClient(network, "calm")
    calm.connect()
    for _ in range(10):
        calm.publish("calm")
        assert [message.topic for message in reader.poll() if message.topic == "calm"] == ["calm"]
        network.advance(500)
        reader.poll()
    network.advance(1)
    assert network.broker.counts.throttled >= 50
    assert network.broker.counts.received == 54 + 10
    assert quick.connected


def test_who_comes_back_has_no_more_than_who_stayed():
    network = MemoryNetwork(broker_of(max_packet_rate=10, max_packet_burst=50))
    for _ in range(100):
        again = MemoryClient(network, "again")
        again.connect()
        for _ in range(20):
            again.publish("t")
        again.disconnect()
        network.advance(100)
    received = network.broker.counts.received
    assert received <= 50 + 10 * 10, "of which each CONNECT is one too"
    network.advance(60_000)
    patient = MemoryClient(network, "again")
    patient.connect()
    for _ in range(49):
        patient.publish("t")
    assert network.broker.counts.received == received + 49


def test_of_clients_that_left_only_those_are_remembered_who_have_spent():
    rates = Rates(10, 20)
    for number in range(50 * FEW):
        now = 10 * number
        rate = rates.enter(str(number))
        rate.spend(now)
        rates.leave(str(number), rate, now)
        assert len(rates) <= FEW + 1
    spent = rates.enter("spent")
    while not spent.spend(now):
        pass
    rates.leave("spent", spent, now)
    assert rates.enter("spent") is spent and rates.enter("spent") is not spent


def test_a_user_without_a_rate_never_waits():
    network = MemoryNetwork(broker_of(max_packet_rate=1, max_packet_burst=1))
    network.broker.unmetered = ("cloud",)
    for username, arrived in (("cloud", 20), ("device", 0)):
        reader = MemoryClient(network, f"reader of {username}", username="cloud", password=b"")
        reader.connect()
        reader.subscribe("#")
        quick = MemoryClient(network, username, username=username, password=b"")
        quick.connect()
        for _ in range(20):
            quick.publish("t")
        assert len(reader.poll()) == arrived


def test_over_tcp_who_is_over_its_rate_is_not_read_from():
    """So it is the sender that waits, and the broker holds one read at most."""
    with ThreadedBroker(settings=Settings(max_packet_rate=1, max_packet_burst=2)) as broker:
        hostile = Wire(broker.port).connect("hostile")
        hostile.socket.setblocking(False)
        packet = Publish("t", bytes(50_000)).encode()
        sent = 0
        with pytest.raises(BlockingIOError):
            while sent < 1 << 30:
                sent += hostile.socket.send(packet)
        session = broker.server.broker.sessions["hostile"]
        held = broker.call(lambda: len(session.connection._parser.rest()))
        assert held <= 2 * 65536
        other = Wire(broker.port).connect("other")
        assert other.messages() == []


def test_over_tcp_everything_that_was_sent_too_fast_is_served_in_the_end():
    with ThreadedBroker(settings=Settings(max_packet_rate=500, max_packet_burst=10)) as broker:
        reader = Wire(broker.port).connect("reader")
        writer = Wire(broker.port).connect("writer")
        reader.subscribe("t", qos=0)
        writer.send(*(Publish("t", b"%d" % number) for number in range(200)))
        assert [int(reader.expect(Publish).payload) for _ in range(200)] == list(range(200))
        assert broker.counts.throttled > 0


# -- all of it at once, over TCP --


def test_messages_pass_between_two_clients_while_others_flood(transport_floods):
    broker, reader, writer = transport_floods
    for number in range(30):
        writer.publish("news", b"%d" % number)
        assert [int(message.payload) for message in reader.wait_for_messages(1)] == [number]
    assert broker.counts.received > 30


@pytest.fixture
def transport_floods():
    """A broker with two friendly clients, and with every flood coming in all the time from threads."""
    over = threading.Event()
    with ThreadedBroker(settings=Settings(max_output_bytes=1_000_000)) as broker:
        broker.call(fill, broker.server.broker, 2000)
        reader, writer = (Wire(broker.port).connect(name) for name in ("reader", "writer"))
        reader.subscribe("news")
        threads = [
            threading.Thread(target=_flood, args=(broker.port, name, data, over))
            for name, data in FLOODS.items()
        ]
        for thread in threads:
            thread.start()
        try:
            yield broker, reader, writer
        finally:
            over.set()
            for thread in threads:
                thread.join(TIMEOUT)


def _flood(port, name, data, over):
    """As much of it as the broker takes, reading no answers; again whenever it is cut off."""
    while not over.is_set():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.2) as sock:
                sock.sendall(Connect(name).encode())
                while not over.is_set():
                    try:
                        sock.sendall(data[:100_000])
                    except TimeoutError:  # it is not being read from: nothing to do but wait
                        over.wait(0.05)
        except OSError:
            continue
