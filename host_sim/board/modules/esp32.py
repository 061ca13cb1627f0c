"""`esp32` of the simulated board: NVS here, RMT and Partition when they are asked for.

It must never accept what would end a real board's run or do something else than asked; where stock is silent
about such a thing and the simulation is not, the docstring says so.
"""

import _board
import _flash


def _error(number, name):
    return OSError(number, "ESP_ERR_NVS_" + name)


def _not_found():
    return _error(-0x1102, "NOT_FOUND")


class NVS:
    """One namespace of the non-volatile storage. Nothing is safe before commit(); a commit is whole or not at
    all.

    Names are 1–15 characters. Stock ESP-IDF may write a value before the commit; here it is never in flash
    before.
    """

    def __init__(self, namespace):
        if not namespace or len(namespace) > 15:
            raise _error(-0x1106, "INVALID_NAME")
        self._space = namespace

    def _name(self, key):
        if not key:
            raise _error(-0x1106, "INVALID_NAME")
        if len(key) > 15:
            raise _error(-0x1109, "KEY_TOO_LONG")
        return self._space + "\0" + key

    def _get(self, key, kind):
        held = _flash.nvs.get(self._name(key))
        if held is None:
            raise _not_found()
        if held[0] != kind:
            raise _error(-0x1103, "TYPE_MISMATCH")
        return held[1]

    def _put(self, key, kind, value):
        if not _flash.nvs.put(self._name(key), kind, value):
            raise _error(-0x1105, "NOT_ENOUGH_SPACE")

    def set_i32(self, key, value):
        """A signed 32-bit integer; like stock, a larger one is cut to its low 32 bits."""
        self._put(key, _flash.I32, ((value + 0x80000000) & 0xFFFFFFFF) - 0x80000000)

    def get_i32(self, key):
        return self._get(key, _flash.I32)

    def set_blob(self, key, value):
        self._put(key, _flash.BLOB, value.encode() if isinstance(value, str) else bytes(value))

    def get_blob(self, key, buffer):
        """Copy the value into `buffer`; how many bytes it has."""
        value = self._get(key, _flash.BLOB)
        if len(value) > len(buffer):
            raise _error(-0x110C, "INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key):
        if _flash.nvs.get(self._name(key)) is None:
            raise _not_found()
        self._put(key, _flash.ERASED, b"")

    def commit(self):
        _flash.nvs.commit(self._space)


def __getattr__(name):
    """What not every program uses is loaded with the first look at it."""
    return _board.later("esp32", "_rmt" if name == "RMT" else "_partition", name)
