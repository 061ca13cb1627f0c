"""The flash of the simulated board: NVS as a journal, and files whose every write can be the last one.

It must never let a value out through the trace: only names, keys and counts.

A *flash write* is one step that real flash makes or does not make: a commit of NVS, a block of at most 4 KiB of a
file, emptying a file on opening it, a rename, a removal, a new folder. `cut(n, at)` ends the power at the n-th of
them from now: "before" it, "within" it (half of the bytes are there) or "after" it.

NVS keeps what was committed; what was only set is gone after a reset, and a commit is there whole or not at all. The
journal holds one record a commit, `N`, the length, the items and their CRC-32; a torn record at the end is ignored
and dropped at the next start. Files are harsher than littlefs on a real board, which shows a file's new content only
when it is closed: here a half-written file is half-written. Firmware that writes beside and renames is safe in both.
"""

import binascii
import io
import struct

import _board

if _board.MICROPYTHON:
    import uos as os
else:
    import os

BLOCK = 4096
ERASED, I32, BLOB = 0, 1, 2
ENTRIES = 630  # of 32 bytes: five of the six pages of the stock 24 KiB partition
COMPACT_AT = 32768

_open = _board.host_open
_rename = os.rename
_remove = os.remove
_mkdir = os.mkdir
_rmdir = os.rmdir

writes = 0
_cut_in = 0
_cut_at = "before"


def cut(n, at="before"):
    """Cut the power at the n-th flash write from now; 0 calls it off."""
    global _cut_in, _cut_at
    if at not in ("before", "within", "after"):
        raise ValueError("at must be before, within or after")
    _cut_in = n
    _cut_at = at


def _power_cut():
    _board.record("power_cut", at=_cut_at, writes=writes)
    _board.leave(_board.EXIT_POWER)


def step(whole, half=None):
    """One flash write, made by whole(); half() makes half of it, if it can be halved."""
    global writes, _cut_in
    writes += 1
    if _cut_in:
        _cut_in -= 1
        if not _cut_in:
            if _cut_at == "within" and half is not None:
                half()
            elif _cut_at == "after":
                whole()
            _power_cut()
    whole()


