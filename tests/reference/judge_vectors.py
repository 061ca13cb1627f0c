"""Judges and builds messages of a file with hxtp on whatever runtime runs this; an answer a line on stdout.

A record is a list of settings as JSON and a message or body, each behind its length, four bytes big-endian: a
small heap has no room for a long message twice. Arguments: the folder of the `hxtp` package, the file.
"""

import sys

sys.path.insert(0, sys.argv[1])

import gc
import json
from binascii import hexlify, unhexlify
from hashlib import sha256

from hxtp import envelope
from hxtp.replay import Floor
from hxtp.sign import Key


def judged(settings, data):
    direction, secrets, device_id, tenant_id, required, now, max_age, max_future, last, seen = settings
    floor = Floor(last)
    floor.nonces = [nonce.encode() for nonce in seen]
    slots = [(Key(unhexlify(secret)), floor) for secret in secrets]
    verifier = envelope.Verifier(direction, slots, device_id, tenant_id, required)
    verifier.max_age = max_age
    verifier.max_future = max_future
    message = verifier.judge(data, now)
    if message.code is not None:
        return message.code
    return " ".join(("OK", str(int(message.rotated)), message.type, fingerprint(message.body)))


def built(settings, body):
    secret, fields, framed = settings
    return fingerprint(envelope.build(Key(unhexlify(secret)), fields, body, framed))


def fingerprint(data):
    return hexlify(sha256(data).digest()).decode()


def part(file):
    return file.read(int.from_bytes(file.read(4), "big"))


def main():
    with open(sys.argv[2], "rb") as file:
        while True:
            raw = part(file)
            if not raw:
                return
            settings = json.loads(raw)
            gc.collect()
            data = part(file)
            print((judged if len(settings) == 10 else built)(settings, data))


main()
