"""The flash of the simulated board: NVS as a journal, and files whose every write can be the last one.

It must never let a value out through the trace: only names, keys and counts.

A *flash write* is one step that real flash makes or does not make: a commit of NVS, a block of at most 4 KiB
of a file, emptying a file on opening it, a rename, a removal, a new folder. `cut(n, at)` ends the power at
the n-th of them from now: "before" it, "within" it (half of the bytes are there) or "after" it.

NVS keeps what was committed; what was only set is gone after a reset, and a commit is there whole or not at
all. The journal holds one record a commit, `N`, the length, the items and their CRC-32; a torn record at the
end is ignored and dropped at the next start. Files are harsher than littlefs on a real board, which shows a
file's new content only when it is closed: here a half-written file is half-written. Firmware that writes
beside and renames is safe in both.
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


# --- NVS ----------------------------------------------------------------------------------------------------
class Store:
    """All namespaces. Keys are `namespace\\0key`; an entry is (kind, place, length), the place an offset in
    the journal, or the value itself for integers and where there is no journal. Values are not copied more
    than once: on MicroPython they share the firmware's small heap."""

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
        with file:
            while self._record(file):
                pass
            torn = len(file.read(1)) > 0
        if torn or self.end > COMPACT_AT:
            self._compact()

    def _record(self, file):
        """Take the record at self.end into the entries; False at the end, or where it is torn or damaged."""
        file.seek(self.end)
        head = file.read(5)
        if len(head) < 5 or head[0] != 0x4E:
            file.seek(self.end)
            return False
        length = struct.unpack("<I", head[1:])[0]
        check = 0
        left = length
        while left:
            part = file.read(min(left, 256))
            if not part:
                file.seek(self.end)
                return False
            check = binascii.crc32(part, check)
            left -= len(part)
        if file.read(4) != struct.pack("<I", check & 0xFFFFFFFF):
            file.seek(self.end)
            return False
        at = self.end + 5
        end = at + length
        while at < end:
            file.seek(at)
            kind, names, size = struct.unpack("<BBH", file.read(4))
            name = file.read(names).decode()
            at += 4 + names
            self._enter(name, kind, struct.unpack("<i", file.read(4))[0] if kind == I32 else at, size)
            at += size
        self.end = end + 4
        return True

    def _enter(self, name, kind, place, size):
        if kind == ERASED:
            self.entries.pop(name, None)
        else:
            self.entries[name] = (kind, place, size)

    def _compact(self):
        items = {name: (self.entries[name][0], self._value(self.entries[name])) for name in self.entries}
        with _open(self.path + "~", "wb") as file:
            if items:
                for part in _record_of(items):
                    file.write(part)
        _rename(self.path + "~", self.path)
        self.end = 0
        self.entries = {}
        with _open(self.path, "rb") as file:
            self._record(file)

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
        used = _entries(kind, value)
        for other in self.entries:
            if other not in self.pending and other != name:
                held, _, length = self.entries[other]
                used += 2 + (length + 31) // 32 if held == BLOB else 1
        for other in self.pending:
            if other != name:
                used += _entries(self.pending[other][0], self.pending[other][1])
        if used > ENTRIES:
            return False
        self.pending[name] = (kind, value)
        return True

    def commit(self, space):
        """Make the pending changes of one namespace last: all of them or, if power goes, none. No change, no
        write."""
        mine = {name: self.pending[name] for name in self.pending if name.startswith(space + "\0")}
        if not mine:
            return
        length = _length(mine)
        if self.path is None:
            step(lambda: None)
        else:
            step(lambda: self._append(mine, length + 9), lambda: self._append(mine, (length + 9) // 2))
        at = self.end + 5
        for name in mine:
            kind, value = mine[name]
            at += 4 + len(name.encode())
            size = 4 if kind == I32 else len(value)
            self._enter(name, kind, value if kind == I32 or self.path is None else at, size)
            at += size
            del self.pending[name]
        self.end += length + 9
        keys = sorted(name.split("\0")[1] for name in mine)
        _board.record("nvs", space=space, keys=keys, bytes=length, writes=writes)

    def _append(self, items, most):
        """Write the record of the items, or its first `most` bytes."""
        with _open(self.path, "ab") as file:
            for part in _record_of(items):
                file.write(part[:most] if len(part) > most else part)
                most -= len(part)
                if most <= 0:
                    return


def _entries(kind, value):
    """How many of the flash's 32-byte entries a value takes."""
    return 2 + (len(value) + 31) // 32 if kind == BLOB else int(kind == I32)


def _length(items):
    """Bytes of a record between its head of 5 and its check of 4."""
    length = 0
    for name in items:
        length += 4 + len(name.encode()) + (4 if items[name][0] == I32 else len(items[name][1]))
    return length


def _record_of(items):
    """The pieces of a record, one after the other."""
    yield b"N" + struct.pack("<I", _length(items))
    check = 0
    for name in items:
        kind, value = items[name]
        encoded = name.encode()
        data = struct.pack("<i", value) if kind == I32 else value
        for part in (struct.pack("<BBH", kind, len(encoded), len(data)), encoded, data):
            check = binascii.crc32(part, check)
            yield part
    yield struct.pack("<I", check & 0xFFFFFFFF)


nvs = Store()


# --- files --------------------------------------------------------------------------------------------------
class Writer(io.IOBase):
    """A file opened for writing: gathers a block, then makes one flash write of it.

    It gathers in small pieces: on a chip the block is none of the heap's.
    """

    def __init__(self, name, mode):
        self.name = name
        self.file = None
        self.block = []
        self.size = 0
        step(lambda: self._start(mode))
        _board.record("file", op="open", name=name, writes=writes)

    def _start(self, mode):
        self.file = _open(self.name, ("a" if "a" in mode else "x" if "x" in mode else "w") + "b")

    def write(self, data):
        if isinstance(data, str):
            data = data.encode()
        at = 0
        while at < len(data):
            part = bytes(data[at : min(at + 256, at + BLOCK - self.size)])
            at += len(part)
            self.size += len(part)
            self.block.append(part)
            if self.size == BLOCK:
                self.flush()
        return len(data)

    def _append(self, most):
        for part in self.block:
            self.file.write(part[:most])
            most -= len(part)
            if most <= 0:
                break
        self.file.flush()

    def flush(self):
        if self.file is not None and self.block:
            step(lambda: self._append(self.size), lambda: self._append(self.size // 2))
            _board.record("file", op="write", name=self.name, bytes=self.size, writes=writes)
            self.block = []
            self.size = 0

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
    """`open` of a started board. Reading, and writing in place ("+"), is the host's own; the rest can be
    cut."""
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
