"""Codecs whose verdict is wrong behind the fields: time, replay, identity, hash, signature, their order."""

import json

from host_sim import codec
from host_sim.conformance.mutants import Edit, Swap
from host_sim.conformance.mutants.broken import VERIFIER, broken, judged, parsed
from hxtp import envelope, replay
from hxtp.sign import digest


def _again(raw: bytes) -> bytes:
    return json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


SIGNATURES = [
    broken(
        "signature-unchecked",
        "takes every signature for good",
        "what is covered",
        Swap(envelope, "equal", lambda one, other: True),
    ),
    broken(
        "signature-truncated",
        "compares the first 16 bytes of the signature",
        "how it is made",
        Swap(envelope, "equal", lambda one, other: one[:16] == other[:16]),
    ),
    broken(
        "signature-tail",
        "compares the last 16 bytes of the signature",
        "how it is made",
        Swap(envelope, "equal", lambda one, other: one[-16:] == other[-16:]),
    ),
    broken(
        "signature-any-case",
        "takes hash and signature in capitals",
        "hash and signature as text",
        Edit(envelope, "_hex64", ("raw, code, 64, 64, _HEX", 'raw, code, 64, 64, _HEX + b"ABCDEF"')),
    ),
    broken(
        "key-as-text",
        "signs with the hexadecimal text of the secret",
        "how it is made",
        Edit(codec, "_secret", ("Key(secret)", "Key(secret.hex().encode())")),
    ),
    broken(
        "hash-unchecked",
        "never compares the payload hash",
        "the bytes that are hashed",
        Swap(VERIFIER, "hash_holds", lambda self, message: True),
    ),
    broken(
        "hash-truncated",
        "compares the first half of the payload hash",
        "how it is made",
        Swap(
            VERIFIER,
            "hash_holds",
            lambda self, message: digest(message.body)[:32] == message.payload_hash[:32],
        ),
    ),
    broken(
        "body-reserialised",
        "parses the body and hashes what its own JSON writer makes of it",
        "the bytes that are hashed",
        Swap(
            VERIFIER, "hash_holds", lambda self, message: digest(_again(message.body)) == message.payload_hash
        ),
    ),
    broken(
        "body-answered-anew",
        "answers with a body that was written anew",
        "the bytes that are hashed",
        Edit(codec, "_verify", ("message.body.decode()", "json.dumps(json.loads(message.body))")),
    ),
    broken(
        "fields-undecoded",
        "signs the spelling of ids, escapes included",
        "the signed text",
        Edit(envelope, "_text", ("text = jsonscan.unescape(text)", "pass")),
    ),
    broken(
        "hash-not-signed",
        "leaves the payload hash out of the signed text",
        "how it is made",
        Swap(envelope, "signed_text", lambda *fields: b"HxTP/3.0|" + b"|".join(fields[:-1])),
    ),
    broken(
        "previous-ignored",
        "does not try the previous secret",
        "two secrets",
        Edit(codec, "_verify", ('if not _nullable(request, "previous_secret_hex"):', "if False:")),
    ),
    broken(
        "rotated-never",
        "never says that the previous secret verified",
        "two secrets",
        judged(
            ("message.rotated = slot is not None and slot is not self.slots[0]", "message.rotated = False")
        ),
    ),
    broken(
        "rotated-when-two",
        "says rotated whenever there are two secrets",
        "two secrets",
        judged(("slot is not None and slot is not self.slots[0]", "len(self.slots) > 1")),
    ),
    broken(
        "previous-first",
        "tries the previous secret before the active one",
        "two secrets",
        judged(("in self.slots:", "in self.slots[::-1]:")),
    ),
]

