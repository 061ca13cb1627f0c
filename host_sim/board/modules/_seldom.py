"""What few programs want of `machine`: its clock's frequency, sleeping, interrupts, and sending bits.

It must never be imported but through `machine`, which loads it when something in it is asked for.
"""

import _board

_hz = 160000000


def soft_reset():
    _board.reset(_board.SOFT_RESET)


def unique_id():
    return _board.uid


def freq(*hz):
    global _hz
    if not hz:
        return _hz
    if hz[0] not in (20000000, 40000000, 80000000, 160000000, 240000000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80MHz, 160MHz or 240MHz")
    _hz = hz[0]


def idle():
    _board.sleep_ms(1)


def lightsleep(ms=0):
    _board.sleep_ms(ms)


def deepsleep(ms=0):
    """Sleep, then start anew with DEEPSLEEP_RESET. Without `ms` only the host can wake the board."""
    _board.record("deepsleep", ms=ms)
    _board.reset(_board.DEEPSLEEP_RESET)


def disable_irq():
    state = _board.irq_off
    _board.irq_off = True
    return state


def enable_irq(state=False):
    _board.irq_off = state
    if not state:
        _board.pump()


def bitstream(pin, encoding, timing, data):
    """What `neopixel` sends: one frame, told as the hex of its bytes in wire order."""
    if encoding != 0:
        raise ValueError("invalid encoding")
    _board.record("neopixel", pin=pin.id, data=bytes(data).hex(), timing=list(timing))
