"""The in-memory network: virtual time, and faults that hit what they aim at and are all written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.broker.core import Broker
from host_sim.broker.faults import ACTIONS, DOWN, UP, FaultPlan, Injected, Outage
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.broker.packets import Connack, Connect, Pingreq, Pingresp, Publish, decode


def network_of(faults=None, **options):
    """A network with a writer and a reader of everything."""
    network = MemoryNetwork(faults=faults, **options)
    writer = MemoryClient(network, "writer")
    reader = MemoryClient(network, "reader")
    writer.connect()
    reader.connect()
    reader.subscribe("#")
    network.settle()
    return network, writer, reader


def payloads(client):
    return [message.payload for message in client.poll()]


# -- without faults --


def test_a_message_arrives_within_the_call_that_sends_it():
    _, writer, reader = network_of()
    writer.publish("t", b"x", qos=1, retain=True)
    assert writer.unacked != {}  # not looked yet
    assert writer.connected
    assert writer.unacked == {}
    assert reader.poll() == [("t", b"x", False, False)]
    assert reader.poll() == []
    late = MemoryClient(writer.network, "late")
    late.connect()
    late.subscribe("t")
    assert late.poll() == [("t", b"x", True, False)]


def test_bytes_in_any_slicing_reach_the_broker():
    network = MemoryNetwork()
    link = network.link("raw")
    for byte in Connect("raw").encode() + Pingreq().encode():
        link.send(bytes([byte]))
    data = Connack(0).encode() + Pingresp().encode()
    assert link.recv(3) == data[:3]
    assert link.recv(0) == b""
    assert link.recv() == data[3:]
    assert link.recv() == b""
    assert link.open


def test_bytes_that_are_no_packets_are_judged_by_the_broker():
    network = MemoryNetwork()
    link = network.link("raw")
    link.send(Connect("raw").encode() + b"\xff\xff\xff")
    assert link.recv() == Connack(0).encode()
    assert not link.open
    assert network.broker.counts.protocol_errors == 1
    with pytest.raises(ConnectionError):
        link.send(b"\xc0\x00")


def test_a_client_that_vanishes_leaves_its_will():
    network, _, reader = network_of()
    mortal = MemoryClient(network, "mortal", will=Publish("w", b"gone"))
    mortal.connect()
    mortal.vanish()
    assert payloads(reader) == [b"gone"]
    mortal.connect()
    mortal.disconnect()
    assert payloads(reader) == []


def test_publishing_on_a_closed_link_is_an_error_and_not_a_silent_loss():
    _, writer, _ = network_of()
    writer.disconnect()
    with pytest.raises(ConnectionError):
        writer.publish("t", b"x")
    with pytest.raises(ConnectionError):
        MemoryClient(writer.network, "never").publish("t", b"x")


def test_latency_takes_its_time_each_way():
    network = MemoryNetwork(latency=20, start=5000)
    client = MemoryClient(network, "a")
    assert client.connect() is None
    network.advance(39)
    assert not client.connected
    network.advance(1)
    assert client.connected
    assert client.subscribe("#") is None
    assert network.settle()
    assert client.poll() == []
    assert client.granted == {1: [1]}
    assert network.now == 5000 + 40 + 40


def test_with_latency_the_end_travels_behind_what_was_sent():
    network, writer, reader = network_of(latency=20)
    writer.publish("t", b"last words")
    writer.vanish()
    network.advance(39)
    assert payloads(reader) == []
    network.advance(1)
    assert payloads(reader) == [b"last words"]
    assert "writer" not in network.broker.sessions


def test_with_latency_messages_arrive_in_order():
    network, writer, reader = network_of(latency=7)
    for number in range(10):
        writer.publish("t", bytes([number]), qos=number % 2)
    assert network.settle()
    assert payloads(reader) == [bytes([number]) for number in range(10)]


@given(st.integers(1, 9))
def test_bytes_in_slices_make_no_difference(slice_bytes):
    _, writer, reader = network_of(slice_bytes=slice_bytes)
    writer.publish("t", b"x" * 20, qos=1)
    assert payloads(reader) == [b"x" * 20]
    assert writer.connected
    assert writer.unacked == {}


def test_an_observer_may_cause_messages_without_nesting():
    """What a delivery causes is delivered after it, whoever causes it."""
    network, writer, reader = network_of()
    echo = MemoryClient(network, "echo")
    echo.connect()
    echo.subscribe("ask")
    for number in range(3):
        writer.publish("ask", bytes([number]))
        for message in echo.poll():
            echo.publish("answer", message.payload)
    assert [(m.topic, m.payload[0]) for m in reader.poll()] == [
        (topic, number) for number in range(3) for topic in ("ask", "answer")
    ]


# -- outages --


def test_a_cut_breaks_every_link_and_refuses_new_ones_until_restored():
    network, writer, reader = network_of()
    network.cut()
    assert not writer.connected
    assert not reader.connected
    assert writer.connect() is None
    with pytest.raises(ConnectionRefusedError):
        network.link("x")
    assert network.broker.sessions == {}
    network.restore()
    assert writer.connect() == 0


def test_a_silent_cut_tells_nobody_until_timeouts_do():
    network, writer, reader = network_of()
    sleeper = MemoryClient(network, "sleeper", keepalive=10)
    sleeper.connect()
    network.cut(silent=True)
    writer.publish("t", b"lost")
    assert not sleeper.ping()
    assert writer.connected
    assert MemoryClient(network, "newcomer").connect() is None
    network.advance(15_000)
    assert "sleeper" not in network.broker.sessions
    assert sleeper.connected  # as far as it can know
    network.restore()
    assert not sleeper.connected
    assert not writer.connected
    assert reader.connect() == 0
    assert payloads(reader) == []


def test_planned_outages_come_and_go_by_themselves():
    network, writer, reader = network_of(FaultPlan(outages=[Outage(100, 50), Outage(300, 20, silent=True)]))
    network.advance(99)
    assert writer.connected
    network.advance(1)
    assert not writer.connected
    with pytest.raises(ConnectionRefusedError):
        network.link("x")
    network.advance(50)
    writer.connect()
    reader.connect()
    reader.subscribe("#")
    network.advance(160)
    writer.publish("t", b"into silence")
    assert reader.connected
    network.advance(10)
    assert not reader.connected
    assert [(fault.at, fault.action) for fault in network.trace] == [
        (100, "cut"),
        (150, "restore"),
        (300, "silence"),
        (320, "restore"),
    ]
    assert network.settle()


# -- single faults --


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_drop(direction):
    network, writer, reader = network_of()
    network.faults.inject("drop", direction=direction)
    writer.publish("t", b"1", qos=1)
    writer.publish("t", b"2", qos=1)
    assert payloads(reader) == [b"2"]
    assert writer.connected
    assert len(writer.unacked) == (1 if direction == UP else 0)


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_duplicate(direction):
    network, writer, reader = network_of()
    network.faults.inject("duplicate", direction=direction)
    writer.publish("t", b"1", qos=1)
    writer.publish("t", b"2", qos=1)
    assert payloads(reader) == [b"1", b"1", b"2"]


@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize("latency", [0, 5])
def test_reorder(direction, latency):
    network, writer, reader = network_of(latency=latency)
    network.faults.inject("reorder", direction=direction, count=2, amount=1000)
    for number in b"1234":
        writer.publish("t", bytes([number]))
    start = network.now
    assert network.settle()
    assert payloads(reader) == [b"3", b"1", b"2", b"4"]
    assert network.now - start == 2 * latency


def test_a_reordered_message_that_none_follows_arrives_in_the_end():
    network, writer, reader = network_of()
    network.faults.inject("reorder", direction=UP, amount=500)
    writer.publish("t", b"1")
    network.advance(499)
    assert payloads(reader) == []
    network.advance(1)
    assert payloads(reader) == [b"1"]


def test_delay():
    network, writer, reader = network_of()
    network.faults.inject("delay", direction=DOWN, amount=300)
    writer.publish("t", b"1")
    writer.publish("t", b"2")
    assert payloads(reader) == [b"2"]
    network.advance(300)
    assert payloads(reader) == [b"1"]


def test_corrupt_flips_one_bit_of_the_payload_and_nothing_else():
    network, writer, reader = network_of()
    network.faults.inject("corrupt", direction=UP, amount=9)
    writer.publish("t", b"\x00\x00\x00", qos=1)
    assert reader.poll() == [("t", b"\x00\x02\x00", False, False)]
    network.faults.inject("corrupt", direction=UP)
    writer.publish("t", b"")  # nothing to corrupt: the order stands
    writer.publish("t", b"\x00")
    empty, flipped = payloads(reader)
    assert empty == b""
    assert flipped[0].bit_count() == 1
    assert len(network.trace) == 2


@pytest.mark.parametrize(
    ("action", "direction", "arrives", "cut_off"),
    [
        ("disconnect", UP, [], "writer"),
        ("disconnect_after", UP, [b"1"], "writer"),
        ("disconnect", DOWN, [], "reader"),
        ("disconnect_after", DOWN, [b"1"], "reader"),
    ],
)
@pytest.mark.parametrize("latency", [0, 5])
def test_disconnect(action, direction, arrives, cut_off, latency):
    network, writer, reader = network_of(latency=latency)
    network.faults.inject(action, direction=direction)
    writer.publish("t", b"1", qos=1)
    network.settle()
    assert payloads(reader) == arrives
    connected = {client.link.name: client.connected for client in (writer, reader)}
    assert connected == {"writer": cut_off != "writer", "reader": cut_off != "reader"}
    assert len(writer.unacked) == (1 if direction == UP else 0)  # the ack is lost with its connection
    assert cut_off not in network.broker.sessions


def test_a_message_in_the_air_is_lost_with_its_connection():
    network, writer, reader = network_of()
    network.faults.inject("delay", amount=100, count=2)
    writer.publish("t", b"up")
    writer.vanish()
    network.advance(1000)
    assert payloads(reader) == []


# -- aiming --


def test_a_script_hits_what_it_aims_at():
    network, writer, reader = network_of()
    network.faults.inject("drop", direction=UP, topic="a/+", client="writer", skip=1, count=2)
    other = MemoryClient(network, "other")
    other.connect()
    for client, topic in [(other, "a/x"), (writer, "b"), (writer, "a/1"), (writer, "a/2"), (writer, "a/3")]:
        client.publish(topic, b"")
    writer.publish("a/4", b"")
    assert [message.topic for message in reader.poll()] == ["a/x", "b", "a/1", "a/4"]
    assert network.trace == [
        Injected(0, UP, "writer", "a/2", 0, "drop", 0),
        Injected(0, UP, "writer", "a/3", 0, "drop", 0),
    ]


def test_rates_apply_where_they_are_told_to():
    plan = FaultPlan(1, {"drop": 1.0}, directions=(DOWN,), topic="lossy/#")
    _, writer, reader = network_of(plan)
    writer.publish("lossy/a", b"", qos=1)
    writer.publish("safe", b"", qos=1)
    assert [message.topic for message in reader.poll()] == ["safe"]
    assert [(fault.direction, fault.topic) for fault in plan.trace] == [(DOWN, "lossy/a")]
    plan.clear()
    writer.publish("lossy/a", b"", qos=1)
    assert len(reader.poll()) == 1
    assert not plan.active


@pytest.mark.parametrize(
    "call",
    [
        lambda: FaultPlan(rates={"explode": 0.1}),
        lambda: FaultPlan(rates={"drop": 0.6, "delay": 0.6}),
        lambda: FaultPlan(rates={"drop": -0.1}),
        lambda: FaultPlan().inject("explode"),
        lambda: FaultPlan().inject("drop", direction="sideways"),
        lambda: FaultPlan().inject("drop", topic="a/#/b"),
    ],
)
def test_a_mistaken_fault_plan_is_refused(call):
    with pytest.raises(ValueError):
        call()


# -- determinism --

RATES = dict.fromkeys(ACTIONS, 0.08)


def play(seed, steps):
    """A noisy conversation of three clients; everything that can be seen of it."""
    broker_events = []
    broker = Broker(on_event=lambda *event: broker_events.append(event))
    network = MemoryNetwork(broker, FaultPlan(seed, RATES), latency=3)
    clients = [MemoryClient(network, f"c{number}", will=Publish(f"w/{number}", b"")) for number in range(3)]
    seen = []
    for step in range(steps):
        client = clients[step % 3]
        if not client.connected:
            client.connect()
            network.settle()
            if client.connected:
                client.subscribe("#")
        elif step % 7 == 6:
            client.subscribe(f"t/{step % 5}", qos=0)
        else:
            client.publish(f"t/{step % 5}", bytes([step % 256]) * 5, qos=step % 2, retain=step % 11 == 0)
        network.advance(step % 13)
        seen.append([tuple(client.poll()) for client in clients])
    return seen, list(network.trace), broker_events, network.now


def test_the_same_seed_gives_the_same_bytes_and_the_same_trace():
    first, second = play(7, 600), play(7, 600)
    assert first == second
    assert {fault.action for fault in first[1]} == set(ACTIONS)
    assert {fault.direction for fault in first[1]} == {UP, DOWN}


def test_another_seed_gives_another_trace():
    assert play(7, 200)[1] != play(8, 200)[1]


def test_every_fault_is_in_the_trace_and_no_payload_or_password_is():
    plan = FaultPlan(3, {"corrupt": 0.5, "drop": 0.5})
    network = MemoryNetwork(faults=plan)
    client = MemoryClient(network, "a", username="u", password=b"hunter2")
    client.connect()
    for _ in range(50):
        client.publish("t", b"hunter2")
    assert len(plan.trace) == 50
    assert "hunter2" not in repr(plan.trace)
    assert all(fault.size == 7 for fault in plan.trace)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_from_a_client_raise_from_the_core(data, greets_first):
    broker = Broker()
    connection = broker.open(0)
    if greets_first:
        connection.receive(Connect("fuzz").encode(), 0)
    connection.receive(data, 0)
    for frame in connection.take_frames():
        decode(frame)
    connection.closed(1)
    assert broker.sessions == {}
    assert broker._connections == {}
    assert len(broker._tree) == 0


def test_a_client_can_hold_back_its_acknowledgements():
    network, writer, _ = network_of()
    holder = MemoryClient(network, "holder", acknowledge=False)
    holder.connect()
    holder.subscribe("#")
    writer.publish("t", b"1", qos=1)
    writer.publish("t", b"2", qos=1)
    assert payloads(holder) == [b"1", b"2"]
    assert holder.unanswered == [1, 2]
    holder.ack(1)
    assert holder.unanswered == [2]
    assert list(network.broker.sessions["holder"].inflight) == [2]
