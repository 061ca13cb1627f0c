"""What is no packet, in every state that a connection can be in: it ends, and nothing else does."""

import pytest

from host_sim.broker.core import Broker, Settings
from host_sim.broker.packets import Connack, Connect, Pingreq, Puback, Publish, Subscribe
from tests.broker.peer import Peer, run

MALFORMED = {
    "packet type 0": b"\x00\x00",
    "packet type 15": b"\xf0\x00",
    "QoS 3": b"\x36\x05\x00\x01a\x00\x01",
    "flags of SUBSCRIBE": b"\x80\x06\x00\x01\x00\x01a\x00",
    "length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "a size over the limit": b"\x30\xff\xff\xff\x7f",
    "truncated topic": b"\x30\x04\x00\x09ab",
    "no UTF-8": b"\x30\x04\x00\x02\xc3\x28",
    "U+0000": b"\x30\x04\x00\x02a\x00",
    "a wildcard in a name": b"\x30\x04\x00\x02a#",
    "packet id 0": b"\x32\x05\x00\x01a\x00\x00",
    "SUBSCRIBE without a filter": b"\x82\x02\x00\x01",
    "a filter that is none": Subscribe(1, [("a#b", 0)]).encode(),
    "bytes behind the end": b"\xc0\x01\x00",
    "a packet of QoS 2": b"\x62\x02\x00\x01",
    "a packet of a server": Connack(0).encode(),
    "a second CONNECT, cut short": b"\x10\x04\x00\x04MQ",
}


def broker_of(**limits):
    broker = Broker(settings=Settings(work_per_turn=10, max_output_bytes=2000, **limits))
    for number in range(30):
        broker.publish(Publish(f"kept/{number}", b"x", 1, retain=True))
    return broker


def fresh(broker):
    return Peer(broker)


def connected(broker):
    return Peer(broker, Connect("bad"))


def persistent(broker):
    return Peer(broker, Connect("bad", clean_session=False), Subscribe(1, [("t", 1)]))


def with_unacknowledged(broker):
    peer = persistent(broker)
    broker.publish(Publish("t", b"1", 1))
    peer.read()
    return peer


def resumed(broker):
    with_unacknowledged(broker).connection.closed(0)
    broker.publish(Publish("t", b"2", 1))
    return Peer(broker, Connect("bad", clean_session=False))


def slow_reader(broker):
    peer = persistent(broker)
    for _ in range(20):
        broker.publish(Publish("t", bytes(300), 1))
    return peer


def looking_through_retained(broker):
    return Peer(broker, Connect("bad"), Subscribe(1, [("kept/+", 1)]))


def waiting_for_its_turn(broker):
    peer = Peer(broker, Connect("bad"), Pingreq().encode() * 30)
    assert peer.connection.paused
    return peer


def with_a_will(broker):
    return Peer(broker, Connect("bad", will=Publish("will", b"gone", 1)))


STATES = [
    fresh, connected, persistent, with_unacknowledged, resumed, slow_reader, looking_through_retained,
    waiting_for_its_turn, with_a_will,
]  # fmt: skip


def check_that_only_it_ended(broker, peer, friend, kept):
    run(broker)
    assert peer.closing
    assert broker.counts.protocol_errors == 1
    peer.send(Pingreq(), Publish("friend", b"never"))  # whatever comes now is not heard
    peer.connection.closed(0)
    assert all(message.topic == "will" for message in friend.read_messages())
    broker.publish(Publish("friend", b"x"))
    assert [message.payload for message in friend.read_messages()] == [b"x"]
    run(broker)
    assert list(broker.sessions) == (["friend", "bad"] if kept else ["friend"])
    assert list(broker._connections) == [friend.connection]
    assert not (broker.ready or broker.throttled or len(broker._half_open))
    broker.forget("bad", 0)
    broker.forget("friend", 0)
    friend.connection.closed(0)
    assert (broker.held, len(broker._tree)) == (0, 0)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in single bytes"])
def test_a_malformed_packet_in_every_state(state, data, whole):
    """[MQTT-4.8.0-1]"""
    broker = broker_of()
    friend = Peer(broker, Connect("friend"), Subscribe(1, [("friend", 0), ("will", 0)]))
    friend.read()
    peer = state(broker)
    if whole:
        peer.send(data)
    else:
        for at in range(len(data)):
            peer.send(data[at : at + 1])
    kept = state in (persistent, with_unacknowledged, resumed, slow_reader)
    check_that_only_it_ended(broker, peer, friend, kept)
    assert broker.counts.wills == (state is with_a_will)


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_packet_from_one_who_is_over_his_rate(data):
    """It is seen when its time has come, and not before."""
    broker = broker_of(max_packet_rate=1, max_packet_burst=3)
    friend = Peer(broker, Connect("friend"), Subscribe(1, [("friend", 0), ("will", 0)]))
    peer = Peer(broker, Connect("bad"), Pingreq(), Pingreq())
    peer.send(data)
    broker.tick(999)
    assert not peer.closing
    broker.tick(1000)
    friend.read()
    check_that_only_it_ended(broker, peer, friend, kept=False)


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_packet_behind_the_end_is_not_looked_at(data):
    """[MQTT-3.14.4-2], and after a refusal [MQTT-3.1.4-5]"""
    broker = broker_of()
    left = Peer(broker, Connect("left"), b"\xe0\x00" + data)
    refused = Peer(broker, Connect("", clean_session=False).encode() + data)
    assert left.closing
    assert refused.read() == [Connack(2)]
    assert broker.counts.protocol_errors == 0


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_session_goes_on_after_a_malformed_packet(data):
    """[MQTT-4.4.0-1]: what was not acknowledged comes again"""
    broker = broker_of()
    with_unacknowledged(broker).send(data)
    peer = Peer(broker, Connect("bad", clean_session=False))
    assert peer.read() == [Connack(0, True), Publish("t", b"1", 1, dup=True, packet_id=1)]
    peer.send(Puback(1))
    assert broker.sessions["bad"].held == 0
