"""`micropython` for CPython: the decorators and calls that firmware uses do here what they mean without a
compiler.

It must never change what a function computes.
"""

import _board


def const(value):
    return value


def native(function):
    return function


viper = native


def opt_level(level=None):
    return 0 if level is None else None


def alloc_emergency_exception_buf(size):
    """CPython can always make an exception."""


def schedule(function, argument):
    _board.call(function, argument)


def mem_info(verbose=None):
    print("mem: not known on CPython")


def kbd_intr(character):
    """The console's Ctrl-C is the host's."""


def heap_lock():
    return 0


heap_unlock = heap_lock
