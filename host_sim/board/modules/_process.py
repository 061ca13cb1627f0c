"""What a board's process needs of the operating system: to end at once, a watchdog in the kernel, to die with
its parent.

It must only be used by a started board: no other process is its own to end.
MicroPython reaches libc through `ffi`, CPython has it in its library.
"""

import sys

if sys.implementation.name == "micropython":
    import struct

    import ffi

    _libc = ffi.open(None)
    _exit = _libc.func("v", "_exit", "i")
    _setitimer = _libc.func("i", "setitimer", "iPP")
    _timer = None

    def leave(status):
        _exit(status)

    def arm(ms):
        """Have the kernel kill this process (SIGALRM) in `ms` milliseconds, unless armed again before; 0
        disarms.

        Even a loop that never looks at the clock, or a read that never returns, is ended: as by the real
        watchdog.
        """
        global _timer
        _timer = struct.pack("llll", 0, 0, ms // 1000, ms % 1000 * 1000)
        feed()

    def feed():
        _setitimer(0, _timer, None)

    def die_with_parent():
        """Be killed when the thread that started us ends, however it ends (Linux)."""
        _libc.func("i", "prctl", "iiiii")(1, 9, 0, 0, 0)

else:
    import os
    import signal

    _seconds = 0

    def leave(status):
        sys.stdout.flush()
        os._exit(status)

    def arm(ms):
        """Have the kernel kill this process (SIGALRM) in `ms` milliseconds, unless armed again before; 0
        disarms."""
        global _seconds
        _seconds = ms / 1000
        feed()

    def feed():
        signal.setitimer(signal.ITIMER_REAL, _seconds)

    def die_with_parent():
        """Be killed when the thread that started us ends, however it ends (Linux; elsewhere the backplane's
        end does it)."""
        import ctypes

        prctl = getattr(ctypes.CDLL(None), "prctl", None)
        if prctl is not None:
            prctl(1, 9, 0, 0, 0)
