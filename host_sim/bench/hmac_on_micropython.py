"""Runs on MicroPython: what an HMAC of SIZE bytes takes there, prepared as `hxtp.sign` does it, written
naively, and the one hash without which there is none. Argument: the folder of the `hxtp` package.

Prints a line for each of RUNS turns: microseconds and bytes allocated of each of the three.
"""

import gc
import sys
from hashlib import sha256
from time import ticks_diff, ticks_us

sys.path.insert(0, sys.argv[1])

from hxtp.sign import Key

SIZE = 2000
RUNS = 15
GROUPS = 20
CALLS = 10


def naive(secret, data):
    block = secret + bytes(64 - len(secret))
    inner = sha256(bytes([byte ^ 0x36 for byte in block]))
    inner.update(data)
    outer = sha256(bytes([byte ^ 0x5C for byte in block]))
    outer.update(inner.digest())
    return outer.digest()


def cost(function, *args):
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    function(*args)
    allocated = gc.mem_alloc() - before
    gc.enable()
    # The clock here is that on the wall: of several groups the one that was disturbed least counts.
    least = 1 << 30
    for _ in range(GROUPS):
        gc.collect()  # in between, so that none falls into what is measured
        gc.disable()
        start = ticks_us()
        for _ in range(CALLS):
            function(*args)
        least = min(least, ticks_diff(ticks_us(), start))
        gc.enable()
    return least / CALLS, allocated


def empty(data):
    pass


def plain(data):
    sha256(data).digest()


def main():
    secret = b"\xab" * 32
    data = bytes(SIZE)
    key = Key(secret)
    if key.mac(data) != naive(secret, data):
        raise ValueError("the two do not agree")
    for _ in range(RUNS):
        call, taken = cost(empty, data)
        found = []
        for time, allocated in (cost(key.mac, data), cost(naive, secret, data), cost(plain, data)):
            found.append(f"{time - call} {allocated - taken}")
        print(" ".join(found))


main()
