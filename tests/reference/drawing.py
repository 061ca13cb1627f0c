"""Messages for whatever is compared with the reference implementation: right, damaged and hostile ones."""

import json
import random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

import host_sim  # noqa: F401  (puts hxtp on the path)
from hxtp import frame as hxtp_frame
from tests.reference import pipe10_reference as reference

MORE = settings(max_examples=4 * settings.default.max_examples)

NOW = 1777200000000
SECRET = bytes(range(32))
PREVIOUS = bytes(range(32, 64))
STRANGER = bytes(range(64, 96))
DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "11111111-2222-4333-8444-555555555555"
FIELDS = {
    "message_type": "command",
    "device_id": DEVICE,
    "tenant_id": TENANT,
    "client_id": "99999999-8888-4777-8666-555555555555",
    "message_id": "20212223-2425-4627-a829-2a2b2c2d2e2f",
    "request_id": "20212223-2425-4627-a829-2a2b2c2d2e2f",
    "sequence_number": 7,
    "timestamp": NOW,
    "nonce": "00112233445566778899aabbccddeeff",
}
BODY = b'{"action":"light_on","brightness":80}'
MASKS = {
    "to_device": hxtp_frame.TO_DEVICE,
    "to_cloud": hxtp_frame.TO_CLOUD,
    "from_client": hxtp_frame.FROM_CLIENT,
    "any": 15,
}


def random_order(seed: int, members: list[tuple[str, str]]) -> str:
    """The members as the text of one object, in an order and with white space that the seed decides."""
    choice = random.Random(seed)
    members = members[:]
    choice.shuffle(members)

    def white() -> str:
        return choice.choice(["", "", "", "", " ", "\n", "\t \r\n"])

    inner = ",".join(f'{white()}"{name}"{white()}:{white()}{text}{white()}' for name, text in members)
    return f"{choice.choice(['', '', ' ', chr(10)])}{{{inner}}}{white()}"


def message(
    fields: dict[str, Any],
    body: str | None,
    *,
    secret: bytes = SECRET,
    body_name: str = "params",
    changes: dict[str, str | None] | None = None,
    more: list[tuple[str, str]] | None = None,
    seed: int | None = None,
) -> str:
    """The text of a message signed over `fields` and `body`, whose members are then changed.

    `changes`: name to the JSON text that stands there instead (None: not at all); `more`: raw
    names and texts that are added.
    """
    values = {name: value for name, value in fields.items() if value is not None}
    values = {"version": "HxTP/3.0", **values, "payload_hash": reference.sha256((body or "{}").encode())}
    signed = "|".join(str(values[name]) for name in reference.TEN)
    values["signature"] = reference.mac(secret, signed).finalize().hex()
    texts: dict[str, str | None] = {name: json.dumps(value) for name, value in values.items()}
    texts[body_name] = body
    texts.update(changes or {})
    members = [(name, text) for name, text in texts.items() if text is not None] + (more or [])
    if seed is None:
        return "{" + ",".join(f'"{name}":{text}' for name, text in members) + "}"
    return random_order(seed, members)


# --- what the strategies are made of

names = st.text("abcdefgh_", min_size=1, max_size=6) | st.text(max_size=4)
numbers = (
    st.integers(-(2**70), 2**70).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.sampled_from(["-0", "1E5", "1e-7", "0.10", "22.50", "1e999", "9007199254740993"])
)


def escaped(text: str) -> str:
    """A string as JSON with every character escaped."""
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2)) + '"'


strings = st.text(max_size=6).flatmap(
    lambda text: st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False), escaped(text)])
)
gaps = st.sampled_from(["", "", "", " ", "\n\t"])


def joined(marks: str):
    return lambda parts: marks[0] + ",".join(parts) + marks[1]


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(names, values, gaps), max_size=3, unique_by=lambda pair: pair[0])
    return pairs.map(lambda found: joined("{}")(f"{json.dumps(n)}{g}:{g}{v}{g}" for n, v, g in found))


json_texts = st.recursive(
    st.sampled_from(["null", "true", "false", '""', "{}", "[]"]) | numbers | strings,
    lambda inner: st.lists(inner, max_size=3).map(joined("[]")) | objects(inner),
    max_leaves=8,
)
bodies = objects(json_texts)


def nested(depth: int) -> str:
    """An array that, as a member of the body, brings the message to this depth."""
    return '{"a":' + "[" * (depth - 2) + "]" * (depth - 2) + "}"


