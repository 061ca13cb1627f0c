"""Signatures: what they cover, over which text and with which key they are made, and two keys in turn."""

import hashlib
import hmac

from tools.vectors.cases import OK, ROTATED, Case, File, Group, verify
from tools.vectors.wire import (
    ACTIVE,
    BODY,
    CANONICAL_ALONE,
    CLIENT,
    DEVICE,
    FIELDS,
    MESSAGE,
    NONCE,
    NOW,
    PREVIOUS,
    STRANGER,
    TENANT,
    mac,
    pipe10,
    pipe10_text,
    sha256,
)

COMMAND = pipe10()
INVALID = "SIGNATURE_INVALID"
VALUES = {**FIELDS, "payload_hash": sha256(BODY)}
TEXT = pipe10_text(VALUES)
ZERO = bytes(32)


def signed(id: str, comment: str, signature: str, verdict: str = INVALID) -> Case:
    """The command with another signature, of 64 digits."""
    return verify(f"signature-{id}", comment, pipe10(signature=signature), verdict)


def over(id: str, comment: str, text: str) -> Case:
    """The command, signed with the right secret over another text."""
    return signed(f"over-{id}", f"signed over {comment}", mac(ACTIVE, text))


def changed(id: str, comment: str, before: str, after: str, verdict: str = INVALID) -> Case:
    return verify(f"signature-{id}-changed", comment, COMMAND.swap(before, after), verdict)


