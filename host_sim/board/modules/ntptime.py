"""`ntptime` with the stock interface, asking the simulated network for the time.

It must never set the clock while the network is away; the host can make the network's time lie.
"""

import _board

host = "pool.ntp.org"
timeout = 1


def time():
    """Seconds since 2000-01-01. OSError(-202) without Wi-Fi, OSError(116) if no time server answers."""
    for hook in _board.hooks:
        hook()
    if not _board.associated:
        raise OSError(-202)
    if not _board.ntp_up:
        _board.sleep_ms(int(timeout * 1000))
        raise OSError(116)
    return _board.host_seconds()


def settime():
    """Set the RTC, in UTC."""
    import machine

    year, month, day, hour, minute, second, weekday, _ = _board.date_of(time())
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))
