"""The signed envelope, pipe10: built, taken apart, judged; each flaw with its code, in the spec's order."""

from check import raises
from hxtp import envelope, frame
from hxtp.envelope import Verifier, build
from hxtp.errors import HxtpError
from hxtp.replay import Floor
from hxtp.sign import Key

NOW = 1777200000000
KEY = Key(b"\xab" * 32)
OTHER = Key(b"\xcd" * 32)
DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "11111111-2222-4333-8444-555555555555"
BODY = b'{"action":"light_on","brightness":80}'


def fields(**changes):
    values = {
        "message_type": "command",
        "device_id": DEVICE,
        "tenant_id": TENANT,
        "client_id": "unknown-client",
        "message_id": "20212223-2425-4627-a829-2a2b2c2d2e2f",
        "request_id": "20212223-2425-4627-a829-2a2b2c2d2e2f",
        "sequence_number": 7,
        "timestamp": NOW,
        "nonce": "00112233445566778899aabbccddeeff",
    }
    values.update(changes)
    return {name: values[name] for name in values if values[name] is not None}


def signed(body=BODY, key=KEY, framed=False, **changes):
    return build(key, fields(**changes), body, framed)


def verifier(direction=frame.TO_DEVICE, slots=None, **more):
    return Verifier(
        direction, slots or [(KEY, Floor())], DEVICE, TENANT, direction == frame.TO_DEVICE, **more
    )


def code_of(data, now=NOW, channel=None, judge=None):
    message = (judge or verifier()).judge(data, now, channel)
    if message.code:
        assert message.code.isupper()
    return message.code


def changed(data, old, new):
    assert old in data, old
    return data.replace(old, new)


def test_what_is_built_is_accepted():
    # HX3-WIRE-01, HX3-WIRE-05
    for framed in (True, False):
        message = verifier().judge(signed(framed=framed), NOW)
        assert message.code is None and message.authentic and not message.rotated
        assert message.framed is framed
        assert (message.type, message.device_id, message.tenant_id) == ("command", DEVICE, TENANT)
        assert (message.sequence, message.timestamp) == (7, NOW)
        assert message.body == BODY and message.params() == {"action": "light_on", "brightness": 80}


def test_the_signed_text_is_the_one_that_every_sdk_signs():
    # HX3-CANON-01, HX3-CANON-03
    message = verifier().judge(signed(), NOW)
    assert message.signed == (
        b"HxTP/3.0|0123456789abcdef0123456789abcdef|unknown-client|20212223-2425-4627-a829-2a2b2c2d2e2f"
        b"|20212223-2425-4627-a829-2a2b2c2d2e2f|7|1777200000000|00112233445566778899aabbccddeeff|command"
        b"|9f076d16c39fbada8d76a011362b6dd2139489ec48f44495d2c3dfe4138bfc22"
    )


def test_what_is_sent_has_sorted_members_and_a_top_level_action_where_given():
    # HX3-WIRE-34, HX3-WIRE-33
    text = signed(action="light_on")
    names = [part.split(b'":')[0] for part in changed(text, BODY, b"0")[2:].split(b',"')]
    assert names == sorted(names) and names[0] == b"action" and b"params" in names
    assert verifier().judge(text, NOW).action == b'"light_on"'


def test_ids_with_quotes_survive_the_round_trip():
    # HX3-WIRE-22, HX3-CANON-02
    message = verifier().judge(signed(client_id='a"b\\c d'), NOW)
    assert message.code is None


def test_escaped_ids_are_signed_as_the_characters_they_mean():
    # HX3-CANON-02
    data = changed(signed(), b'"unknown-client"', b'"unknown\\u002dclient"')
    assert code_of(data) is None


def test_the_bytes_of_the_body_are_hashed_as_they_arrived():
    # HX3-CANON-04, HX3-CANON-05, HX3-WIRE-19, HX3-SDK-03
    for body in (b"{ }", b'{"b":1,"a":1.0}', b'{"x":1e-7, "y":9007199254740993}', '{"name":"café"}'.encode()):
        data = signed(body)
        assert code_of(data) is None
        assert verifier().judge(data, NOW).body == body


