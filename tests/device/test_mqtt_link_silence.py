"""Every silence on the device's MQTT link has its end."""

import struct

import pytest
from umqtt.simple import MQTTException

from hxtp_device.mqtt import ANSWER_TIME
from tests.device.linking import TOPIC, drain, joined
from tests.device.peer import packet, publish


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


def _given_up_at(link):
    """The ms after which it ends the connection."""
    now = 0
    with pytest.raises(MQTTException):
        while now < 100000:
            link.poll(now)
            now += 100
    return now


@pytest.mark.parametrize("rest", [b"\x30", b"\x32\x20", b"\x30\x80", publish(TOPIC, b"x" * 500)[:-1]])
def test_a_packet_that_is_never_finished_ends_the_connection(rest):
    link, peer = joined()
    peer.inbox += rest
    assert _given_up_at(link) <= 46000


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
    assert _given_up_at(link) <= 46000


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