COVERED = Group(
    "what is covered",
    "Each signed field changed after signing, to a value that passes every other check.",
    [
        changed("device-id", "device_id", DEVICE, "1" + DEVICE[1:]),
        changed("client-id", "client_id", CLIENT, "another"),
        changed("message-id", "message_id", f'"message_id":"{MESSAGE}"', '"message_id":"m-1"'),
        changed("request-id", "request_id", f'"request_id":"{MESSAGE}"', '"request_id":"r-1"'),
        changed("sequence-number", "sequence_number", ":7,", ":8,"),
        changed("timestamp", "timestamp", str(NOW), str(NOW + 1)),
        changed("timestamp-unit", "a timestamp in ms made one in seconds", str(NOW), str(NOW // 1000)),
        changed("nonce", "nonce", NONCE, "ab" * 16),
        changed("nonce-case", "a digit of the nonce made capital", NONCE, NONCE.replace("f", "F")),
        changed("message-type", "message_type", '"command"', '"heartbeat"'),
        changed("tenant-id", "tenant_id, which pipe10 does not sign", TENANT, "another", OK),
        verify(
            "signature-body-and-hash-changed",
            "another body and its right hash",
            COMMAND.swap("80", "81").swap(sha256(BODY), sha256(BODY.replace("80", "81"))),
            INVALID,
        ),
        verify(
            "signature-of-another-message",
            "the signature of a message that differs in its number alone",
            pipe10(signature=mac(ACTIVE, pipe10_text({**VALUES, "sequence_number": 8}))),
            INVALID,
        ),
        verify(
            "signature-hello-as-command",
            "a hello whose type was changed to command",
            pipe10("{}", message_type="hello").swap('"hello"', '"command"'),
            INVALID,
        ),
    ],
    ("Covered",),
    ("HX3-CANON-01",),
)

PARTS = TEXT.split("|")

OVER = Group(
    "the signed text",
    "Signed with the right secret over a text that is not the one of ten fields.",
    [
        over("no-version", "nine fields, the version left out", "|".join(PARTS[1:])),
        over("no-hash", "nine fields, the hash left out", "|".join(PARTS[:-1])),
        over("no-request-id", "nine fields, request_id left out", "|".join(PARTS[:4] + PARTS[5:])),
        over("tenant", "eleven fields, tenant_id among them", "|".join([*PARTS[:2], TENANT, *PARTS[2:]])),
        over(
            "type-first",
            "message_type behind the version",
            "|".join([PARTS[0], PARTS[8], *PARTS[1:8], PARTS[9]]),
        ),
        over("bar-behind", "a | behind", TEXT + "|"),
        over("bar-before", "a | before", "|" + TEXT),
        over("line-feed", "a line feed behind", TEXT + "\n"),
        over("nul", "a byte 00 behind", TEXT + "\0"),
        over("colons", "colons instead of bars", TEXT.replace("|", ":")),
        over("no-separator", "no separators", TEXT.replace("|", "")),
        over("version-short", "the version as 3.0", TEXT.replace("HxTP/3.0", "3.0")),
        over("version-case", "the version as hxtp/3.0", TEXT.replace("HxTP", "hxtp")),
        over("hash-capital", "the hash in capital digits", "|".join([*PARTS[:-1], PARTS[-1].upper()])),
        over("body", "the body instead of its hash", "|".join([*PARTS[:-1], BODY])),
        over("seconds", "the time in seconds", TEXT.replace(str(NOW), str(NOW // 1000))),
        over("fraction", "the number as 7.0", TEXT.replace("|7|", "|7.0|")),
        over("hash-of-text", "the hash of the text", sha256(TEXT)),
        over("canonical", "the canonical JSON of the params", CANONICAL_ALONE),
        over("hash-alone", "the hash alone", sha256(BODY)),
        over("empty", "the empty text", ""),
    ],
    ("SignedText",),
    ("HX3-CANON-01",),
)

MADE = Group(
    "how it is made",
    "HMAC-SHA256 under the 32 bytes of the secret, and all of its digits.",
    [
        signed("zeros", "nothing but zeros", "0" * 64),
        signed("ones", "nothing but f", "f" * 64),
        signed("first-digit", "a wrong first digit", "0" + mac(ACTIVE, TEXT)[1:]),
        signed("last-digit", "a wrong last digit", mac(ACTIVE, TEXT)[:-1] + "0"),
        signed("half", "a right first half", mac(ACTIVE, TEXT)[:32] + "0" * 32),
        signed("second-half", "a right second half", "0" * 32 + mac(ACTIVE, TEXT)[32:]),
        signed("reversed", "its bytes the wrong way round", bytes.fromhex(mac(ACTIVE, TEXT))[::-1].hex()),
        signed("hex-key", "the secret as 64 digits of text for a key", mac(ACTIVE.hex().encode(), TEXT)),
        signed("hex-key-capital", "the secret as capital digits", mac(ACTIVE.hex().upper().encode(), TEXT)),
        signed("key-16", "the first half of the secret", mac(ACTIVE[:16], TEXT)),
        signed("key-empty", "an empty key", mac(b"", TEXT)),
        signed("key-zero", "a key of zeros", mac(ZERO, TEXT)),
        signed("key-device", "the device id for a key", mac(DEVICE.encode(), TEXT)),
        signed("no-key", "the hash of the text without a key", sha256(TEXT)),
        signed(
            "prefix-key", "the hash of secret and text", hashlib.sha256(ACTIVE + TEXT.encode()).hexdigest()
        ),
        signed(
            "suffix-key", "the hash of text and secret", hashlib.sha256(TEXT.encode() + ACTIVE).hexdigest()
        ),
        signed("twice", "an HMAC of the HMAC", mac(ACTIVE, mac(ACTIVE, TEXT))),
        signed("sha-512", "HMAC-SHA512, cut", hmac.new(ACTIVE, TEXT.encode(), "sha512").hexdigest()[:64]),
        signed("sha3", "HMAC-SHA3-256", hmac.new(ACTIVE, TEXT.encode(), "sha3_256").hexdigest()),
        signed("hash", "the payload hash", sha256(BODY)),
        signed("stranger", "another secret", mac(STRANGER, TEXT)),
        signed("right", "the right one", mac(ACTIVE, TEXT), OK),
    ],
    ("Hmac",),
    ("HX3-CANON-03",),
)


def keys(
    id: str, comment: str, signer: bytes, first: bytes, second: bytes | None, verdict: str, **changes: int
) -> Case:
    return verify(
        f"keys-{id}",
        comment,
        pipe10(key=signer),
        verdict,
        secret_hex=first.hex(),
        previous_secret_hex=None if second is None else second.hex(),
        **changes,
    )


KEYS = Group(
    "two secrets",
    "Both verify, and the answer says when it was the second.",
    [
        keys("first", "signed with the first", ACTIVE, ACTIVE, PREVIOUS, OK),
        keys("second", "signed with the second", PREVIOUS, ACTIVE, PREVIOUS, ROTATED),
        keys("neither", "signed with neither", STRANGER, ACTIVE, PREVIOUS, INVALID),
        keys("one", "signed with the only one", ACTIVE, ACTIVE, None, OK),
        keys("one-other", "signed with what was the second, which is gone", PREVIOUS, ACTIVE, None, INVALID),
        keys("equal", "both the same: the first verifies", ACTIVE, ACTIVE, ACTIVE, OK),
        keys("turned", "the same two the other way round", ACTIVE, PREVIOUS, ACTIVE, ROTATED),
        keys("zero", "a second secret of zeros, signed with zeros", ZERO, ACTIVE, ZERO, ROTATED),
        keys(
            "second-old",
            "signed with the second and too old",
            PREVIOUS,
            ACTIVE,
            PREVIOUS,
            "TIMESTAMP_EXPIRED",
            now_ms=NOW + 300_001,
        ),
        keys(
            "second-number",
            "signed with the second, its number used",
            PREVIOUS,
            ACTIVE,
            PREVIOUS,
            "SEQUENCE_VIOLATION",
            last_sequence=7,
        ),
        keys(
            "neither-number",
            "signed with neither, its number used",
            STRANGER,
            ACTIVE,
            PREVIOUS,
            "SEQUENCE_VIOLATION",
            last_sequence=7,
        ),
        keys("capital", "nothing but ff, signed with it", b"\xff" * 32, b"\xff" * 32, None, OK),
    ],
    ("TwoSecrets",),
    ("HX3-CODEC-07",),
)

FILE = File("signature", [COVERED, OVER, MADE, KEYS])
