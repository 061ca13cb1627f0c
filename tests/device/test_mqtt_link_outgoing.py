"""What the device publishes on its MQTT link, however little the socket takes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxtp_device.mqtt import IN_FLIGHT
from tests.device.linking import TOPIC, drain, joined
from tests.device.peer import packet


def test_publishes_leave_with_their_qos():
    link, peer = joined()
    link.publish("a/state", b"one", 1, 0)
    link.publish("a/heartbeat", b"two", 0, 0)
    drain(link)
    assert peer.published == [("a/state", b"one", 1), ("a/heartbeat", b"two", 0)]
    assert all(first in (0x32, 0x30) for first, _ in peer.packets)  # never retained


def test_large_publishes_have_a_right_length():
    link, peer = joined()
    for size in (0, 100, 127 - 6, 128 - 6, 16383 - 6, 16384 - 6, 16400):
        link.publish("a/bc", b"x" * size, 0, 0)
    drain(link)
    assert [len(payload) for _, payload, _ in peer.published] == [0, 100, 121, 122, 16377, 16378, 16400]


@given(st.lists(st.integers(0, 9), max_size=60))
def test_a_socket_that_takes_little_gets_everything_in_order(rooms):
    link, peer = joined()
    peer.sent.clear()
    peer._parsed = 0
    payloads = [bytes([65 + n]) * (n * 7) for n in range(1, 5)]
    for payload in payloads:
        peer.room = 0
        link.publish("a", payload, 0, 0)
    for room in rooms:
        peer.room = room
        link.poll(0)
    peer.room = None
    drain(link)
    assert [entry[1] for entry in peer.published] == payloads


def test_a_write_that_did_not_go_through_is_repeated_with_the_very_same_bytes():
    # TLS libraries demand it: the record is made already.
    link, peer = joined()
    peer.room = 0
    link.publish("a", b"first" * 100, 1, 0)
    link.publish("b", b"second", 1, 0)
    for _ in range(5):
        link.poll(0)
    assert len(set(peer.writes)) == 1


def test_there_is_no_room_while_something_waits_to_leave():
    link, peer = joined()
    assert link.ready()
    peer.room = 0
    link.publish("a", b"x", 0, 0)
    assert not link.ready()
    peer.room = None
    drain(link)
    assert link.ready()


class Pieces:
    """A payload that is made piece by piece; `made` of them so far."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.made = 0

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def __iter__(self):
        for piece in self.pieces:
            self.made += 1
            yield piece


@pytest.mark.parametrize("qos", [0, 1])
def test_a_payload_in_pieces_is_one_message_and_made_as_it_leaves(qos):
    link, peer = joined()
    payload = Pieces(b"one", b"two" * 5000, b"!")
    peer.room = 0
    link.publish(TOPIC, payload, qos, 0)
    link.poll(0)
    assert payload.made == 0 and not link.ready()
    peer.room = 1000
    while not peer.published:
        link.poll(1)
    link.publish(TOPIC, b"next", 0, 1)
    drain(link, 1)
    assert peer.published == [(TOPIC, b"one" + b"two" * 5000 + b"!", qos), (TOPIC, b"next", 0)]


def test_few_publishes_at_qos_1_are_on_their_way_at_once():
    link, peer = joined()
    peer.answers.discard(0x30)
    for _ in range(IN_FLIGHT):
        assert link.ready()
        link.publish("a", b"x", 1, 0)
        link.poll(0)
    assert not link.ready()
    peer.inbox += packet(0x40, struct.pack(">H", peer.pids(0x30)[0]))
    drain(link)
    assert link.ready()


def test_seventy_thousand_publishes_wrap_the_packet_id():
    link, peer = joined()
    seen = 0
    last = None
    for turn in range(70000):
        link.publish("a", b"", 1, turn)
        link.poll(turn)
        link.poll(turn)
        assert link.ready()
        (pid,) = peer.pids(0x30)
        assert 1 <= pid <= 65535
        if last is not None:
            assert pid == (last + 1 if last < 65535 else 1)
        last = pid
        seen += 1
        peer.packets.clear()
        peer.published.clear()
        del peer.sent[: peer._parsed]
        peer._parsed = 0
    assert seen == 70000 and not link._flight