# --- NVS ---------------------------------------------------------------------------------------------------------
class Store:
    """All namespaces. Keys are `namespace\\0key`; an entry is (kind, place, length), the place an offset in the
    journal, or the value itself for integers, for what is not committed yet, and where there is no journal."""

    def __init__(self):
        self.entries = {}
        self.pending = {}
        self.end = 0
        self.path = None

    def load(self, path):
        """Read the journal at `path`, and write it anew if it was torn or has grown large."""
        self.path = path
        try:
            file = _open(path, "rb")
        except OSError:
            return
        torn = False
        with file:
            while True:
                head = file.read(5)
                if len(head) == 0:
                    break
                length = struct.unpack("<I", head[1:])[0] if len(head) == 5 and head[0] == 0x4E else -1
                payload = file.read(length) if 0 <= length <= 65536 else b""
                check = file.read(4)
                torn = len(payload) != length or len(check) != 4
                if torn or struct.unpack("<I", check)[0] != binascii.crc32(payload) & 0xFFFFFFFF:
                    torn = True
                    break
                self._index(payload, self.end + 5)
                self.end += length + 9
        if torn or self.end > COMPACT_AT:
            self._compact()

    def _index(self, payload, base):
        at = 0
        while at < len(payload):
            kind, names, length = struct.unpack_from("<BBH", payload, at)
            name = payload[at + 4 : at + 4 + names].decode()
            at += 4 + names
            if kind == ERASED:
                self.entries.pop(name, None)
            elif kind == I32:
                self.entries[name] = (I32, struct.unpack_from("<i", payload, at)[0], 4)
            else:
                self.entries[name] = (BLOB, base + at, length)
            at += length

    def _compact(self):
        old = self.entries
        payload = self._pack({name: (entry[0], self._value(entry)) for name, entry in old.items()})
        with _open(self.path + "~", "wb") as file:
            if old:
                file.write(_framed(payload))
        _rename(self.path + "~", self.path)
        self.entries = {}
        self.end = len(payload) + 9 if old else 0
        self._index(payload, 5)

    def _pack(self, items):
        payload = bytearray()
        for name in items:
            kind, value = items[name]
            data = struct.pack("<i", value) if kind == I32 else value
            encoded = name.encode()
            payload += struct.pack("<BBH", kind, len(encoded), len(data))
            payload += encoded
            payload += data
        return bytes(payload)

    def _value(self, entry):
        kind, place, length = entry
        if kind == I32 or not isinstance(place, int):
            return place
        with _open(self.path, "rb") as file:
            file.seek(place)
            return file.read(length)

    def get(self, name):
        """(kind, value), or None. What was set and not committed yet is seen too."""
        if name in self.pending:
            kind, value = self.pending[name]
            return None if kind == ERASED else (kind, value)
        entry = self.entries.get(name)
        return None if entry is None else (entry[0], self._value(entry))

    def put(self, name, kind, value):
        """Note a change for the next commit; False if flash would not hold it."""
        used = 0 if kind == ERASED else _entries(kind, len(value) if kind == BLOB else 4)
        for other, entry in self.entries.items():
            if other not in self.pending:
                used += _entries(entry[0], entry[2])
        for other, (held, data) in self.pending.items():
            if other != name and held != ERASED:
                used += _entries(held, len(data) if held == BLOB else 4)
        if used > ENTRIES:
            return False
        self.pending[name] = (kind, value)
        return True

    def commit(self, space):
        """Make the pending changes of one namespace last, all of them or, if power goes, none. No change, no write."""
        mine = {name: self.pending[name] for name in self.pending if name.startswith(space + "\0")}
        if not mine:
            return
        payload = self._pack(mine)
        if self.path is None:
            step(lambda: None)
            for name, (kind, value) in mine.items():
                if kind == ERASED:
                    self.entries.pop(name, None)
                else:
                    self.entries[name] = (kind, value, len(value) if kind == BLOB else 4)
        else:
            record = _framed(payload)
            step(lambda: self._append(record), lambda: self._append(record[: len(record) // 2]))
            self._index(payload, self.end + 5)
            self.end += len(record)
        for name in mine:
            del self.pending[name]
        keys = [name.split("\0")[1] for name in mine]
        _board.record("nvs", space=space, keys=sorted(keys), bytes=len(payload), writes=writes)

    def _append(self, data):
        with _open(self.path, "ab") as file:
            file.write(data)


def _framed(payload):
    return b"N" + struct.pack("<I", len(payload)) + payload + struct.pack("<I", binascii.crc32(payload) & 0xFFFFFFFF)


def _entries(kind, length):
    return 2 + (length + 31) // 32 if kind == BLOB else 1


nvs = Store()


# --- files -------------------------------------------------------------------------------------------------------
class Writer(io.IOBase):
    """A file opened for writing: gathers a block, then makes one flash write of it."""

    def __init__(self, name, mode):
        self.name = name
        self.file = None
        self.block = bytearray()
        step(lambda: self._start(mode))
        _board.record("file", op="open", name=name, writes=writes)

    def _start(self, mode):
        self.file = _open(self.name, ("a" if "a" in mode else "x" if "x" in mode else "w") + "b")

    def write(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.block.extend(data)
        while len(self.block) >= BLOCK:
            self._put(bytes(self.block[:BLOCK]))
            self.block = self.block[BLOCK:]
        return len(data)

    def _put(self, data):
        step(lambda: self._append(data), lambda: self._append(data[: len(data) // 2]))
        _board.record("file", op="write", name=self.name, bytes=len(data), writes=writes)

    def _append(self, data):
        self.file.write(data)
        self.file.flush()

    def flush(self):
        if self.file is not None and self.block:
            self._put(bytes(self.block))
            self.block = bytearray()

    def close(self):
        if self.file is not None:
            self.flush()
            self.file.close()
            self.file = None

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()


def open_file(name, mode="r", *more, **options):
    """`open` of a started board. Reading, and writing in place ("+"), is the host's own; the rest can be cut."""
    if "+" in mode or not ("w" in mode or "a" in mode or "x" in mode):
        return _open(name, mode, *more, **options)
    return Writer(name, mode)


# What would fail anyway is no flash write: stat() raises what the call itself would.
def rename(old, new):
    os.stat(old)
    step(lambda: _rename(old, new))
    _board.record("file", op="rename", name=new, writes=writes)


def remove(name):
    os.stat(name)
    step(lambda: _remove(name))
    _board.record("file", op="remove", name=name, writes=writes)


def rmdir(name):
    os.stat(name)
    step(lambda: _rmdir(name))
    _board.record("file", op="rmdir", name=name, writes=writes)


def mkdir(name):
    try:
        os.stat(name)
    except OSError:
        step(lambda: _mkdir(name))
        _board.record("file", op="mkdir", name=name, writes=writes)
    else:
        _mkdir(name)
