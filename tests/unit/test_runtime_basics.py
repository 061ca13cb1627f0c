"""What the protocol takes for granted of any runtime, each with an answer known beforehand."""

import binascii
import hashlib
import json
import struct

import check


def test_sha256_gives_the_published_digest():
    digest = hashlib.sha256(b"abc").digest()
    assert binascii.hexlify(digest) == b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_sha256_in_pieces_equals_sha256_at_once():
    whole = check.Bytes(1)(1000)
    pieces = hashlib.sha256()
    for start in range(0, 1000, 7):
        pieces.update(memoryview(whole)[start : start + 7])
    assert pieces.digest() == hashlib.sha256(whole).digest()


def test_json_keeps_integers_beyond_32_and_53_bits_exact():
    def judge(number):
        assert json.loads(json.dumps({"n": number}))["n"] == number

    check.cases([(n,) for n in (0, -1, 2**31, 2**53 + 1, 2**63, 1735689600123)], judge)


def test_json_reads_utf8_and_escapes():
    assert json.loads('{"a": "\\u00e9\\n", "b": [true, null, 1.5]}') == {"a": "é\n", "b": [True, None, 1.5]}


def test_struct_is_big_endian_and_of_fixed_width():
    assert struct.pack(">BHIQ", 1, 2, 3, 4) == bytes.fromhex("01000200000003" + "0000000000000004")
    assert struct.calcsize(">BHIQ") == 15


def test_integers_have_no_width():
    factor = 1
    for n in range(2, 31):
        factor *= n
    assert factor == 265252859812191058636308480000000
    assert factor // 29 % 1000007 == 265252859812191058636308480000000 // 29 % 1000007
    assert -7 // 2 == -4 and -7 % 3 == 2
    assert (1 << 100) >> 97 == 8


def test_three_argument_pow_is_modular():
    # Fermat: a to the prime less one is 1; and an RSA round trip with textbook numbers.
    assert pow(3, 2**61 - 2, 2**61 - 1) == 1
    assert pow(pow(65, 17, 3233), 2753, 3233) == 65


def test_text_that_is_not_json_is_a_value_error():
    # No more than this holds everywhere: MicroPython's json lets a good deal of broken text pass.
    check.raises(ValueError, json.loads, "nonsense")


def test_invalid_utf8_is_a_unicode_error():
    check.raises(UnicodeError, b"\xff".decode)


def test_pseudo_random_bytes_repeat_and_differ_by_seed():
    assert check.Bytes(7)(40) == check.Bytes(7)(40)
    assert check.Bytes(7)(40) != check.Bytes(8)(40)
    pieces = check.Bytes(7)
    assert pieces(13) + pieces(27) == check.Bytes(7)(40)


def test_raises_refuses_what_does_not_raise():
    problem = check.raises(AssertionError, check.raises, ValueError, int, "5")
    assert "nothing was raised" in str(problem)
