"""The clauses of Annex C, each tried on our codec."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from host_sim import codec
from tests.codec.asking import (
    BODY,
    DEVICE,
    FIELDS,
    NONCE,
    PREVIOUS,
    SECRET,
    STRANGER,
    TENANT,
    ask,
    sign_request,
    sign_verdict,
    signed,
    verdict,
    verify_request,
    without,
)

BAD = {"ok": False, "code": "BAD_REQUEST"}


def test_a_line_for_a_line(monkeypatch, capsys):
    """HX3-CODEC-01, HX3-CODEC-04."""
    lines = [b"junk", json.dumps(sign_request()).encode(), b"", b'{"op":"reset"}']
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"\n".join(lines))))
    assert codec.main([]) == 0
    out = capsys.readouterr().out
    assert [json.loads(line)["ok"] for line in out.splitlines()] == [False, True, False, True]
    assert SECRET not in out


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"null", b'{"op":"reset","op":"reset"}', b'{"op":"other"}', b'{"op":"verify"}']
)
def test_what_is_no_request(line):
    """HX3-CODEC-02."""
    assert codec.answer(line) == BAD
    assert ask({**verify_request(signed()), "unknown": 1})["ok"]


def test_a_profile_that_is_not_there():
    """HX3-CODEC-03."""
    assert ask(sign_request("other"))["code"] == ask(verify_request(b"", "other"))["code"] == "UNSUPPORTED"


def test_the_strict_rule_and_no_memory():
    """HX3-CODEC-04, HX3-CODEC-05."""
    wire = signed()
    for last, wanted in ((None, "OK"), (6, "OK"), (7, "SEQUENCE_VIOLATION"), (6, "OK")):
        assert verdict(wire, last_sequence=last) == wanted
    assert verdict(signed(sequence_number=0), last_sequence=None) == "OK"


def test_ids_and_directions():
    """HX3-CODEC-06."""
    wire, nobody = signed(), signed(tenant_id=None)
    assert verdict(wire, device_id="x") == "DEVICE_NOT_FOUND"
    assert verdict(wire, tenant_id="x") == "PERMISSION_DENIED"
    assert verdict(wire, device_id=DEVICE, tenant_id=TENANT) == "OK"
    assert verdict(wire, direction="to_cloud") == "FRAME_TYPE_INVALID"
    assert verdict(nobody, direction="to_device") == "OK"
    assert verdict(nobody, direction="to_device", tenant_id=TENANT) == "PERMISSION_DENIED"
    for direction in ("from_client", "any"):
        assert verdict(nobody, direction=direction, tenant_id=TENANT) == "OK"


def test_two_keys():
    """HX3-CODEC-07."""
    wire = signed()
    for secret, previous, wanted in ((SECRET, PREVIOUS, False), (PREVIOUS, SECRET, True)):
        reply = ask(verify_request(wire, secret_hex=secret, previous_secret_hex=previous))
        assert reply["rotated"] is wanted
    assert verdict(wire, secret_hex=STRANGER, previous_secret_hex=PREVIOUS) == "SIGNATURE_INVALID"


def test_nonces_and_limits():
    """HX3-CODEC-08."""
    wire = signed()
    assert verdict(wire, seen_nonces=None) == "OK"
    assert verdict(wire, seen_nonces=[NONCE]) == "NONCE_REUSED"
    now = FIELDS["timestamp"] + 1500
    assert verdict(wire, now_ms=now, max_age_s=1.5) == "OK"
    assert verdict(wire, now_ms=now, max_age_s=1.499) == "TIMESTAMP_EXPIRED"


def test_auto():
    """HX3-CODEC-09."""
    for profile in ("pipe10", "json-full", "json-header"):
        assert verdict(signed(profile), "auto") == "OK"
        assert verdict(signed(profile), "auto", secret_hex=STRANGER) == "SIGNATURE_INVALID"


def test_the_body_that_was_hashed():
    """HX3-CODEC-10."""
    assert ask(verify_request(signed(body=' {"a" : 1}\n')))["body_json"] == '{"a" : 1}'
    wire = signed(body="{}").replace(b'"params":{},', b"")
    assert ask(verify_request(wire))["body_json"] == "{}"


def test_signing():
    """HX3-CODEC-11, HX3-CODEC-12."""
    assert b'"params": {}\n,' in signed(body=" {}\n")
    assert sign_verdict(fields={**FIELDS, "nonce": "x"}) == "NONCE_MISSING"
    assert sign_verdict(body_json="[]") == "FRAME_SCHEMA_INVALID"
    assert sign_verdict(body_json='{"a":"%s"}' % ("x" * 16384)) == "PAYLOAD_TOO_LARGE"
    assert sign_verdict("auto") == "BAD_REQUEST"
    assert sign_verdict(fields={**FIELDS, "sequence": 7}) == "BAD_REQUEST"
    for fields in (without(FIELDS, "tenant_id"), {**FIELDS, "tenant_id": None}):
        reply = ask(sign_request(fields=fields, body_json=BODY))
        assert b"tenant_id" not in bytes.fromhex(reply["wire_hex"])
