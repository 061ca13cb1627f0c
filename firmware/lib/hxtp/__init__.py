"""HxTP/3.0, sans-I/O: bytes and clock ticks in, messages and commands out.

This package must never open a socket or a file, read a clock or make randomness:
they are passed in. The same files run on MicroPython and on CPython, for the device
and for the cloud; a device need not load `cloud` and `window`.
"""

VERSION = "HxTP/3.0"
