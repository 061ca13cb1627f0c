"""HMAC-SHA256 with prepared pads, HKDF, and the two things made from the secret beside signatures.

Stock MicroPython has no hmac module, and its hash objects can be neither copied nor
asked for hex. This module must never print, log or keep a secret as it was given.
"""

from binascii import hexlify
from hashlib import sha256


def digest(data):
    """SHA-256 of bytes, as 64 lower-case hex digits (bytes)."""
    return hexlify(sha256(data).digest())


class Key:
    """One secret, ready to sign: the two padded blocks are made once (RFC 2104)."""

    def __init__(self, secret):
        """`secret`: up to 64 bytes; HxTP uses 32."""
        if not 0 < len(secret) <= 64:
            raise ValueError("a secret is 1 to 64 bytes")
        block = secret + bytes(64 - len(secret))
        self._inner = bytes([byte ^ 0x36 for byte in block])
        self._outer = bytes([byte ^ 0x5C for byte in block])

    def mac(self, data):
        """HMAC-SHA256 of `data`: 32 bytes."""
        inner = sha256(self._inner)
        inner.update(data)
        outer = sha256(self._outer)
        outer.update(inner.digest())
        return outer.digest()


def equal(one, other):
    """Compare two byte strings. How long that takes tells about their digests at most, from which nobody gets
    back to what was digested.
    """
    return sha256(one).digest() == sha256(other).digest()


def derive(secret, info, salt=b""):
    """HKDF-SHA256 (RFC 5869) to 32 bytes. An empty salt is 32 zero bytes."""
    return Key(Key(salt or bytes(32)).mac(secret)).mac(info + b"\x01")


def mqtt_password(secret, device_id, expiry):
    """The MQTT password `1.{expiry}.{hex HMAC}`; expiry in seconds since 1970, named by the cloud."""
    text = "1|%s|%d" % (device_id, expiry)
    tag = hexlify(Key(derive(secret, b"hxtp/3.0 mqtt")).mac(text.encode()))
    return "1.%d.%s" % (expiry, tag.decode())
