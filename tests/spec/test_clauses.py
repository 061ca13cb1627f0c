"""Clauses that no test of a single module tells by itself."""

import json

import pytest
from world import DEVICE, START, Forger, Sayer, World, opened, ready

from hxtp import cloud, envelope, errors, frame, jsontext, schema, session
from hxtp.errors import HxtpError
from hxtp.replay import Floor
from hxtp.sign import Key
from hxtp.window import Window
from tests.codec.asking import signed, verdict
from tests.spec.tables import SPEC


def test_unknown_members_are_ignored():
    """HX3-WIRE-28, HX3-VERS-02."""
    wire = signed()
    assert verdict(b'{"zz_later":[{"a":1}],' + wire[1:]) == "OK"
    world = World()
    Sayer(world).hello(later={"a": [1]}, features=["x_vendor"])
    assert opened(world.cloud.take(world.time())).params()["session"] is True
    world = World()
    world.device.connected(world.now)
    world.device.take(world.now)
    Forger(world).hello_ack(later=[1], features=["x_vendor"])
    assert world.device.state == session.READY


def test_a_device_sends_its_tenant_and_names_itself_as_client():
    """HX3-WIRE-43."""
    world = ready()
    for channel, payload in world.wire:
        message = json.loads(payload[8:])
        assert message["tenant_id"] == "tenant-1"
        assert channel == "cmd" or message["client_id"] == DEVICE


def test_every_message_has_a_new_nonce_of_sixteen_random_bytes():
    """HX3-WIRE-40."""
    world = ready()
    asked = []
    random = world.device._random

    def counted(n):
        asked.append(random(n))
        return asked[-1]

    world.device._random = counted
    seen = set()
    for _ in range(20):
        world.device.report_state()
        message = opened(world.device.take(world.now))
        assert bytes.fromhex(message.nonce.decode()) in asked
        seen.add(message.nonce)
    assert len(seen) == 20 and all(len(nonce) == 32 for nonce in seen)


def test_of_several_wrong_fields_the_first_in_the_order_is_told():
    """HX3-VAL-04."""
    members = json.loads(signed())
    wrong = {"device_id": "", "nonce": "", "payload_hash": "", "signature": ""}
    codes = ("FRAME_SCHEMA_INVALID", "NONCE_MISSING", "HASH_MISMATCH", "SIGNATURE_MISSING")
    for name, code in zip(wrong, codes, strict=True):
        assert verdict(json.dumps({**members, **wrong}).encode()) == code
        wrong = {other: value for other, value in wrong.items() if other != name}


def test_a_hello_may_lack_what_the_cloud_does_not_need():
    """HX3-SESS-09."""
    world = World()
    body = {"boot_count": 1, "challenge": "ab" * 16, "results_kept": 8}
    assert Sayer(world).say("hello", body).type == "hello"


def test_nothing_unsigned_moves_the_protocol_clock():
    """HX3-SESS-29, HX3-SESS-07."""
    world = ready()
    told = world.device.time(world.now)
    world.device.disconnected(world.now)
    world.device.connected(world.now, 1)
    assert world.device.time(world.now) == told
    assert opened(world.device.take(world.now)).timestamp == told


def test_a_session_and_the_number_that_it_tells_are_committed_as_one():
    """HX3-SESS-12, HX3-SESS-13."""
    world = World()
    kept = []
    world.cloud._commit = lambda link: kept.append((link.session, link.sent, link.boot_count))
    Sayer(world).hello(boot_count=7)
    answer = opened(world.cloud.take(world.time()))
    assert kept == [(True, answer.sequence, 7)]
    assert answer.params()["last_cloud_sequence"] == answer.sequence


def test_a_window_that_is_stored_and_loaded_takes_nothing_twice():
    """HX3-SEQ-06."""
    window = Window()
    for number in (5, 9, 7):
        window.accept(number)
    again = Window(window.highest, window.taken)
    assert [number for number in range(1, 11) if again.sequence_ok(number)] == [1, 2, 3, 4, 6, 8, 10]


