"""A bench for the parts of a board: a clock that the test turns, commands as they come from the session, and
everything that moved on the virtual board since the test last looked.
"""

import _board

import capabilities
from hxtp.registry import Registry
from hxtp_device.files import Files


class _Disk:
    """As much of `os` as Files asks for: file names with their bytes in `files`, folders in `folders`."""

    def __init__(self):
        self.files = {}
        self.folders = []

    def listdir(self, folder):
        if folder not in self.folders:
            raise OSError(2)
        size = len(folder) + 1
        return [name[size:] for name in self.files if name.startswith(folder + "/")]

    def mkdir(self, folder):
        if folder in self.folders:
            raise OSError(17)
        self.folders.append(folder)

    def rename(self, old, new):
        if old not in self.files:
            raise OSError(2)
        self.files[new] = self.files.pop(old)

    def remove(self, name):
        if name not in self.files:
            raise OSError(2)
        del self.files[name]


class _File:
    def __init__(self, disk, name, mode):
        if mode == "rb" and name not in disk.files:
            raise OSError(2)
        self._disk = disk
        self._name = name
        self._at = 0
        if mode == "wb":
            disk.files[name] = b""

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass

    def read(self, most):
        data = self._disk.files[self._name][self._at : self._at + most]
        self._at += len(data)
        return data

    def write(self, data):
        self._disk.files[self._name] += data


def ram_disk():
    """(os, open) of an empty disk in memory."""
    disk = _Disk()
    return disk, lambda name, mode: _File(disk, name, mode)


class Bench:
    """Parts made from lines of board data. It is their context: the time is `time`, in ms.

    `flash`: what files(name) gives a part, by default an empty `hxtp_device.files.Files` in memory.
    """

    def __init__(self, *lines, flash=None):
        self.time = 5000
        self.flash = flash or Files("parts/x", *ram_disk())
        self.declared = 0
        self.reports = []
        self.faults = []
        # As after power-on: nothing drives any pin.
        _board.pins.clear()
        del _board.trace[:]
        self.parts = capabilities.load({"parts": list(lines)}, self)
        self.registry = Registry(self.faults.append)
        for part in self.parts:
            self.registry.add(part)
        self.part = self.parts[0]

    def now(self):
        return self.time

    def changed(self, part):
        self.reports.append(part.name)

    def declare(self, part):
        self.registry.refresh()
        self.declared += 1

    def files(self, name):
        return self.flash

    def do(self, action, **params):
        """Run a command that must be executed; returns its result, if any."""
        ack = self.registry.run(action, params)
        assert ack["ack_status"] == "executed", (action, ack, self.faults)
        return ack.get("result")

    def refused(self, action, **params):
        """Run a command that must be refused and move nothing; returns (code, member to blame or why)."""
        self.moved()
        before = self.registry.state()
        reports = len(self.reports)
        ack = self.registry.run(action, params)
        assert ack["ack_status"] == "failed", (action, params, ack)
        assert not self.faults, self.faults
        assert self.moved() == [], "a refused command moved a pin"
        assert self.registry.state() == before
        assert len(self.reports) == reports
        return ack["error"], ack.get("member", ack.get("detail"))

    def wait(self, ms, step=10, look=None):
        """Let `ms` pass in steps, as the device's loop does; calls look() after each."""
        end = self.time + ms
        while self.time < end:
            self.time = min(end, self.time + step)
            for part in self.parts:
                part.tick(self.time)
            if look:
                look()

    def moved(self):
        """What happened on the pins since the last call, as the board's own trace tells it."""
        events = list(_board.trace)
        del _board.trace[:]
        return events

    def state(self):
        return self.registry.state()
