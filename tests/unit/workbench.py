"""A bench for the parts of a board: a clock that the test turns, commands as they come from the session, and
everything that moved on the virtual board since the test last looked.
"""

import _board

import capabilities
from hxtp.registry import Registry


class Bench:
    """Parts made from lines of board data. It is their context: the time is `time`, in ms."""

    def __init__(self, *lines):
        self.time = 5000
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