def test_a_manifest_of_any_content_is_only_kept():
    """HX3-MAN-05."""
    for body in ({}, {"capabilities": None}, {"capabilities": [[], {"action": {}}]}):
        world = World()
        device = Sayer(world)
        text = jsontext.dumps(body).encode()
        device.hello(manifest_hash=envelope.digest(text).decode())
        assert device.say("manifest", body).body == body
        world.order()
        assert opened(world.cloud.take(world.time())).type == "hello_ack"
        assert opened(world.cloud.take(world.time())).type == "command"


def test_the_member_to_blame_is_the_first_by_name_and_one_that_is_there_comes_first():
    """HX3-MAN-13."""
    rules = {name: {"type": "integer", "required": True} for name in "abc"}
    for params, blamed in (
        ({"c": "x", "b": "x"}, "b"),
        ({"c": "x"}, "c"),
        ({"c": 1}, "a"),
        ({"a": 1, "z": 1}, "z"),
    ):
        with pytest.raises(HxtpError) as refusal:
            schema.check(rules, params)
        assert (refusal.value.code, refusal.value.detail) == ("INVALID_PARAMS", blamed)


def test_the_protocols_own_members_of_a_sample_win():
    """HX3-STATE-08."""
    world = ready()
    world.device.telemetry({"sampled_at": 1, "t": 2}, world.now)
    body = opened(world.device.take(world.now)).params()
    assert body == {"sampled_at": world.time(), "t": 2}


def test_handing_a_command_to_the_broker_settles_nothing():
    """HX3-TRANS-11."""
    world = ready()
    order = world.order()
    assert world.cloud.take(world.time()) and order.state == cloud.DISPATCHED
    world.wait(299999)
    assert order.state == cloud.DISPATCHED
    world.wait(1)
    assert (order.state, order.error) == (cloud.EXPIRED, cloud.OUTCOME_UNKNOWN)


def test_a_code_that_nobody_knows_is_a_failure():
    """HX3-ERR-02."""
    world = ready()
    order = world.order()
    world.cloud.take(world.time())
    body = {"ack_status": "failed", "error": "LATER_CODE", "ref_message_id": order.message_id}
    Sayer(world).say("ack", body, "cmd_ack")
    assert (order.state, order.error) == (cloud.FAILED, "LATER_CODE")


def test_what_the_cloud_sends_fits_the_smallest_device():
    """HX3-SDK-02: ids of 36 characters, a device id of 32, a nonce of 48."""
    world = ready()
    world.order()
    said = [world.cloud.take(world.time())] + [message for message in world.wire if message[0] == "cmd"]
    for _, payload in said:
        message = json.loads(payload[8:])
        assert len(message["device_id"]) <= 32 and len(message["nonce"]) <= 48
        for name in ("client_id", "message_id", "request_id", "tenant_id"):
            assert len(message[name]) <= 36


def test_no_refusal_shows_a_secret():
    """HX3-SEC-02, HX3-KEY-08."""
    secret = b"\xab" * 32
    judge = envelope.Verifier(frame.TO_DEVICE, [(Key(secret), Floor())])
    for wire in (signed(), signed()[:-9], b"{}", signed(nonce="cd" * 16)):
        message = judge.judge(wire, START)
        shown = repr(vars(message)) + repr(judge) + repr(vars(judge))
        assert secret.hex() not in shown and repr(secret)[2:-1] not in shown
    assert "\\xab" not in repr(HxtpError(errors.SIGNATURE_INVALID))


def test_every_setting_that_weakens_is_off():
    """HX3-SEC-01."""
    assert session.Session.accept_unsigned_action is session.Session.serve_cloud_without_hello_ack is False


def test_every_chapter_is_in_the_table_of_contents():
    page = (SPEC / "README.md").read_text()
    for path in SPEC.glob("*.md"):
        assert path.name == "README.md" or f"({path.name})" in page, path.name
