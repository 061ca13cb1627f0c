"""MQTT on the device: never blocked, never overrun, and every silence has its end."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from umqtt.simple import MQTTException

import hxtp_device.mqtt as mqtt
from hxtp_device.mqtt import ANSWER_TIME, CONNECT_TIME, IN_FLIGHT, MAX_PAYLOAD, Link
from tests.device.peer import Air, Peer, packet, publish

TOPIC = "hxtp/tenant/device/abc/cmd"
WILL = "hxtp/tenant/device/abc/heartbeat"


def make(air: Air | None = None) -> Link:
    options = {"port": 8883, "user": "abc", "password": "1.2.3", "keepalive": 60, "ssl": "tls"}
    link = Link(air or Air(), "hxtp-abc", "broker.example", **options)
    link.set_last_will(WILL, b"")
    return link


def joined(air: Air | None = None, now: int = 0) -> tuple[Link, Peer]:
    """A link that the broker took, subscribed, and all that it sent so far forgotten."""
    air = air or Air()
    link = make(air)
    link.connect(now)
    while not link.connected:
        assert link.poll(now) is None
    link.subscribe([TOPIC, TOPIC], now)
    while not link.subscribed:
        assert link.poll(now) is None
    air.peer.packets.clear()
    air.peer.writes.clear()
    air.peer.reads.clear()
    return link, air.peer


def drain(link: Link, now: int = 0, polls: int = 20000) -> list:
    """All messages that are there."""
    found = []
    idle = 0
    for _ in range(polls):
        message = link.poll(now)
        if message:
            found.append(message)
        idle = 0 if message or link._out or link.sock.inbox else idle + 1
        if idle > 3:
            return found
    raise AssertionError("it never came to rest")


# -- coming up ----------------------------------------------------------------------------------


def test_connect_asks_for_a_clean_session_and_leaves_an_empty_will_on_heartbeat():
    air = Air()
    link = make(air)
    link.connect(0)
    while not link.connected:
        link.poll(0)

    def text(value: bytes) -> bytes:
        return struct.pack(">H", len(value)) + value

    first, body = air.peer.packets[0]
    assert first == 0x10
    assert body[:7] == b"\x00\x04MQTT\x04"
    assert body[7] == 0x80 | 0x40 | 0x04 | 0x02  # user, password, will at QoS 0 unretained, clean session
    assert body[8:10] == struct.pack(">H", 60)
    assert body[10:] == text(b"hxtp-abc") + text(WILL.encode()) + text(b"") + text(b"abc") + text(b"1.2.3")
    assert air.targets == [("broker.example", 8883, "tls")]


def test_it_subscribes_at_qos_1_in_one_packet():
    air = Air()
    link = make(air)
    link.connect(0)
    while not link.connected:
        link.poll(0)
    link.subscribe(["a/cmd", "a/ota"], 0)
    while not link.subscribed:
        link.poll(0)
    first, body = air.peer.packets[1]
    assert first == 0x82
    assert body[2:] == b"\x00\x05a/cmd\x01\x00\x05a/ota\x01"
    assert body[:2] != b"\x00\x00"


@pytest.mark.parametrize(
    ("code", "word"),
    [(1, "protocol"), (2, "client"), (3, "unavailable"), (4, "password"), (5, "authorised"), (9, "9")],
)
def test_a_refusal_says_why(code, word):
    def refusing() -> Peer:
        peer = Peer()
        peer.connack = code
        return peer

    link = make(Air(refusing))
    link.connect(0)
    with pytest.raises(MQTTException, match=word):
        for _ in range(9):
            link.poll(0)
    assert not link.connected


@pytest.mark.parametrize("codes", [b"\x80\x01", b"\x01\x80", b"\x80\x80"])
def test_a_refused_subscription_is_an_error(codes):
    air = Air()
    link = make(air)
    link.connect(0)
    while not link.connected:
        link.poll(0)
    air.peer.suback = codes
    link.subscribe(["a", "b"], 0)
    with pytest.raises(MQTTException, match="subscription"):
        drain(link)


@pytest.mark.parametrize("steps", [1, 10**9])
def test_a_peer_that_never_answers_connect_is_given_up_after_20_seconds(steps):
    def silent() -> Peer:
        peer = Peer()
        peer.answers = set()
        return peer

    link = make(Air(silent, steps))
    link.connect(1000)
    for now in range(1000, 1000 + CONNECT_TIME, 50):
        assert link.poll(now) is None
        assert not link.connected
    with pytest.raises(MQTTException, match="CONNECT"):
        link.poll(1000 + CONNECT_TIME)


def test_a_peer_that_never_answers_subscribe_is_given_up():
    air = Air()
    link = make(air)
    link.connect(0)
    while not link.connected:
        link.poll(0)
    air.peer.answers.discard(0x80)
    link.subscribe(["a", "b"], 5000)
    assert link.poll(5000 + ANSWER_TIME - 1) is None
    with pytest.raises(MQTTException, match="SUBSCRIBE"):
        link.poll(5000 + ANSWER_TIME)


def test_a_connection_that_fails_raises_what_the_network_said():
    air = Air()
    air.refuse = OSError(111)
    link = make(air)
    link.connect(0)
    with pytest.raises(OSError, match="111"):
        for _ in range(5):
            link.poll(0)


def test_nothing_is_ready_before_the_subscription_stands():
    link = make()
    assert not link.ready()
    link.connect(0)
    assert not link.ready()
    while not link.connected:
        link.poll(0)
    assert not link.ready()


# -- messages in --------------------------------------------------------------------------------


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


# -- messages out -------------------------------------------------------------------------------


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


# -- silence ------------------------------------------------------------------------------------


def test_a_lost_puback_ends_the_connection_and_hangs_nothing():
    link, peer = joined()
    peer.answers.discard(0x30)
    link.publish("a", b"x", 1, 1000)
    for now in range(1000, 1000 + ANSWER_TIME, 100):
        assert link.poll(now) is None
    with pytest.raises(MQTTException, match="PUBLISH"):
        link.poll(1000 + ANSWER_TIME)


def test_a_puback_for_another_id_does_not_count():
    link, peer = joined()
    peer.answers.discard(0x30)
    link.publish("a", b"x", 1, 0)
    pid = peer.pids(0x30)[0]
    peer.inbox += packet(0x40, struct.pack(">H", pid + 1))
    drain(link)
    with pytest.raises(MQTTException, match="PUBLISH"):
        link.poll(ANSWER_TIME)


def test_half_a_keepalive_of_quiet_makes_a_ping_and_its_answer_keeps_the_link():
    link, peer = joined()
    for now in range(0, 300000, 100):
        assert link.poll(now) is None
    pings = [first for first, _ in peer.packets]
    assert set(pings) == {0xC0}
    assert 9 <= len(pings) <= 10


def test_pings_go_out_however_busy_the_link_is():
    link, peer = joined()
    for now in range(0, 120000, 1000):
        peer.inbox += publish(TOPIC, b"x")
        link.publish("a", b"y", 0, now)
        link.poll(now)
    assert len([1 for first, _ in peer.packets if first == 0xC0]) >= 3


def test_a_ping_without_an_answer_ends_the_connection():
    link, peer = joined()
    peer.answers.discard(0xC0)
    now = 0
    with pytest.raises(MQTTException, match="PINGREQ"):
        while now < 100000:
            link.poll(now)
            now += 100
    assert 30000 + ANSWER_TIME <= now <= 30000 + ANSWER_TIME + 200


@pytest.mark.parametrize("rest", [b"\x30", b"\x32\x20", b"\x30\x80", publish(TOPIC, b"x" * 500)[:-1]])
def test_a_packet_that_is_never_finished_ends_the_connection(rest):
    link, peer = joined()
    peer.inbox += rest
    now = 0
    with pytest.raises(MQTTException):
        while now < 100000:
            link.poll(now)
            now += 100
    assert now <= 46000


def test_a_peer_that_drips_one_byte_a_second_is_not_waited_for():
    link, peer = joined()
    wire = publish(TOPIC, b"x" * 16000)
    now = 0
    with pytest.raises(MQTTException):
        while now < 1000000:
            peer.inbox[:] = wire[now // 1000 : now // 1000 + 1]
            link.poll(now)
            now += 1000
    assert now <= 50000


def test_a_peer_that_takes_nothing_is_not_waited_for():
    link, peer = joined()
    peer.room = 0
    link.publish("a", b"x", 0, 0)
    now = 0
    with pytest.raises(MQTTException):
        while now < 100000:
            link.poll(now)
            now += 100
    assert now <= 46000


def test_an_end_of_the_stream_is_told():
    link, peer = joined()
    peer.inbox += publish(TOPIC, b"last")
    peer.ended = True
    assert link.poll(0)[1] == b"last"
    with pytest.raises(MQTTException, match="closed"):
        link.poll(0)


@pytest.mark.parametrize("write", [False, True])
def test_an_error_of_the_socket_goes_through(write):
    link, peer = joined()
    peer.error = OSError(104, "reset")
    with pytest.raises(OSError, match="104"):
        if write:
            link.publish("a", b"x", 0, 0)
        link.poll(0)


# -- the end ------------------------------------------------------------------------------------


def test_closing_closes_the_socket_once_and_forgets_what_waits():
    link, peer = joined()
    peer.answers.discard(0x30)
    link.publish("a", b"x", 1, 0)
    link.close()
    link.close()
    assert peer.closed == 1
    assert not link.connected and not link.subscribed and not link.ready()
    assert link._out == [] and link._flight == []


def test_closing_while_connecting_gives_the_attempt_up():
    air = Air(steps=100)
    link = make(air)
    link.connect(0)
    link.poll(0)
    link.close()
    assert air.abandoned == 1 and not air.peers


def test_a_socket_that_cannot_be_closed_is_gone_all_the_same():
    link, peer = joined()

    def close():
        raise OSError(9)

    peer.close = close
    link.close()
    assert link.sock is None


def test_a_second_connection_begins_with_nothing_of_the_first():
    air = Air()
    link, first = joined(air)
    first.answers.discard(0x30)
    first.inbox += publish(TOPIC, b"half")[:-2]
    link.publish("a", b"lost", 1, 0)
    link.poll(0)
    link.connect(50000)
    while not link.connected:
        link.poll(50000)
    link.subscribe([TOPIC], 50000)
    while not link.subscribed:
        link.poll(50000)
    assert first.closed == 1
    air.peer.inbox += publish(TOPIC, b"new")
    assert [message[1] for message in drain(link, 50000)] == [b"new"]
    assert air.peer.published == []
    assert [first & 0xF0 for first, _ in air.peer.packets] == [0x10, 0x80]


def test_what_blocks_in_umqtt_is_not_there_any_more():
    link = make()
    for name in ("wait_msg", "check_msg", "ping", "disconnect"):
        with pytest.raises(MQTTException):
            getattr(link, name)()
