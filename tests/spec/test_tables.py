"""What the specification writes in tables is what the code does."""

import re

import pytest

from host_sim import codec
from host_sim.profiles import auto
from hxtp import cloud, counter, envelope, errors, frame, jsonscan, registry, replay, results, session, window
from hxtp.sign import Key, derive, mqtt_password
from hxtp_device import backoff
from tests.spec.tables import SPEC, table

DIRECTIONS = (frame.TO_CLOUD, frame.TO_DEVICE, frame.FROM_CLIENT, frame.TO_CLIENT)


def test_types_codes_channels_and_directions():
    """HX3-WIRE-08, HX3-WIRE-09, HX3-WIRE-10."""
    written = {}
    for name, code, channel, *allowed in table("types"):
        directions = sum(bit for bit, cell in zip(DIRECTIONS, allowed, strict=True) if cell == "yes")
        written[name] = (int(code), channel, directions)
    assert written == frame.TYPES


def test_the_order_of_the_verdict():
    """HX3-VAL-01."""
    order = [row[2] for row in table("order")]
    assert [int(row[0]) for row in table("order")] == list(range(1, len(order) + 1))
    assert tuple(order) == auto.BEFORE + auto.BEHIND


def test_every_code_that_the_code_can_give_is_written_and_no_other():
    """HX3-ERR-01."""
    given = {name for name in vars(errors) if name.isupper()}
    written = [row[0] for row in table("codes")]
    assert len(written) == len(set(written))
    assert set(written) == given | {cloud.OUTCOME_UNKNOWN}
    numbers = [row[1] for row in table("codes") if row[1]]
    assert len(numbers) == len(set(numbers)) and all(number.isdigit() for number in numbers)


def test_the_codes_of_the_verdict_are_those_of_its_steps():
    """HX3-ERR-01."""
    verdict = {row[0] for row in table("codes") if "verdict" in row[2]}
    assert verdict == {row[2] for row in table("order")} | {errors.BUFFER_OVERFLOW}


def test_the_transitions_of_a_session():
    """HX3-SESS-22, HX3-SESS-28."""
    written = {(state, event): (after, action) for state, event, after, action in table("transitions")}
    assert written == session.TRANSITIONS
    assert len(table("transitions")) == len(written)


def test_the_states_of_an_order():
    written = [row[0] for row in table("orders")]
    assert written == [cloud.QUEUED, cloud.DISPATCHED, cloud.ACKNOWLEDGED, cloud.FAILED, cloud.EXPIRED]


LIMITS = envelope.Verifier(frame.TO_DEVICE, [])
CONSTANTS = {
    "JSON of a message": frame.MAX_JSON,
    "header": frame.HEADER,
    "depth": jsonscan.MAX_DEPTH,
    "number": jsonscan.MAX_NUMBER,
    "greatest integer": envelope.MAX_INTEGER,
    "id": envelope.MAX_ID,
    "nonce, written": envelope.MAX_NONCE,
    "age": LIMITS.max_age,
    "future": LIMITS.max_future,
    "challenge lives": session.CHALLENGE_LIFE,
    "hello repeated after": session.HELLO_RETRY,
    "stale hello answered once in": cloud.STALE_ANSWER,
    "hello anew after": session.RENEW_AFTER,
    "silence": session.SILENCE,
    "stale message makes ask after": session.STALE_RENEW,
    "heartbeat": session.HEARTBEAT,
    "nonces kept by a device": replay.NONCES,
    "window of a cloud": window.WIDTH,
    "furthest ahead": window.MAX_AHEAD,
    "first reserve": counter.FIRST_CHUNK,
    "greatest reserve": counter.MAX_CHUNK,
    "results kept (K)": results.KEPT,
    "result of a command": registry.MAX_RESULT,
    "order lives": cloud.LIFE,
    "order signed again after": cloud.RETRY,
    "unsettled orders of a device": cloud.Link.max_unsettled,
    "first back-off": backoff.FIRST,
    "greatest back-off": backoff.MOST,
    "secret": codec.SECRET,
}


def test_limits_and_times():
    """HX3-WIRE-04, HX3-WIRE-15, HX3-WIRE-16, HX3-VAL-05, HX3-SESS-05, HX3-TRANS-06, HX3-KEY-01."""
    assert {row[0]: int(row[1]) for row in table("constants")} == CONSTANTS


def test_the_names_of_derived_keys():
    """HX3-KEY-02, HX3-KEY-03, HX3-KEY-04."""
    infos = [row[0] for row in table("derived")]
    secret = b"\xab" * 32
    tag = Key(derive(secret, infos[0].encode())).mac(b"1|lamp|1777200000").hex()
    assert mqtt_password(secret, "lamp", 1777200000) == f"1.1777200000.{tag}"
    assert len(infos) == len(set(infos))


def test_the_fields_of_pipe10_stand_in_the_order_in_which_they_are_signed():
    """HX3-CANON-01."""
    page = (SPEC / "03-canonical.md").read_text()
    written = re.search(r"^    (HxTP/3\.0\|.*)$", page, re.MULTILINE)[1].split("|")
    fields = {name: name for name in written[1:-1]} | {"sequence_number": 7, "timestamp": 8}
    fields["nonce"] = "ab" * 16
    fields["message_type"] = "state"
    message = envelope.Message()
    envelope.parse(envelope.build(Key(b"k"), fields, b"{}", False), message)
    values = [str(fields[name]) for name in written[1:-1]]
    assert message.signed.decode() == "|".join(["HxTP/3.0", *values, message.payload_hash.decode()])


@pytest.mark.parametrize("row", [row[0] for row in table("codes")])
def test_a_code_is_written_in_one_table_only(row):
    page = (SPEC / "15-errors.md").read_text()
    assert len(re.findall(rf"^\| {row} \|", page, re.MULTILINE)) == 1