def test_an_absent_body_hashes_as_an_empty_object():
    # HX3-WIRE-32, HX3-CANON-04
    data = changed(signed(b"{}"), b'"params":{},', b"")
    message = verifier().judge(data, NOW)
    assert message.code is None and message.params() == {}


def test_older_devices_name_the_body_by_its_type():
    # HX3-WIRE-30
    judge = verifier(frame.TO_CLOUD)
    for kind, name in (("state", b"state"), ("telemetry", b"data"), ("ack", b"result")):
        data = changed(signed(b'{"a":1}', message_type=kind), b'"params"', b'"' + name + b'"')
        assert code_of(data, judge=judge) is None
        wrong = changed(signed(b'{"a":1}', message_type="hello"), b'"params"', b'"' + name + b'"')
        assert code_of(wrong, judge=judge) == "FRAME_SCHEMA_INVALID"


def test_more_than_one_body_is_refused():
    # HX3-WIRE-29
    data = changed(signed(), b'"params":', b'"data":{},"params":')
    assert code_of(data) == "FRAME_JSON_INVALID"


def test_a_body_is_an_object():
    # HX3-WIRE-31
    for body in (b"null", b"[]", b"1", b'"x"', b"true"):
        assert code_of(signed(body)) == "FRAME_SCHEMA_INVALID"


def test_any_other_version_is_named_before_any_other_flaw():
    # HX3-VAL-03, HX3-WIRE-21, HX3-VERS-01
    data = signed()
    for version in (
        b'"HxTP/3.1"',
        b'"HxTP/2.2"',
        b'"hxtp/3.0"',
        b"3",
        b"null",
        b'""',
        b'"' + b"x" * 65 + b'"',
    ):
        wrong = changed(changed(data, b'"HxTP/3.0"', version), DEVICE.encode(), b"|")
        assert code_of(wrong) == "VERSION_MISMATCH"
    assert code_of(changed(data, b',"version":"HxTP/3.0"', b"")) == "VERSION_MISMATCH"
    assert code_of(changed(data, b'"version"', b'"protocol_version"')) == "VERSION_MISMATCH"
    assert code_of(changed(data, b'"HxTP/3.0"', b'"HxTP\\/3.0"')) is None
    assert code_of(b"{}") == "VERSION_MISMATCH"


def test_aliases_are_refused():
    # HX3-WIRE-24
    data = signed()
    assert code_of(changed(data, b'{"client', b'{"sequence":7,"client')) == "FRAME_SCHEMA_INVALID"
    assert (
        code_of(changed(data, b'{"client', b'{"protocol_version":"HxTP/3.0","client'))
        == "FRAME_SCHEMA_INVALID"
    )


def test_missing_and_ill_formed_fields_are_refused():
    # HX3-WIRE-20, HX3-WIRE-22
    data = signed()
    for name in ("message_type", "device_id", "client_id", "message_id", "request_id"):
        member = b'"%s":"%s"' % (name.encode(), fields()[name].encode())
        assert code_of(changed(data, member + b",", b"")) == "FRAME_SCHEMA_INVALID", name
        for bad in (
            b"1",
            b"null",
            b'""',
            b'"a|b"',
            b'"\\u0000"',
            b'"\\u007f"',
            '"é"'.encode(),
            b'"' + b"x" * 37 + b'"',
            b'["a"]',
        ):
            assert code_of(changed(data, member, b'"%s":%s' % (name.encode(), bad))) == "FRAME_SCHEMA_INVALID"


def test_a_tenant_that_is_there_is_well_formed():
    # HX3-WIRE-22, HX3-WIRE-25
    member = b'"tenant_id":"%s"' % TENANT.encode()
    for bad in (b"null", b'""', b'"a|b"', b"7"):
        assert code_of(changed(signed(), member, b'"tenant_id":' + bad)) == "FRAME_SCHEMA_INVALID"


