"""Judges messages with hxtp on whatever runtime runs this; one verdict a line on stdout.

On stdin each message stands behind its length, four bytes big-endian: a small heap has no room for
a long message twice. Argument: the folder of the `hxtp` package.
"""

import sys

sys.path.insert(0, sys.argv[1])

import gc
from hashlib import sha256

from hxtp import envelope
from hxtp.replay import Floor
from hxtp.sign import Key

NOW = 1777200000000
DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "11111111-2222-4333-8444-555555555555"


def main():
    slots = [(Key(bytes(range(32))), Floor(-1)), (Key(bytes(range(32, 64))), Floor(-1))]
    verifier = envelope.Verifier(15, slots, DEVICE, TENANT)
    while True:
        size = sys.stdin.buffer.read(4)
        if not size:
            return
        data = sys.stdin.buffer.read(int.from_bytes(size, "big"))
        gc.collect()
        message = verifier.judge(data, NOW)
        if message.code is None:
            message.params()
            print("OK", int(message.rotated), message.type, list(sha256(message.body).digest()[:4]))
        else:
            print(message.code)


main()
