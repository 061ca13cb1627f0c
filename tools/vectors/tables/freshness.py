"""Time, nonces and numbers: the edges of what is new."""

from tools.vectors.cases import OK, Case, File, Group, verify
from tools.vectors.wire import BASE64_NONCE, MESSAGE, NONCE, NOW, pipe10

COMMAND = pipe10()
EXPIRED = "TIMESTAMP_EXPIRED"
FUTURE = "TIMESTAMP_FUTURE"
REUSED = "NONCE_REUSED"
VIOLATION = "SEQUENCE_VIOLATION"
LARGEST = 2**53 - 1


def at(id: str, comment: str, off: int, verdict: str = OK, **changes: float) -> Case:
    """The command, judged `off` ms after it was sent."""
    return verify(f"time-{id}", comment, COMMAND, verdict, now_ms=NOW + off, **changes)


def sent(id: str, comment: str, timestamp: int, now: int, verdict: str = OK) -> Case:
    return verify(
        f"time-{id}",
        comment,
        pipe10(timestamp=timestamp),
        verdict,
        now_ms=now,
        clauses=("HX3-WIRE-42", "HX3-VAL-05"),
    )


TIME = Group(
    "age",
    "300 s back and 60 s ahead, compared in ms, both edges accepted.",
    [
        at("now", "sent this very ms", 0),
        at("age-299999", "299.999 s old", 299_999),
        at("age-300000", "exactly 300 s old", 300_000),
        at("age-300001", "300.001 s old", 300_001, EXPIRED),
        at("age-301000", "301 s old", 301_000, EXPIRED),
        at("age-day", "a day old", 86_400_000, EXPIRED),
        at("future-59999", "59.999 s ahead", -59_999),
        at("future-60000", "exactly 60 s ahead", -60_000),
        at("future-60001", "60.001 s ahead", -60_001, FUTURE),
        at("future-61000", "61 s ahead", -61_000, FUTURE),
        at("future-day", "a day ahead", -86_400_000, FUTURE),
    ],
    ("Time",),
    ("HX3-VAL-05",),
)

LIMITS = Group(
    "tighter limits",
    "What a tenant may set, and what a codec can be asked.",
    [
        at("limit-30-at", "exactly 30 s old, 30 s allowed", 30_000, max_age_s=30),
        at("limit-30-over", "30.001 s old, 30 s allowed", 30_001, EXPIRED, max_age_s=30),
        at("limit-5-at", "exactly 5 s ahead, 5 s allowed", -5_000, future_s=5),
        at("limit-5-over", "5.001 s ahead, 5 s allowed", -5_001, FUTURE, future_s=5),
        at("limit-0", "no age allowed, and none there", 0, max_age_s=0, future_s=0),
        at("limit-0-over", "no age allowed, 1 ms old", 1, EXPIRED, max_age_s=0),
        at("limit-0-ahead", "nothing ahead allowed, 1 ms ahead", -1, FUTURE, future_s=0),
        at("limit-fraction", "1.5 s allowed, 1.5 s old", 1_500, max_age_s=1.5),
        at("limit-fraction-over", "1.5 s allowed, 1.501 s old", 1_501, EXPIRED, max_age_s=1.5),
        at("limit-future-fraction", "0.25 s ahead allowed, 0.25 s ahead", -250, future_s=0.25),
        at("limit-future-fraction-over", "0.25 s ahead allowed, 0.251 s ahead", -251, FUTURE, future_s=0.25),
        at("limit-hour", "an hour allowed, 3,600 s old", 3_600_000, max_age_s=3600),
    ],
    ("Time",),
    ("HX3-VAL-05", "HX3-VAL-06", "HX3-CODEC-08"),
)

