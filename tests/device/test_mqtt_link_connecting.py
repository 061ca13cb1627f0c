"""How the device's MQTT link begins and ends, and what it makes of a broker's refusal or silence then."""

import struct

import pytest
from umqtt.simple import MQTTException

from hxtp_device.mqtt import ANSWER_TIME, CONNECT_TIME
from tests.device.linking import TOPIC, WILL, drain, joined, make
from tests.device.peer import Air, Peer, publish

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
