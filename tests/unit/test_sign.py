"""HMAC, HKDF and the password, against published vectors."""

from binascii import hexlify, unhexlify

from check import raises
from hxtp import sign


def test_hmac_agrees_with_rfc_4231():
    # HX3-CANON-03
    assert (
        hexlify(sign.Key(b"\x0b" * 20).mac(b"Hi There"))
        == b"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )
    assert (
        hexlify(sign.Key(b"Jefe").mac(b"what do ya want for nothing?"))
        == b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
    assert (
        hexlify(sign.Key(b"\xaa" * 20).mac(b"\xdd" * 50))
        == b"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
    )


def test_a_key_signs_again_and_again():
    key = sign.Key(b"Jefe")
    assert key.mac(b"x") == key.mac(b"x") != key.mac(b"y")


def test_a_secret_has_one_to_sixty_four_bytes():
    raises(ValueError, sign.Key, b"")
    raises(ValueError, sign.Key, bytes(65))
    sign.Key(bytes(64))


def test_hkdf_agrees_with_rfc_5869():
    # HX3-KEY-03
    # Test cases 1 and 3, first 32 bytes of the output.
    ikm = b"\x0b" * 22
    salt = unhexlify("000102030405060708090a0b0c")
    info = unhexlify("f0f1f2f3f4f5f6f7f8f9")
    assert (
        hexlify(sign.derive(ikm, info, salt))
        == b"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
    )
    assert (
        hexlify(sign.derive(ikm, b"")) == b"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    )


def test_comparison_tells_equal_from_different():
    # HX3-VAL-08
    assert sign.equal(b"abc", b"abc")
    assert not sign.equal(b"abc", b"abd")
    assert not sign.equal(b"abc", b"ab")
    assert not sign.equal(b"", b"a")
    assert sign.equal(b"", b"")


def test_the_password_names_its_expiry_and_is_bound_to_device_and_secret():
    # HX3-KEY-04, HX3-KEY-02
    password = sign.mqtt_password(b"\xab" * 32, "0123456789abcdef0123456789abcdef", 1777200000)
    version, expiry, tag = password.split(".")
    assert (version, expiry, len(tag)) == ("1", "1777200000", 64)
    assert password != sign.mqtt_password(b"\xab" * 32, "1123456789abcdef0123456789abcdef", 1777200000)
    assert password != sign.mqtt_password(b"\xac" * 32, "0123456789abcdef0123456789abcdef", 1777200000)
    assert (
        tag != sign.mqtt_password(b"\xab" * 32, "0123456789abcdef0123456789abcdef", 1777200001).split(".")[2]
    )
