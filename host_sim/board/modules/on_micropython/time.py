"""`time` as an ESP32 has it, for MicroPython's unix port: ticks of 2**30, epoch 2000, whole seconds, a board
that lives while one sleeps. It must never read the host's wall clock."""

from _board import (  # noqa: F401
    gmtime,
    mktime,
    sleep,
    sleep_ms,
    sleep_us,
    ticks_add,
    ticks_diff,
    ticks_ms,
    ticks_us,
    time,
    time_ns,
)

localtime = gmtime
ticks_cpu = ticks_us