def test_numbers_are_whole_plain_and_small_enough():
    # HX3-WIRE-23
    data = signed()
    for name, value in ((b"sequence_number", b"7"), (b"timestamp", b"1777200000000")):
        member = b'"%s":%s' % (name, value)
        assert code_of(changed(data, member + b",", b"")) == "FRAME_SCHEMA_INVALID"
        for bad in (
            b'"7"',
            b"-1",
            b"7.0",
            b"7e0",
            b"null",
            b"true",
            b"9007199254740992",
            b"1" * 17,
            b"1" * 400,
        ):
            assert code_of(changed(data, member, b'"%s":%s' % (name, bad))) == "FRAME_SCHEMA_INVALID", bad
    assert code_of(changed(data, b'"sequence_number":7', b'"sequence_number":07')) == "FRAME_JSON_INVALID"
    assert code_of(signed(sequence_number=9007199254740991)) is None
    assert code_of(signed(sequence_number=0), judge=verifier(slots=[(KEY, Floor(-1))])) is None


def test_nonce_hash_and_signature_have_codes_of_their_own():
    # HX3-WIRE-26, HX3-WIRE-27, HX3-VAL-01
    data = signed()
    message = verifier().judge(data, NOW)
    for name, value, code in (
        (b"nonce", message.nonce, "NONCE_MISSING"),
        (b"payload_hash", message.payload_hash, "HASH_MISMATCH"),
        (b"signature", data.split(b'"signature":"')[1][:64], "SIGNATURE_MISSING"),
    ):
        member = b'"%s":"%s"' % (name, value)
        assert code_of(changed(data, member + b",", b"")) == code
        for bad in (b"null", b"7", b'""', b'"zz"', b'"' + value[:-1] + b'"', b'"' + value + b'!"'):
            assert code_of(changed(data, member, b'"%s":%s' % (name, bad))) == code, bad


def test_hash_and_signature_are_lower_case():
    # HX3-WIRE-27
    data = signed()
    for name, code in ((b"payload_hash", "HASH_MISMATCH"), (b"signature", "SIGNATURE_MISSING")):
        value = data.split(b'"%s":"' % name)[1][:64]
        assert code_of(changed(data, value, value.upper())) == code


def test_a_nonce_has_sixteen_bytes_in_hex_or_base64():
    # HX3-WIRE-26, HX3-SDK-04
    for good in (
        "00" * 16,
        "AB" * 16,
        "ab" * 32,
        "MDEyMzQ1Njc4OTo7PD0+Pw==",
        "MDEyMzQ1Njc4OTo7PD0+P2Fh",
        "MDEyMzQ1Njc4OTo7PD0+P/8=",
    ):
        assert code_of(signed(nonce=good)) is None, good
    for bad in (
        "00" * 15,
        "0" * 33,
        "MDEyMzQ1Njc4OTo7PD0+",
        "MDEyMzQ1Njc4OTo7PD0+Pw",
        "MDEyMzQ1Njc4OTo7PD0+Pw=",
        "MDEyMzQ1Njc4OTo7PD0-Pw==",
        "MDEyMzQ1Njc4OTo7PD0+PwA===",
        "ab" * 33,
        "x=" + "a" * 30,
    ):
        assert code_of(signed(nonce=bad)) == "NONCE_MISSING", bad


def test_an_unknown_type_is_refused():
    # HX3-WIRE-08
    assert code_of(signed(message_type="command").replace(b'"command"', b'"reboot"')) == "FRAME_TYPE_INVALID"


def test_direction_is_fixed_by_the_type():
    # HX3-WIRE-10
    to_device = ("command", "ota", "hello_ack")
    from_client = ("command", "heartbeat")
    to_client = ("ack", "error", "state", "telemetry")
    for kind in frame.TYPES:
        data = signed(b"{}", message_type=kind)
        for direction, allowed in (
            (frame.TO_DEVICE, kind in to_device),
            (frame.TO_CLOUD, kind not in to_device),
            (frame.FROM_CLIENT, kind in from_client),
            (frame.TO_CLIENT, kind in to_client),
            (15, True),
        ):
            assert code_of(data, judge=verifier(direction)) == (None if allowed else "FRAME_TYPE_INVALID")


