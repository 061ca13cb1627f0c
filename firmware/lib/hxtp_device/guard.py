"""What keeps a broken program from breaking the device: watchdog, reset reason, safe mode.

Safe mode begins after five boots in a row that ended in a watchdog, panic or software reset before they
were healthy; power cuts never count, nor does a start that stops at a mistake in the settings. In it no part
is started and no pin is touched, the prompt stays reachable, and ten minutes later the device tries once
more. It must never raise: main.py begins with it.
"""

LIMIT = 5
HEALTHY = 60000
AGAIN = 600000

_KEY = "boots"
_REASONS = ("power", "hard", "watchdog", "deepsleep", "soft")
_current = None


class Guard:
    """`reason`: why the board was reset, as a word. `safe`: whether to stay in safe mode."""

    def __init__(self, machine, nvs):
        self._machine = machine
        self._nvs = nvs
        self._dog = None
        self._timer = None
        causes = [
            getattr(machine, name, None)
            for name in ("PWRON_RESET", "HARD_RESET", "WDT_RESET", "DEEPSLEEP_RESET", "SOFT_RESET")
        ]
        cause = machine.reset_cause()
        self.reason = _REASONS[causes.index(cause)] if cause in causes else "unknown"
        try:
            self.failed = nvs.get_i32(_KEY)
        except OSError:  # nothing counted yet
            self.failed = 0
        # A panic and machine.reset() both look like a hard reset.
        self._count(self.failed + 1 if self.reason in ("hard", "watchdog", "soft") else 0)
        self.safe = self.failed >= LIMIT

    def _count(self, failed):
        if failed != self.failed:
            self.failed = failed
            try:
                self._nvs.set_i32(_KEY, failed)
                self._nvs.commit()
            except OSError as error:  # worse than no safe mode would be no start
                print("hxtp: cannot count boots:", error)

    def watch(self, seconds):
        """Start the watchdog: from now on `feed` must be called more often than every `seconds`."""
        self._dog = self._machine.WDT(timeout=1000 * seconds)

    def rest(self):
        """Nobody feeds now: the loop has not begun, or was stopped from the prompt. A watchdog cannot be
        stopped: it gets an hour.
        """
        if self._dog:
            self.watch(3600)

    def feed(self, now):
        """The loop is healthy; `now` is ms since the start. A minute of it ends the counting."""
        if self._dog:
            self._dog.feed()
        if self.failed and now >= HEALTHY:
            self.healthy()

    def healthy(self):
        """This boot is a good one."""
        self._count(0)

    def stay(self):
        """Safe mode: say so, leave the prompt, and try again later by a reset."""
        self._count(LIMIT - 2)  # the reset that tries again counts too, and leaves one attempt
        print("hxtp: SAFE MODE after %d failed starts: no part is started." % LIMIT)
        self.again()

    def again(self):
        """Reset in ten minutes, while the prompt stays reachable."""
        machine = self._machine
        print("hxtp: the next start is in 10 minutes, or when you switch the power off and on.")
        self._timer = machine.Timer(0)
        self._timer.init(period=AGAIN, mode=machine.Timer.ONE_SHOT, callback=lambda _: machine.reset())


def start():
    """The guard of this boot; what the first call found stays."""
    global _current
    if _current is None:
        import esp32
        import machine

        _current = Guard(machine, esp32.NVS("hxtp"))
    return _current
