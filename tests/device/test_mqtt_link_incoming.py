"""What comes in on the device's MQTT link, in pieces, too large or wrong: never blocked, never overrun."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from umqtt.simple import MQTTException

import hxtp_device.mqtt as mqtt
from hxtp_device.mqtt import MAX_PAYLOAD
from tests.device.linking import TOPIC, drain, joined
from tests.device.peer import Air, Peer, packet, publish


def test_a_message_comes_with_its_flags():
    link, peer = joined()
    peer.inbox += publish(TOPIC, b"one")
    peer.inbox += publish(TOPIC, b"two", qos=1, pid=7)
    peer.inbox += publish(TOPIC, b"three", retain=True)
    peer.inbox += publish(TOPIC, b"four", qos=1, pid=8, dup=True)
    assert drain(link) == [
        (TOPIC.encode(), b"one", False, False),
        (TOPIC.encode(), b"two", False, False),
        (TOPIC.encode(), b"three", True, False),
        (TOPIC.encode(), b"four", False, True),
    ]


def test_a_message_at_qos_1_is_acknowledged_by_its_id():
    link, peer = joined()
    peer.inbox += publish(TOPIC, b"x", qos=1, pid=0x1234) + publish(TOPIC, b"y", qos=0)
    drain(link)
    assert [entry for entry in peer.packets if entry[0] == 0x40] == [(0x40, b"\x12\x34")]


message = st.tuples(
    st.binary(max_size=300), st.integers(0, 1), st.integers(1, 65535), st.booleans(), st.booleans()
)

messages = st.lists(message, max_size=8)


@given(messages, st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_delivery_in_any_pieces_equals_delivery_at_once(given_messages, pieces):
    wire = b"".join(
        publish(TOPIC, payload, qos, pid, retain, dup) for payload, qos, pid, retain, dup in given_messages
    )
    whole, peer = joined()
    peer.inbox += wire
    expected = drain(whole)
    assert [message[1] for message in expected] == [entry[0] for entry in given_messages]

    link, other = joined()
    found = []
    at = turn = 0
    while at < len(wire):
        size = pieces[turn % len(pieces)]
        turn += 1
        other.inbox += wire[at : at + size]
        at += size
        for _ in range(3):
            message = link.poll(0)
            if message:
                found.append(message)
    assert found + drain(link) == expected
    assert other.packets == peer.packets


def test_byte_by_byte_equals_at_once_from_connack_on():
    air = Air()

    def slow() -> Peer:
        peer = Peer()
        peer.chunk = 1
        return peer

    air.make = slow
    link, peer = joined(air)
    peer.inbox += publish(TOPIC, bytes(range(256)) * 4, qos=1, pid=3)
    assert drain(link) == [(TOPIC.encode(), bytes(range(256)) * 4, False, False)]


def test_a_partial_packet_never_blocks():
    wire = publish(TOPIC, b"payload", qos=1, pid=5)
    for cut in range(1, len(wire)):
        link, peer = joined()
        peer.inbox += wire[:cut]
        for now in range(5):
            assert link.poll(now) is None
        peer.inbox += wire[cut:]
        assert [message[1] for message in drain(link)] == [b"payload"]


def test_the_largest_message_is_taken():
    link, peer = joined()
    peer.inbox += publish(TOPIC, b"x" * MAX_PAYLOAD)
    assert drain(link) == [(TOPIC.encode(), b"x" * MAX_PAYLOAD, False, False)]


@pytest.mark.parametrize("chunk", [1 << 20, 1000, 7])
@pytest.mark.parametrize("size", [MAX_PAYLOAD + 1, 70000])
def test_an_oversize_message_is_discarded_and_the_next_is_received(size, chunk):
    link, peer = joined()
    peer.chunk = chunk
    peer.inbox += publish(TOPIC, b"x" * size, qos=1, pid=9) + publish(TOPIC, b"next", qos=1, pid=10)
    assert drain(link) == [(TOPIC.encode(), None, False, False), (TOPIC.encode(), b"next", False, False)]
    assert peer.pids(0x40) == [9, 10]  # a broker waits for the acknowledgement of the first, too


def test_an_oversize_message_is_never_allocated_and_never_holds_up_a_poll():
    link, peer = joined()
    peer.inbox += publish(TOPIC, b"x" * 1000000)
    polls = 0
    while peer.inbox:
        before = len(peer.reads)
        link.poll(0)
        polls += 1
        assert len(peer.reads) - before < 20
    assert max(peer.reads) <= 256
    assert polls > 1000


def test_a_length_of_256_megabytes_allocates_nothing():
    link, peer = joined()
    peer.inbox += b"\x30\xff\xff\xff\x7f" + struct.pack(">H", len(TOPIC)) + TOPIC.encode() + b"x" * 5000
    for _ in range(200):
        assert link.poll(0) is None
    assert max(peer.reads) <= 256


def test_a_topic_that_cannot_be_ours_is_discarded_and_the_next_is_received():
    link, peer = joined()
    peer.inbox += publish("t" * 60000, b"payload", qos=1, pid=2) + publish(TOPIC, b"next")
    assert [message[:2] for message in drain(link)] == [(None, b"payload"), (TOPIC.encode(), b"next")]
    assert peer.pids(0x40) == [2]


@pytest.mark.parametrize("scarce", ["read", "bytearray", "bytes"])
@pytest.mark.parametrize("first", [0, 1, 700])
def test_where_the_heap_has_no_room_the_message_is_discarded_and_the_link_stays(monkeypatch, scarce, first):
    """Whichever of the buffers it is that finds no room, whatever part of the payload was there by then."""

    def poor(made):
        def make(of):
            if (of if isinstance(of, int) else len(of)) > 500:
                raise MemoryError
            return made(of)

        return make

    link, peer = joined()
    if scarce == "read":
        monkeypatch.setattr(peer, "read", poor(peer.read))
    else:
        monkeypatch.setattr(
            mqtt, scarce, poor({"bytearray": bytearray, "bytes": bytes}[scarce]), raising=False
        )
    wire = publish(TOPIC, b"x" * 2000, qos=1, pid=9) + publish(TOPIC, b"next", qos=1, pid=10)
    head = len(wire) - 2000 - len(publish(TOPIC, b"next", qos=1, pid=10))
    peer.inbox += wire[: head + first]
    assert link.poll(0) is None
    peer.inbox += wire[head + first :]
    found = [message[1] for message in drain(link)]
    # What comes at once needs no second buffer.
    assert found == [b"x" * 2000 if scarce != "read" and not first else None, b"next"]
    assert peer.pids(0x40) == [9, 10]


def test_a_message_that_came_at_once_is_handed_over_without_a_copy(monkeypatch):
    link, peer = joined()
    given = []
    read = peer.read
    monkeypatch.setattr(peer, "read", lambda size: given.append(read(size)) or given[-1])
    peer.inbox += publish(TOPIC, b"x" * 2000)
    assert drain(link)[0][1] is given[-1]


def test_a_flood_of_messages_is_answered_only_as_fast_as_it_can_leave():
    link, peer = joined()
    for number in range(1, 200):
        peer.inbox += publish(TOPIC, b"x", qos=1, pid=number)
    peer.room = 0
    for _ in range(500):
        link.poll(0)
    assert len(link._out) <= mqtt.BACKLOG
    assert len(peer.inbox) > 1000
    peer.room = None
    drain(link)
    assert peer.pids(0x40) == list(range(1, 200))


@pytest.mark.parametrize(
    "wire",
    [
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x30\x00",  # no topic length
        b"\x30\x01\x00",
        packet(0x30, b"\x00\x09abc"),  # the topic ends behind the packet
        packet(0x32, b"\x00\x03abc\x00"),  # no room for the packet id
        packet(0x34, b"\x00\x03abc\x00\x01x"),  # QoS 2
        packet(0x36, b"\x00\x03abc\x00\x01x"),  # QoS 3
        packet(0x20, b"\x00\x00"),  # a second CONNACK
        packet(0x90, b"\x00\x01\x01"),  # a SUBACK that nobody asked for
        packet(0x40, b"\x00"),
        packet(0x40, b"\x00\x01\x02"),
        packet(0xD0, b"\x00"),
        packet(0x10, b"abc"),
        packet(0x00),
        packet(0xF0),
        packet(0xE0),
        packet(0x50, b"\x00\x01"),
    ],
)
def test_what_no_broker_may_send_ends_the_connection(wire):
    link, peer = joined()
    peer.inbox += wire
    with pytest.raises(MQTTException):
        drain(link, polls=50)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_random_bytes_end_in_nothing_worse_than_an_mqtt_exception(wire, chunk):
    link, peer = joined()
    peer.chunk = chunk
    peer.inbox += wire
    try:
        for _ in range(300):
            link.poll(0)
    except MQTTException:
        pass
