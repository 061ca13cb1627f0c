"""The eight-byte frame: what it holds, and which code each flaw gets."""

from check import raises
from hxtp import frame
from hxtp.errors import HxtpError


def code_of(data):
    return raises(HxtpError, frame.open_frame, data).code


def test_a_packed_message_opens_with_its_type_code_and_json():
    # HX3-WIRE-01, HX3-WIRE-02
    for kind in frame.TYPES:
        data = frame.pack(kind, b"{}")
        assert frame.open_frame(data) == (frame.TYPES[kind][0], 8)
        assert data[8:] == b"{}"


def test_header_bytes_are_magic_version_type_and_big_endian_length():
    # HX3-WIRE-02
    assert frame.pack("hello", b"x" * 258) == b"HX\x03\x08\x00\x00\x01\x02" + b"x" * 258


def test_what_can_begin_a_json_text_is_bare():
    # HX3-WIRE-03
    for text in (
        b"{}",
        b" {}",
        b"\t{}",
        b"\r{}",
        b"\n{}",
        b"[",
        b'"',
        b"-",
        b"0",
        b"9",
        b"true",
        b"false",
        b"null",
        b"\xef\xbb\xbf{}",
    ):
        assert frame.open_frame(text) == (None, 0)


def test_each_flaw_of_a_frame_has_its_code():
    # HX3-WIRE-03, HX3-VAL-01
    good = frame.pack("command", b"{}")
    assert code_of(b"") == "FRAME_TOO_SHORT"
    assert code_of(b"HX\x03\x02\x00\x00\x00") == "FRAME_TOO_SHORT"
    assert code_of(b"HY" + good[2:]) == "FRAME_MAGIC_INVALID"
    assert code_of(b"HX\x02" + good[3:]) == "FRAME_VERSION_INVALID"
    assert code_of(b"HX\x03\x00" + good[4:]) == "FRAME_TYPE_INVALID"
    assert code_of(b"HX\x03\x0c" + good[4:]) == "FRAME_TYPE_INVALID"
    assert code_of(good[:-1]) == "FRAME_LENGTH_INVALID"
    assert code_of(good + b" ") == "FRAME_LENGTH_INVALID"


def test_a_flaw_that_comes_first_is_told_first():
    # HX3-VAL-01
    assert code_of(b"HY\x02\x00\x00\x00\x00\x09{}") == "FRAME_MAGIC_INVALID"
    assert code_of(b"HX\x02\x00\x00\x00\x00\x09{}") == "FRAME_VERSION_INVALID"
    assert code_of(b"HX\x03\x00\x00\x00\x00\x09{}") == "FRAME_TYPE_INVALID"
    assert code_of(b"HY" + bytes(16384 + 7)) == "PAYLOAD_TOO_LARGE"


def test_the_size_limit_is_on_the_json_without_its_header():
    # HX3-WIRE-04
    assert frame.open_frame(b"{" + b" " * 16383) == (None, 0)
    assert code_of(b"{" + b" " * 16384) == "PAYLOAD_TOO_LARGE"
    assert frame.open_frame(frame.pack("state", b" " * 16384))[0] == 1
    assert code_of(frame.pack("state", b" " * 16385)) == "PAYLOAD_TOO_LARGE"
