"""A Key whose two padded blocks are hashed once, not only prepared: CPython's hash objects can be copied.

It must never keep the secret in any other form than `hxtp.sign.Key` does.
"""

from hashlib import sha256

from hxtp import sign


class Key(sign.Key):
    """`hxtp.sign.Key`, with the same MACs a little sooner."""

    def __init__(self, secret: bytes) -> None:
        super().__init__(secret)
        self._copy_inner = sha256(self._inner).copy
        self._copy_outer = sha256(self._outer).copy

    def mac(self, data: bytes) -> bytes:
        """HMAC-SHA256 of `data`: 32 bytes."""
        inner = self._copy_inner()
        inner.update(data)
        outer = self._copy_outer()
        outer.update(inner.digest())
        return outer.digest()