FRESHNESS = [
    broken(
        "age-off-by-one",
        "refuses a message exactly as old as allowed",
        "age",
        judged(("now - message.timestamp > self.max_age", "now - message.timestamp >= self.max_age")),
    ),
    broken(
        "future-off-by-one",
        "refuses a message exactly as far ahead as allowed",
        "age",
        judged(("message.timestamp - now > self.max_future", "message.timestamp - now >= self.max_future")),
    ),
    broken(
        "age-in-seconds",
        "compares ages in whole seconds",
        "age",
        judged(
            (
                "now - message.timestamp > self.max_age",
                "(now - message.timestamp) // 1000 * 1000 > self.max_age",
            )
        ),
    ),
    broken(
        "future-in-seconds",
        "compares times ahead in rounded seconds",
        "age",
        judged(
            (
                "message.timestamp - now > self.max_future",
                "round((message.timestamp - now) / 1000) * 1000 > self.max_future",
            )
        ),
    ),
    broken(
        "age-fixed",
        "knows 300 s and 60 s alone",
        "tighter limits",
        Edit(codec, "_verify", ("judge.max_age, judge.max_future = limits", "pass")),
    ),
    broken(
        "seconds-unknown",
        "takes every timestamp for milliseconds",
        "seconds and milliseconds",
        parsed(("sent if sent > 1000000000000 else sent * 1000", "sent")),
    ),
    broken(
        "seconds-off-by-one",
        "takes 1,000,000,000,000 for milliseconds",
        "seconds and milliseconds",
        parsed(("sent > 1000000000000", "sent >= 1000000000000")),
    ),
    broken(
        "number-again",
        "accepts the last number once more",
        "numbers",
        Swap(replay.Floor, "sequence_ok", lambda self, sequence: sequence >= self.last),
    ),
    broken(
        "number-unchecked",
        "accepts any number",
        "numbers",
        Swap(replay.Floor, "sequence_ok", lambda self, sequence: True),
    ),
    broken(
        "number-in-a-row",
        "accepts no number but the next",
        "numbers",
        Swap(replay.Floor, "sequence_ok", lambda self, sequence: self.last < 0 or sequence == self.last + 1),
    ),
    broken(
        "number-zero-refused",
        "takes null for a last number of 0",
        "numbers",
        Edit(codec, "_verify", ("Floor(-1 if", "Floor(0 if")),
    ),
    broken(
        "nonce-unchecked",
        "never looks at the nonces seen",
        "nonces seen before",
        Swap(replay.Floor, "nonce_seen", lambda self, nonce: False),
    ),
    broken(
        "nonce-any-case",
        "compares nonces without regard to case",
        "nonces seen before",
        Swap(
            replay.Floor, "nonce_seen", lambda self, nonce: nonce.lower() in [n.lower() for n in self.nonces]
        ),
    ),
    broken(
        "nonce-spelling",
        "compares nonces as they are spelled in the message, escapes included",
        "nonces seen before",
        parsed(("message.nonce = nonce", 'message.nonce = get(b"nonce")[1:-1]')),
    ),
]

ROUTING = [
    broken(
        "direction-ignored",
        "accepts a type in every direction",
        "types and directions",
        judged(("not known[2] & self.direction or channel", "channel")),
    ),
    broken(
        "device-ignored",
        "does not compare the device id",
        "device",
        judged(("if self.device_id not in (None, message.device_id):", "if False:")),
    ),
    broken(
        "device-any-case",
        "compares the device id without regard to case",
        "device",
        judged(
            (
                "if self.device_id not in (None, message.device_id):",
                "if self.device_id and self.device_id.lower() != message.device_id.lower():",
            )
        ),
    ),
    broken(
        "tenant-ignored",
        "does not compare the tenant",
        "tenant",
        judged(("elif self.tenant_id not in (None, message.tenant_id):", "elif False:")),
    ),
    broken(
        "tenant-optional",
        "lets a device take a message without a tenant",
        "tenant",
        judged(("if self.tenant_required:", "if False:")),
    ),
    broken(
        "tenant-needed",
        "lets nobody take a message without a tenant",
        "tenant",
        judged(("if self.tenant_required:", "if self.tenant_id:")),
    ),
    broken(
        "type-unknown",
        "takes the frame's word for the type",
        "type codes",
        parsed((" or (code is not None and code != known[0])", "")),
    ),
]

ORDER = [
    broken(
        "time-last",
        "checks the signature before the time",
        "wrong at two steps",
        judged(
            (
                "if now is None or message.timestamp",
                "if not hashed:\n        code = HASH_MISMATCH\n"
                "    elif slot is None:\n        code = SIGNATURE_INVALID\n"
                "    elif now is None or message.timestamp",
            ),
        ),
    ),
    broken(
        "hash-before-nonce",
        "checks the payload hash before the nonce",
        "wrong at two steps",
        judged(
            (
                "elif replay.nonce_seen(message.nonce):\n        code = NONCE_REUSED",
                "elif not hashed:\n        code = HASH_MISMATCH",
            ),
            (
                "elif not hashed:\n        code = HASH_MISMATCH\n    elif not replay",
                "elif replay.nonce_seen(message.nonce):\n        code = NONCE_REUSED\n    elif not replay",
            ),
        ),
    ),
    broken(
        "number-last",
        "checks the signature before the number",
        "wrong at two steps",
        judged(
            (
                "elif not replay.sequence_ok(message.sequence):\n        code = SEQUENCE_VIOLATION",
                "elif slot is None:\n        code = SIGNATURE_INVALID",
            ),
            (
                "elif slot is None:\n        code = SIGNATURE_INVALID\n    else",
                "elif not replay.sequence_ok(message.sequence):\n        code = SEQUENCE_VIOLATION\n    else",
            ),
        ),
    ),
]

ALL = SIGNATURES + FRESHNESS + ROUTING + ORDER