UNITS = Group(
    "seconds and milliseconds",
    "A timestamp of at most 1,000,000,000,000 counts seconds.",
    [
        sent("seconds", "in seconds, now", NOW // 1000, NOW),
        sent("seconds-age-300", "in seconds, 300 s old", NOW // 1000 - 300, NOW),
        sent("seconds-age-301", "in seconds, 301 s old", NOW // 1000 - 301, NOW, EXPIRED),
        sent("seconds-future-60", "in seconds, 60 s ahead", NOW // 1000 + 60, NOW),
        sent("seconds-future-61", "in seconds, 61 s ahead", NOW // 1000 + 61, NOW, FUTURE),
        sent("border-seconds", "1,000,000,000,000 is seconds", 10**12, 10**15),
        sent("border-seconds-as-ms", "1,000,000,000,000 is not ms", 10**12, 10**12, FUTURE),
        sent("border-ms", "1,000,000,000,001 is ms", 10**12 + 1, 10**12 + 1),
        sent("border-ms-as-seconds", "1,000,000,000,001 is not seconds", 10**12 + 1, 10**15 + 1000, EXPIRED),
        sent("zero", "0, as a device without a clock says", 0, NOW, EXPIRED),
        sent("zero-at-zero", "0 for a receiver whose clock is at 0", 0, 0),
        sent("zero-now", "a receiver whose clock is at 0", NOW, 0, FUTURE),
        sent("largest", "2^53 - 1, for a clock that is there too", LARGEST, LARGEST),
        sent("largest-now", "2^53 - 1 today", LARGEST, NOW, FUTURE),
        sent("largest-clock", "today, for a clock at 2^53 - 1", NOW, LARGEST, EXPIRED),
    ],
    ("Time",),
    ("HX3-WIRE-42", "HX3-VAL-05"),
)

NONCES = Group(
    "nonces seen before",
    "A nonce is compared as the characters that were sent.",
    [
        verify("nonce-new", "none of those seen", COMMAND, seen_nonces=["ab" * 16, BASE64_NONCE]),
        verify("nonce-seen", "the one that was seen", COMMAND, REUSED, seen_nonces=[NONCE]),
        verify(
            "nonce-seen-of-many",
            "one of a hundred",
            COMMAND,
            REUSED,
            seen_nonces=[*(f"{number:032x}" for number in range(99)), NONCE],
        ),
        verify(
            "nonce-seen-first",
            "the first of a hundred",
            COMMAND,
            REUSED,
            seen_nonces=[NONCE, *(f"{number:032x}" for number in range(99))],
        ),
        verify(
            "nonce-seen-capital",
            "the same bytes in capital digits are another nonce",
            COMMAND,
            seen_nonces=[NONCE.upper()],
        ),
        verify(
            "nonce-seen-base64",
            "the same bytes as base64 are another nonce",
            COMMAND,
            seen_nonces=["ABEiM0RVZneImaq7zN3u/w=="],
        ),
        verify(
            "nonce-base64-seen-hex",
            "base64, whose bytes were seen in hexadecimal digits",
            pipe10(nonce=BASE64_NONCE),
            seen_nonces=["303132333435363738393a3b3c3d3e3f"],
        ),
        verify(
            "nonce-base64-seen",
            "base64 that was seen",
            pipe10(nonce=BASE64_NONCE),
            REUSED,
            seen_nonces=[BASE64_NONCE],
        ),
        verify(
            "nonce-escaped-seen",
            "written with escapes, and seen",
            pipe10(texts={"nonce": rf'"\u0030{NONCE[1:]}"'}),
            REUSED,
            seen_nonces=[NONCE],
            clauses=("HX3-SEQ-03", "HX3-CANON-02"),
        ),
        verify(
            "nonce-prefix-seen", "only a part of it was seen", COMMAND, seen_nonces=[NONCE[:-1], NONCE + "0"]
        ),
        verify("nonce-null", "no list of nonces", COMMAND, seen_nonces=None, clauses=("HX3-CODEC-08",)),
        verify("nonce-message-id-seen", "message ids are no nonces", COMMAND, seen_nonces=[MESSAGE]),
    ],
    ("Replay",),
    ("HX3-SEQ-02", "HX3-SEQ-03"),
)


def numbered(id: str, comment: str, number: int, last: int | None, verdict: str = OK) -> Case:
    return verify(f"sequence-{id}", comment, pipe10(sequence_number=number), verdict, last_sequence=last)


SEQUENCE = Group(
    "numbers",
    "A number has to be above the last one; null means that there was none.",
    [
        numbered("none", "the first of all", 7, None),
        numbered("none-zero", "0, where there was none", 0, None),
        numbered("zero-zero", "0 after 0", 0, 0, VIOLATION),
        numbered("one-zero", "1 after 0", 1, 0),
        numbered("two-one", "2 after 1", 2, 1),
        numbered("one-two", "1 after 2", 1, 2, VIOLATION),
        numbered("equal", "7 after 7", 7, 7, VIOLATION),
        numbered("lower", "7 after 8", 7, 8, VIOLATION),
        numbered("much-lower", "7 after 70, which a cloud's window would hold", 7, 70, VIOLATION),
        numbered("gap", "a gap of a million", 1_000_007, 7),
        numbered("far", "a gap of more than 2^32", 2**33, 7),
        numbered("32-bits", "2^32 after 2^32 - 1", 2**32, 2**32 - 1),
        numbered("32-bits-lower", "2^32 - 1 after 2^32", 2**32 - 1, 2**32, VIOLATION),
        numbered("32-bits-wrapped", "2^32 + 5 after 6", 2**32 + 5, 6),
        numbered("text", "10 after 9, which is lower as text", 10, 9),
        numbered("text-lower", "9 after 10, which is higher as text", 9, 10, VIOLATION),
        numbered("largest", "2^53 - 1 after 2^53 - 2", LARGEST, LARGEST - 1),
        numbered("largest-equal", "2^53 - 1 after 2^53 - 1", LARGEST, LARGEST, VIOLATION),
        numbered("largest-lower", "2^53 - 2 after 2^53 - 1", LARGEST - 1, LARGEST, VIOLATION),
        numbered("none-left", "0 after 2^53 - 1: nothing wraps", 0, LARGEST, VIOLATION),
    ],
    ("Sequence",),
    ("HX3-SEQ-01", "HX3-CODEC-05"),
)

FILE = File("freshness", [TIME, LIMITS, UNITS, NONCES, SEQUENCE])
