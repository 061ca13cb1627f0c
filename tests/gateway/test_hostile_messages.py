"""What is not a device's own fresh word is refused, counted by its code, and changes nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxtp.cloud import Link
from hxtp.errors import (
    COMMAND_INVALID,
    DEVICE_NOT_FOUND,
    FRAME_JSON_INVALID,
    FRAME_MAGIC_INVALID,
    FRAME_SCHEMA_INVALID,
    FRAME_TYPE_INVALID,
    HASH_MISMATCH,
    PAYLOAD_TOO_LARGE,
    PERMISSION_DENIED,
    SEQUENCE_VIOLATION,
    SIGNATURE_INVALID,
    TIMESTAMP_EXPIRED,
    TIMESTAMP_FUTURE,
)
from tests.gateway.house import START, House, signed


@pytest.fixture
def settled(house):
    """A house with one device, and a way to publish on its topics as an intruder."""
    device = house.join()
    intruder = house.intruder()

    def publish(channel: str, payload: bytes, device_id: str = device.registration.device_id) -> list[str]:
        before = len(house.refusals())
        stored = json.loads(house.file.text)
        intruder.publish(f"hxtp/home/device/{device_id}/{channel}", payload, qos=1)
        house.step()
        codes = house.refusals()[before:]
        if codes:
            assert json.loads(house.file.text) == stored
        return codes

    house.device = device
    house.publish = publish
    return house


def own(house, kind: str, sequence: int, body: bytes, **other) -> bytes:
    registration = house.device.registration
    return signed(registration.secret, registration.device_id, kind, sequence, body, **other)


def test_its_own_fresh_word_is_taken_from_any_publisher(settled):
    assert settled.publish("state", own(settled, "state", 100, b'{"light":true}')) == []
    assert settled.told("state")[-1].body == {"light": True}


def test_a_replayed_message_is_refused(settled):
    assert settled.publish("state", settled.sent("state", "state")[0]) == [SEQUENCE_VIOLATION]


def test_a_changed_body_is_refused(settled):
    changed = own(settled, "state", 100, b'{"light":true}').replace(b'"light":true', b'"light":null')
    assert settled.publish("state", changed) == [HASH_MISMATCH]


def test_a_strangers_signature_is_refused(settled):
    device_id = settled.device.registration.device_id
    forged = signed(b"\xcd" * 32, device_id, "state", 100, b"{}")
    assert settled.publish("state", forged) == [SIGNATURE_INVALID]


@pytest.mark.parametrize("late, code", [(-300001, TIMESTAMP_EXPIRED), (60001, TIMESTAMP_FUTURE)])
def test_a_stale_or_early_message_is_refused(settled, late, code):
    assert settled.publish("state", own(settled, "state", 100, b"{}", now=settled.network.now + late)) == [
        code
    ]


def test_a_message_on_another_channel_or_of_the_clouds_own_kind_is_refused(settled):
    assert settled.publish("telemetry", own(settled, "state", 100, b"{}")) == [FRAME_TYPE_INVALID]
    assert settled.publish("cmd_ack", own(settled, "command", 100, b"{}")) == [FRAME_TYPE_INVALID]


def test_another_devices_word_on_this_devices_topic_is_refused(settled):
    other = settled.gateway.register()
    foreign = signed(other.secret, other.device_id, "state", 100, b"{}")
    assert settled.publish("state", foreign) == [DEVICE_NOT_FOUND]


def test_another_tenants_word_is_refused(settled):
    assert settled.publish("state", own(settled, "state", 100, b"{}", tenant_id="other")) == [
        PERMISSION_DENIED
    ]


def test_a_device_that_nobody_registered_is_counted_apart(settled):
    settled.publish("state", b"{}", "f" * 32)
    assert settled.gateway.hub.refused == {DEVICE_NOT_FOUND: 1}
    assert settled.told("refused")[-1].device_id is None


@pytest.mark.parametrize(
    "payload, code",
    [
        (b"\x00", "FRAME_TOO_SHORT"),
        (b"XX\x03\x01\x00\x00\x00\x02{}", FRAME_MAGIC_INVALID),
        (b"null", FRAME_JSON_INVALID),
        (b"{", FRAME_JSON_INVALID),
        (b"{}", "VERSION_MISMATCH"),
        (b"[" * 100000, PAYLOAD_TOO_LARGE),
        (b"[" * 16000, FRAME_JSON_INVALID),
        (b"\xef\xbb\xbf{}", FRAME_JSON_INVALID),
    ],
)
def test_rubbish_is_refused_with_its_code(settled, payload, code):
    assert settled.publish("state", payload) == [code]
    assert settled.gateway.hub.device(settled.device.registration.device_id, START).refused[code] == 1


def test_a_strangers_ack_settles_nothing(settled):
    stranger = settled.join()
    settled.device.device.cut_in_command = "before"
    ticket = settled.gateway.command(settled.device.registration.device_id, "light_on")
    settled.step()
    body = json.dumps({"ack_status": "executed", "ref_message_id": ticket.message_id}).encode()
    by_its_own = signed(stranger.registration.secret, stranger.registration.device_id, "ack", 200, body)
    assert settled.publish("cmd_ack", by_its_own, stranger.registration.device_id) == [COMMAND_INVALID]
    forged = signed(stranger.registration.secret, settled.device.registration.device_id, "ack", 200, body)
    assert settled.publish("cmd_ack", forged) == [SIGNATURE_INVALID]
    assert not ticket.done() and ticket.state == "dispatched"


def test_an_ack_for_a_command_that_was_never_sent_settles_nothing(settled):
    for reference in (b'"m-7"', b"7", b"null", b"[]", b"{}"):
        ack = own(settled, "ack", 100, b'{"ack_status":"executed","ref_message_id":%s}' % reference)
        assert settled.publish("cmd_ack", ack) == [COMMAND_INVALID]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"boot_count":-1,"challenge":"%s","results_kept":8}' % (b"ab" * 16),
        b'{"boot_count":1,"challenge":"%s","results_kept":true}' % (b"ab" * 16),
        b'{"boot_count":1,"challenge":"short","results_kept":8}',
        b'{"boot_count":1,"challenge":[],"results_kept":8}',
    ],
)
def test_an_authentic_hello_without_sense_is_refused_and_starts_no_session(settled, body):
    assert settled.publish("hello", own(settled, "hello", 100, body)) == [FRAME_SCHEMA_INVALID]


def test_a_manifest_that_is_not_the_one_in_the_hello_is_refused(settled):
    assert settled.publish("manifest", own(settled, "manifest", 100, b'{"capabilities":[]}')) == [
        HASH_MISMATCH
    ]


def test_the_clouds_own_messages_sent_back_are_refused(settled):
    answer = settled.sent("cmd", "hello_ack")[0]
    for channel in ("state", "hello", "cmd_ack"):
        assert settled.publish(channel, answer) == [FRAME_TYPE_INVALID]


def test_an_empty_heartbeat_is_the_brokers_hint_and_nothing_else(settled):
    assert settled.publish("heartbeat", b"") == []
    assert settled.told("will") and not settled.told("offline")


def test_a_fault_of_ours_on_one_message_ends_nobodys_service(settled, monkeypatch, caplog):
    honest = Link.receive

    def faulty(link, channel, payload, now):
        if b"poison" in payload:
            raise ZeroDivisionError
        return honest(link, channel, payload, now)

    monkeypatch.setattr(Link, "receive", faulty)
    assert settled.publish("state", b"poison") == ["INTERNAL_ERROR"]
    assert "fault while receiving" in caplog.text and "poison" not in caplog.text
    ticket = settled.gateway.command(settled.device.registration.device_id, "light_on")
    settled.step()
    assert ticket.executed


HOUSE = House()
DEVICE = HOUSE.join()


@given(
    st.sampled_from(
        ["hello", "manifest", "state", "telemetry", "heartbeat", "cmd_ack", "ota_status", "cmd", "x"]
    ),
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=60).map(str.encode),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    ),
    st.booleans(),
)
def test_nothing_that_is_sent_escapes_as_an_exception(channel, payload, authentic):
    hub, now = HOUSE.gateway.hub, HOUSE.network.now
    device_id = DEVICE.registration.device_id
    kind = {"cmd_ack": "ack", "cmd": "command", "x": "state"}.get(channel, channel)
    if authentic and payload[:1] == b"{":
        sequence = hub.store._records[device_id].window.highest + 1
        payload = signed(DEVICE.registration.secret, device_id, kind, sequence, payload, now)
    hub.receive(f"hxtp/home/device/{device_id}/{channel}", payload, now)
    hub.turn(now)
    ticket = hub.command(device_id, "light_on", {}, now, 1)
    hub.turn(now + 1)
    assert ticket.done()