ODD_TEXTS = [
    *("null", "true", "{}", "[]", '""', '" "', "0", "-0", "-1", "7", "07", "7.0", "7e0", "1e3", '"7"'),
    *("9007199254740991", "9007199254740992", "99999999999999999", "1000000000000", "1000000000001"),
    *('"a|b"', '"\\u007c"', '"\\u00e9"', '"\u00e9"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"'),
    *(
        '"\x7f"',
        '"\\u0000"',
        '"\\n"',
        '"a\tb"',
        '"\\x"',
        '"\\u12g4"',
        '"\\/"',
        "'a'",
        "tru",
        "NaN",
        "Infinity",
    ),
    *("-Infinity", "+1", ".5", "1.", "1e", "0x10", "--1", '"HxTP/3.1"', '"HxTP\\/3.0"', '"hxtp/3.0"'),
    *(f'"{"a" * 36}"', f'"{"a" * 37}"', f'"{"a" * 64}"', f'"{"a" * 65}"', f'"{"A" * 64}"'),
    *('"00112233445566778899aabbccddee"', '"00112233445566778899AABBCCDDEEFF"', '"MDEyMzQ1Njc4OTo7PD0+Pw=="'),
    *('"MDEyMzQ1Njc4OTo7PD0="', '"MDEyMzQ1Njc4OTo7PD0+Pw="', '"MDEyMzQ1Njc4OTo7PD0-Pw=="', '"===="'),
    *('"command"', '"state"', '"telemetry"', '"ack"', '"hello_ack"', '"no_such_type"', '"Command"'),
    *("1" * 511, "1" * 512, "1" * 513, "-" + "1" * 512, "0." + "0" * 511, "1e" + "0" * 510, "1e" + "0" * 511),
    *(nested(15), nested(16), nested(17), "[" * 300, "{" * 300, '{"a":1,"a":2}', '{"a":1,"\\u0061":2}'),
    *(
        '{"\\ud800":1}',
        '{"":0,"":1}',
        '{"a":{"":0},"":1}',
        '{"a":1,}',
        "[1,]",
        "[,1]",
        "{,}",
        '{"a"}',
        "{1:2}",
    ),
    *('"unended', '{"a":1', "[1", "1 2", "nul", '{"a" :\n[ ]\r}', "[\x0c]", "[\xa0]", '{"a":1}//'),
]
ODD_NAMES = [
    *("sequence", "protocol_version", "protocol", "action", "params", "state", "data", "result", "version"),
    *("signature", "nonce", "tenant_id", "par\\u0061ms", "\\u0061", "x\\\\", "\u00e9", "", " params", "a\tb"),
    *(
        "extra",
        "payload_hash",
        "__proto__",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ),
]
SIGNED = [*FIELDS, "version", "payload_hash", "signature", "params"]


ids = st.sampled_from([TENANT, "unknown-client", "x", "a b", '"\\', "~" * 36]) | st.text(
    [chr(code) for code in range(32, 127) if code != 124], min_size=1, max_size=36
)


def a_few(**choices: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """At most two of the named values, so that an example is wrong in one way, or two, not in all."""
    return st.lists(st.sampled_from(sorted(choices)), max_size=2, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: choices[name] for name in chosen})
    )


identities = a_few(
    message_type=st.sampled_from(sorted(reference.KINDS)),
    device_id=ids,
    tenant_id=ids | st.none(),
    client_id=ids,
    message_id=ids,
    request_id=ids,
    sequence_number=st.integers(0, 2**53 - 1),
    timestamp=st.sampled_from([NOW // 1000, NOW - 300_000]) | st.integers(0, 2**53 - 1),
    nonce=st.just("MDEyMzQ1Njc4OTo7PD0+Pw==") | st.binary(min_size=14, max_size=34).map(bytes.hex),
).map(lambda changes: FIELDS | changes)

contexts = a_few(
    direction=st.sampled_from(sorted(MASKS)),
    device_id=st.sampled_from([None, "other"]),
    tenant_id=st.sampled_from([None, "other"]),
    now=st.sampled_from([NOW + 300_000, NOW + 300_001, NOW - 60_000, NOW - 60_001, NOW * 1000, 0]),
    max_age_ms=st.sampled_from([30_000, 0]),
    last_sequence=st.sampled_from([0, 6, 7, 2**53 - 1]),
    seen=st.sampled_from([(FIELDS["nonce"],), ("MDEyMzQ1Njc4OTo7PD0+Pw==", "other")]),
)


def framed(text: bytes, fields: dict[str, Any], form: str) -> bytes:
    if form == "bare":
        return text
    return reference.frame(reference.KINDS[fields["message_type"]][0], text)


forms = st.sampled_from(["bare", "framed"])
seeds = st.integers(0, 2**32)
secrets = st.sampled_from([SECRET, SECRET, PREVIOUS, STRANGER])

FRAGMENTS = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b'"a"',
        b'"a":',
        b'"":',
        b"1",
        b"-",
        b"0",
        b"1e5",
        b"true",
    ),
    *(
        b"null",
        b" ",
        b"\n",
        b'"version":"HxTP/3.0"',
        b'"params":{}',
        b'"\\u',
        b"\\ud83d",
        b"\\ude00",
        b"d83d",
    ),
    *(b"\xc3\xa9", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82"),
    *(b"\xef\xbb\xbf", b"\xf0\x9f\x98\x80", b"\xf0\x80\x80\x80", b"\xff", b"\x00", b"\x1f", b"\x7f", b"HX"),
]
