"""Small helpers for the tests that run on CPython and on MicroPython alike.

A test file here holds plain functions `def test_...():` with bare asserts. It may import hxtp, capabilities,
this module, and standard modules that both runtimes have; never pytest.
"""

import hashlib
import struct

# The checkout's root; `__file__` is absolute because the paths given to both runtimes are.
ROOT = __file__.rsplit("/", 3)[0]


def raises(kind, call, *args, **kwargs):
    """Calls call(*args, **kwargs), which must raise `kind` (a class or a tuple of them), and returns the
    exception.
    """
    try:
        result = call(*args, **kwargs)
    except kind as caught:
        return caught
    raise AssertionError("nothing was raised; the call returned " + _short(result))


def cases(rows, judge):
    """Calls judge(*row) for every row. The row whose call raises is printed, since a traceback does not
    show it.
    """
    count = 0
    for row in rows:
        try:
            judge(*row)
        except Exception:
            print("in case", count, _short(row))
            raise
        count += 1
    assert count, "there were no cases"


def read(path):
    """The bytes of a file of the checkout, `path` relative to its root. Under WebAssembly: of firmware/
    and tests/ only.
    """
    with open(ROOT + "/" + path, "rb") as file:
        return file.read()


class Bytes:
    """Deterministic pseudo-random bytes: the same seed gives the same bytes on every runtime. Not for
    secrets.
    """

    def __init__(self, seed=0):
        self._seed = struct.pack(">Q", seed)
        self._block = 0
        self._left = b""

    def __call__(self, count):
        while len(self._left) < count:
            self._left += hashlib.sha256(self._seed + struct.pack(">Q", self._block)).digest()
            self._block += 1
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def below(self, limit):
        """An integer from 0 up to, not including, `limit` (at most 2**32)."""
        return struct.unpack(">Q", self(8))[0] % limit

    def choice(self, items):
        return items[self.below(len(items))]


def _short(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "…"