def test_frame_byte_channel_and_type_agree():
    # HX3-WIRE-09
    data = signed(framed=True)
    assert code_of(data, channel="cmd") is None
    assert code_of(data, channel="ota") == "FRAME_TYPE_INVALID"
    assert code_of(data[:3] + b"\x01" + data[4:]) == "FRAME_TYPE_INVALID"
    hello = signed(b"{}", message_type="hello", framed=True)
    assert code_of(hello[:3] + b"\x02" + hello[4:], channel="cmd") == "FRAME_TYPE_INVALID"


def test_another_device_and_another_tenant_are_refused():
    # HX3-WIRE-25, HX3-VAL-01
    assert code_of(signed(device_id="f" * 32)) == "DEVICE_NOT_FOUND"
    assert code_of(signed(tenant_id="other")) == "PERMISSION_DENIED"
    assert code_of(signed(tenant_id=None)) == "PERMISSION_DENIED"
    cloud = verifier(frame.TO_CLOUD)
    assert code_of(signed(b"{}", message_type="state", tenant_id=None), judge=cloud) is None
    assert code_of(signed(b"{}", message_type="state", tenant_id="other"), judge=cloud) == "PERMISSION_DENIED"
    anyone = Verifier(frame.TO_DEVICE, [(KEY, Floor())])
    assert code_of(signed(device_id="x", tenant_id="y"), judge=anyone) is None


def test_age_ends_after_300_seconds_and_the_future_after_60():
    # HX3-VAL-05, HX3-VAL-07
    assert code_of(signed(), NOW + 300000) is None
    assert code_of(signed(), NOW + 300001) == "TIMESTAMP_EXPIRED"
    assert code_of(signed(), NOW - 60000) is None
    assert code_of(signed(), NOW - 60001) == "TIMESTAMP_FUTURE"
    assert code_of(signed(timestamp=0)) == "TIMESTAMP_EXPIRED"
    assert code_of(signed(timestamp=9007199254740991)) == "TIMESTAMP_FUTURE"
    assert code_of(signed(), None) == "TIMESTAMP_FUTURE"


def test_a_tenant_can_tighten_the_limits():
    # HX3-VAL-06
    judge = verifier()
    judge.max_age, judge.max_future = 30000, 5000
    assert code_of(signed(), NOW + 30000, judge=judge) is None
    assert code_of(signed(), NOW + 30001, judge=judge) == "TIMESTAMP_EXPIRED"
    assert code_of(signed(), NOW - 5001, judge=judge) == "TIMESTAMP_FUTURE"


