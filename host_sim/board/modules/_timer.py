"""`machine.Timer` of the simulated ESP32; it loads when a program asks for it.

It must never call back from within anything but the board's pump.
"""

import _board


class Timer:
    """A timer of whole milliseconds: ids 0–3, and -1 as often as one likes. Its callback runs when the
    firmware sleeps, reads the clock or idles, never twice for periods that were missed."""

    ONE_SHOT = 0
    PERIODIC = 1
    _numbered = {}

    def __new__(cls, id, *_settings, **_named):
        if id == -1:
            return object.__new__(cls)
        if not 0 <= id <= 3:
            raise ValueError("invalid Timer number")
        if id not in cls._numbered:
            cls._numbered[id] = object.__new__(cls)
        return cls._numbered[id]

    def __init__(self, id, **settings):
        self.id = id
        if settings:
            self.init(**settings)

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, callback=None, tick_hz=1000, hard=False):
        if hard:
            raise ValueError("hard Timers are not implemented")
        ms = int(1000 / freq) if freq != -1 else period * 1000 // tick_hz
        if ms < 1:
            raise ValueError("period too small")
        self.deinit()
        self._mode = mode
        self._ms = ms
        self._callback = callback
        self.due = _board.ticks_add(_board.uptime_ms(), ms)
        _board.timers.append(self)

    def deinit(self):
        if self in _board.timers:
            _board.timers.remove(self)

    def fire(self):
        """The board says that the time has come."""
        if self._mode == self.PERIODIC:
            now = _board.uptime_ms()
            late = _board.ticks_diff(now, self.due) // self._ms
            self.due = _board.ticks_add(self.due, self._ms * (late + 1))
        else:
            self.deinit()
        if self._callback is not None:
            _board.call(self._callback, self)
