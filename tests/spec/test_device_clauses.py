"""Clauses about what surrounds the protocol on a device: flash, MQTT, settings, local control."""

import struct
from itertools import pairwise

import pytest
from test_device_settings import given, mistake
from test_device_store import Flash
from umqtt.simple import MQTTException
from workbench import Bench

from check import Bytes
from hxtp import topics
from hxtp_device.mqtt import ANSWER_TIME, IN_FLIGHT, MAX_PAYLOAD
from hxtp_device.settings import check
from hxtp_device.store import Store
from tests.device.linking import drain, joined, make
from tests.device.peer import Air
from tests.gateway.house import House


def test_a_boot_is_in_flash_before_anything_else_and_is_counted_once():
    """HX3-SEQ-14."""
    flash = Flash()
    counts = []
    for _ in range(5):
        store = Store(flash, Bytes(1))
        store.begin()
        counts.append(store.boot_count)
        assert Store(flash, Bytes(2)).boot_count == counts[-1]
    assert [later - first for first, later in pairwise(counts)] == [1] * 4


def test_an_erased_flash_does_not_go_on_where_the_first_one_began():
    """HX3-SEQ-15."""
    begun = {(store.boot_count, store.used) for store in (Store(Flash(), Bytes(n)) for n in range(20))}
    assert len({boot for boot, _ in begun}) == len({used for _, used in begun}) == 20
    assert all(boot < 1 << 30 and used < 1 << 30 for boot, used in begun)


def test_what_a_device_tells_the_broker_of_itself():
    """HX3-TRANS-03, HX3-PRES-03."""
    air = Air()
    link = make(air)
    link.connect(0)
    while not link.connected:
        link.poll(0)
    _, body = air.peer.packets[0]
    assert body[:7] == b"\x00\x04MQTT\x04" and struct.unpack_from(">H", body, 8)[0] == 60
    user, password, retained, quality, will, clean = (
        body[7] >> 7 & 1,
        body[7] >> 6 & 1,
        body[7] >> 5 & 1,
        body[7] >> 3 & 3,
        body[7] >> 2 & 1,
        body[7] >> 1 & 1,
    )
    assert (user, password, retained, quality, will, clean) == (1, 1, 0, 0, 1, 1)
    fields, rest = [], body[10:]
    while rest:
        size = struct.unpack_from(">H", rest)[0]
        fields.append(rest[2 : 2 + size])
        rest = rest[2 + size :]
    client, topic, message = fields[:3]
    assert client.startswith(b"hxtp-") and topics.split(topic.decode())[2] == "heartbeat" and message == b""


def test_what_is_too_large_is_passed_over_and_the_next_is_taken():
    """HX3-TRANS-07."""
    link, _ = joined()
    topic = "hxtp/home/device/abc/cmd"
    for payload in (b"x" * (MAX_PAYLOAD + 1), b"next"):
        body = struct.pack(">H", len(topic)) + topic.encode() + payload
        size, left = b"", len(body)
        while left > 127:
            size += bytes([left & 127 | 128])
            left >>= 7
        link.sock.inbox += b"\x30" + size + bytes([left]) + body
    found = drain(link)
    assert [message[1] for message in found] == [None, b"next"]


def test_only_a_verified_broker_unless_a_setting_names_the_risk():
    """HX3-TRANS-05, HX3-SEC-01."""
    assert check(given()).ca and not check(given()).allow_unencrypted_mqtt
    assert "allow_unencrypted_mqtt" in mistake(mqtt="mqtt://broker.example:1883")
    assert "ca" in mistake(ca=None)


@pytest.mark.parametrize(
    ("channel", "publish", "subscribe"),
    [(name, name not in topics.SUBSCRIBED, name in topics.SUBSCRIBED) for name in ("state", "hello", "cmd")],
)
def test_a_device_has_its_own_topics_alone(channel, publish, subscribe):
    """HX3-TRANS-10."""
    house = House()
    one, other = house.gateway.register(), house.gateway.register()
    authority = house.network.broker.authority
    mine = topics.topic(one.tenant_id, one.device_id, channel)
    foreign = topics.topic(other.tenant_id, other.device_id, channel)
    assert authority.may_publish(one.device_id, mine) is publish
    assert authority.may_subscribe(one.device_id, mine) is subscribe
    assert not authority.may_publish(one.device_id, foreign)
    assert not authority.may_subscribe(one.device_id, foreign)


def test_a_part_goes_on_without_any_network():
    """HX3-PRES-05."""
    bench = Bench({"kind": "relay", "name": "relay", "pin": 26})
    bench.do("relay_pulse", duration=500)
    on = bench.part.state()
    for _ in range(60):
        bench.time += 10
        bench.part.tick(bench.time)
    assert bench.part.state() != on


def test_packet_ids_go_in_turn_and_never_meet_one_in_flight():
    """HX3-TRANS-08."""
    link, peer = joined()
    link.pid = 65533
    peer.answers.discard(0x30)
    ids = []
    for _ in range(IN_FLIGHT):
        assert link.ready()
        link.publish("a", b"", 1, 0)
        ids.append(link.pid)
    link.poll(0)
    assert ids == [65534, 65535, 1, 2] and not link.ready()


@pytest.mark.parametrize("rest", [b"\x30", b"\x30\x05\x00", b"\x30\x05\x00\x01a"])
def test_a_packet_that_is_never_finished_and_an_answer_that_never_comes_end_the_connection(rest):
    """HX3-TRANS-09."""
    link, _ = joined()
    link.sock.inbox += rest
    link.poll(0)
    with pytest.raises(MQTTException):
        for now in range(0, 10 * ANSWER_TIME, 1000):
            link.poll(now)
    link, peer = joined()
    peer.answers.discard(0x30)
    link.publish("a", b"", 1, 0)
    link.poll(0)
    with pytest.raises(MQTTException):
        link.poll(ANSWER_TIME)