def test_seconds_are_read_as_the_public_verifiers_read_them():
    # HX3-WIRE-42
    assert code_of(signed(timestamp=NOW // 1000)) is None
    assert code_of(signed(timestamp=1000000000000)) == "TIMESTAMP_FUTURE"


def test_a_tampered_body_and_a_tampered_field_are_refused():
    # HX3-CANON-03, HX3-CANON-04
    data = signed()
    assert code_of(changed(data, b'"brightness":80', b'"brightness":81')) == "HASH_MISMATCH"
    assert code_of(changed(data, b'"sequence_number":7', b'"sequence_number":8')) == "SIGNATURE_INVALID"
    assert code_of(changed(data, b"unknown-client", b"unknown-cliend")) == "SIGNATURE_INVALID"
    assert code_of(signed(key=OTHER)) == "SIGNATURE_INVALID"


def test_replay_is_named_by_nonce_and_stopped_by_number():
    # HX3-SEQ-01, HX3-SEQ-03
    judge = verifier()
    first = judge.judge(signed(), NOW)
    judge.accept(first)
    assert code_of(signed(), judge=judge) == "NONCE_REUSED"
    assert code_of(signed(nonce="11" * 16), judge=judge) == "SEQUENCE_VIOLATION"
    assert code_of(signed(nonce="11" * 16, sequence_number=6), judge=judge) == "SEQUENCE_VIOLATION"
    assert code_of(signed(nonce="11" * 16, sequence_number=8), judge=judge) is None


def test_the_first_flaw_in_the_order_is_the_one_that_is_told():
    # HX3-VAL-01
    judge = verifier()
    judge.accept(judge.judge(signed(), NOW))
    tampered = changed(signed(), b'"brightness":80', b'"brightness":81')
    assert code_of(tampered, NOW + 300001, judge=judge) == "TIMESTAMP_EXPIRED"
    assert code_of(tampered, judge=judge) == "NONCE_REUSED"
    fresh = changed(tampered, b"00112233445566778899aabbccddeeff", b"11" * 16)
    assert code_of(fresh, judge=judge) == "HASH_MISMATCH"
    assert code_of(signed(nonce="22" * 16, key=OTHER), judge=judge) == "SEQUENCE_VIOLATION"
    assert code_of(signed(nonce="22" * 16, sequence_number=8, key=OTHER), judge=judge) == "SIGNATURE_INVALID"


def test_a_stale_message_still_tells_whether_a_key_signed_it():
    # HX3-VAL-14
    judge = verifier()
    assert judge.judge(signed(), NOW + 400000).authentic
    assert not judge.judge(signed(key=OTHER), NOW + 400000).authentic
    assert not judge.judge(changed(signed(), b":80", b":81"), NOW + 400000).authentic


def test_the_previous_secret_verifies_and_is_told():
    # HX3-KEY-09, HX3-VAL-09
    judge = verifier(slots=[(OTHER, Floor()), (KEY, Floor())])
    message = judge.judge(signed(), NOW)
    assert message.code is None and message.rotated
    assert not judge.judge(signed(key=OTHER), NOW).rotated


def test_a_huge_number_under_one_key_does_not_lock_out_the_other():
    # HX3-SEQ-09
    judge = verifier(slots=[(OTHER, Floor()), (KEY, Floor())])
    judge.accept(judge.judge(signed(sequence_number=9007199254740991), NOW))
    assert code_of(signed(key=OTHER, nonce="33" * 16), judge=judge) is None


def test_judging_changes_nothing():
    # HX3-VAL-12
    judge = verifier()
    floor = judge.slots[0][1]
    data = signed()
    for wrong in (
        data,
        signed(key=OTHER, sequence_number=99),
        changed(data, b":80", b":81"),
        data[:50],
        b"",
        b"null",
        signed(timestamp=1),
    ):
        judge.judge(wrong, NOW)
        assert floor.last == 0 and floor.nonces == []


def test_every_truncation_and_every_changed_byte_is_refused_with_a_code():
    # HX3-WIRE-12, HX3-ERR-01
    judge = verifier()
    for data in (signed(), signed(framed=True)):
        for size in range(len(data)):
            assert code_of(data[:size], judge=judge)
        for i in range(0, len(data), 3):
            for flip in (1, 0x80):
                wrong = data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :]
                code = code_of(wrong, judge=judge)
                # tenant_id alone is not signed; changed, it is another tenant.
                assert code, (i, wrong[i : i + 10])


def test_hostile_shapes_are_refused_with_a_code():
    # HX3-WIRE-12
    for head, repeated in (
        (b"", b"["),
        (b"", b"{"),
        (b"", b'{"a":'),
        (b"", b"\x00"),
        (b"", b"HX"),
        (b"", b" "),
        (b"{", b'"'),
        (b'{"a":"', b"\\"),
        (b'{"version":', b"9"),
    ):
        for size in (1, 100, 3000):
            assert code_of(head + repeated * size), (head, repeated, size)
    assert code_of(b"null") == "FRAME_JSON_INVALID"


def test_what_is_too_large_is_refused_before_anything_is_read():
    # HX3-VAL-02
    assert code_of(b"[" * 16385) == "PAYLOAD_TOO_LARGE"


def test_running_out_of_memory_is_a_refusal():
    # HX3-VAL-16
    class Greedy(Verifier):
        def parse(self, data, message):
            raise MemoryError

    judge = Greedy(15, [(KEY, Floor())])
    assert judge.judge(signed(), NOW).code == "BUFFER_OVERFLOW"


def test_a_number_text_is_never_empty():
    assert raises(HxtpError, envelope._number, b"").code == "FRAME_SCHEMA_INVALID"
