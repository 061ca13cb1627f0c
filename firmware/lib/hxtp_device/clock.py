"""Two clocks that must never be mixed: ticks that only rise, and a wall clock that nobody vouches for.

The protocol's time is made from the ticks and from authentic answers alone, inside `hxtp.session`. The wall
clock here serves certificate checks and is a hint for the timestamps of the very first hello.
"""

_UNTIL_2000 = 946684800  # seconds from 1970 to 2000
_SANE = (1577836800, 4102444800)  # from 2020 to 2100, which every RTC can hold


class Clock:
    """`now()` for the protocol, `wall()` for TLS. Seconds are since 1970, whatever the platform counts."""

    def __init__(self, time, rtc, floor):
        """`time`: the module. `rtc`: machine.RTC(). `floor`: seconds that have certainly passed."""
        self._time = time
        self._rtc = rtc
        self._last = time.ticks_ms()
        self._now = 0
        self._epoch = _UNTIL_2000 if time.gmtime(0)[0] == 2000 else 0
        self._floor = floor
        if self.wall() < floor:
            self.set(floor)

    def now(self):
        """Monotonic ms since the start; never wraps. To be called at least every six days."""
        ticks = self._time.ticks_ms()
        step = self._time.ticks_diff(ticks, self._last)
        if step > 0:
            self._now += step
            self._last = ticks
        return self._now

    def wall(self):
        """Seconds since 1970 by a clock that may be wrong by years, but is not before the floor."""
        return int(self._time.time()) + self._epoch

    def set(self, seconds):
        """Set the wall clock, from an authentic answer. A second's difference is left alone.

        Returns whether it could be one: a cloud with a broken clock must not stop TLS for good.
        """
        if not _SANE[0] <= seconds < _SANE[1]:
            return False
        if abs(self.wall() - seconds) > 1:
            year, month, day, hour, minute, second, weekday = self._time.gmtime(seconds - self._epoch)[:7]
            self._rtc.datetime((year, month, day, weekday, hour, minute, second, 0))
        return True

    def ask(self, ntptime):
        """Set the wall clock by NTP, which nobody signed, but never to before the floor.

        Waits up to 1 s and for a name look-up. Returns whether there was an answer.
        """
        ntptime.timeout = 1
        try:
            seconds = ntptime.time() + self._epoch
        except (OSError, ValueError, IndexError):  # no answer, or one that is cut short
            return False
        self.set(max(seconds, self._floor))
        return True
