"""hxtp.envelope and the reference implementation give one verdict on everything: valid, damaged, hostile.

A disagreement is a bug in one of them, and the rules say in which.
"""

import ast
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import host_sim  # noqa: F401  (puts hxtp on the path)
from hxtp import envelope
from hxtp import frame as hxtp_frame
from hxtp.replay import Floor
from hxtp.sign import Key
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


def agree(
    data: bytes,
    direction: str = "any",
    device_id: str | None = DEVICE,
    tenant_id: str | None = TENANT,
    now: int = NOW,
    max_age_ms: int = 300_000,
    last_sequence: int = -1,
    seen: tuple[str, ...] = (),
) -> str | None:
    """Ask both about one message; returns the code that they agree on."""
    theirs = reference.verify(
        data,
        direction,
        [SECRET, PREVIOUS],
        now,
        device_id,
        tenant_id,
        max_age_ms,
        60_000,
        last_sequence,
        seen,
    )
    floor = Floor(last_sequence)
    floor.nonces = [nonce.encode() for nonce in seen]
    required = direction == "to_device" and tenant_id is not None
    slots = [(Key(SECRET), floor), (Key(PREVIOUS), floor)]
    verifier = envelope.Verifier(MASKS[direction], slots, device_id, tenant_id, required)
    verifier.max_age = max_age_ms
    ours = verifier.judge(data, now)
    assert ours.code == theirs.code, (ours.code, theirs.code, data)
    if theirs.code is None:
        assert (ours.rotated, ours.type, ours.body) == theirs[1:4], data
        assert ours.params() == json.loads(theirs.body or b"")
    return theirs.code


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


def test_the_reference_stands_alone():
    tree = ast.parse(Path(reference.__file__).read_text())
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [part.name for part in node.names]
        )
    }
    assert all(name.partition(".")[0] in sys.stdlib_module_names | {"cryptography"} for name in imported)


@MORE
@given(identities, bodies | st.none(), secrets, seeds, forms, contexts)
def test_valid_messages(fields, body, secret, seed, form, context):
    text = message(fields, body, secret=secret, seed=seed).encode()
    agree(framed(text, fields, form), **context)


@given(bodies, secrets, seeds, forms)
def test_a_valid_message_is_accepted_in_any_order_and_spelling(body, secret, seed, form):
    data = framed(message(FIELDS, body, secret=secret, seed=seed).encode(), FIELDS, form)
    assert agree(data, "to_device") == ("SIGNATURE_INVALID" if secret == STRANGER else None)


@given(identities, bodies, st.booleans())
def test_each_accepts_what_the_other_signs(fields, body, with_frame):
    fields = {name: value for name, value in fields.items() if value is not None}
    theirs = reference.sign(SECRET, fields, body.encode(), with_frame)
    ours = envelope.build(Key(SECRET), fields, body.encode(), with_frame)
    codes = {agree(data, device_id=fields["device_id"], tenant_id=None) for data in (theirs, ours)}
    assert len(codes) == 1
    assert codes <= {None, "NONCE_MISSING", "TIMESTAMP_EXPIRED", "TIMESTAMP_FUTURE"}


@pytest.mark.parametrize("form", ["bare", "framed"])
def test_every_truncation(form):
    data = framed(message(FIELDS, BODY.decode()).encode(), FIELDS, form)
    codes = {agree(data[:size]) for size in range(len(data))}
    wanted = {"FRAME_TOO_SHORT", "FRAME_LENGTH_INVALID" if form == "framed" else "FRAME_JSON_INVALID"}
    assert codes == wanted
    assert agree(data) is None


@pytest.mark.parametrize("form", ["bare", "framed"])
def test_single_byte_changes(form):
    """Every byte, with a bit of each weight turned and with the bytes that JSON and frames care about."""
    data = framed(message(FIELDS, BODY.decode()).encode(), FIELDS, form)
    accepted = []
    for index in range(len(data)):
        new = {data[index] ^ 1 << bit for bit in range(8)} | set(
            b'\x00\t "\\{}[],:019-aHX\x03\x7f\x80\xc3\xff'
        )
        for byte in new - {data[index]}:
            if agree(data[:index] + bytes([byte]) + data[index + 1 :]) is None:
                accepted.append((index, byte))
    # What pipe10 leaves unsigned: the tenant (here compared) and the name of tenant_id.
    place = data.index(b'"tenant_id"')
    assert all(place < index <= place + len("tenant_id") for index, _ in accepted)


@MORE
@given(
    st.sampled_from(SIGNED),
    st.sampled_from(ODD_TEXTS) | strings | numbers | json_texts | st.none(),
    seeds,
    forms,
    contexts,
)
def test_a_member_replaced_after_signing(name, text, seed, form, context):
    data = message(FIELDS, BODY.decode(), changes={name: text}, seed=seed).encode()
    agree(framed(data, FIELDS, form), **context)


@pytest.mark.parametrize("name", SIGNED)
def test_every_member_with_every_odd_text(name):
    for text in [*ODD_TEXTS, None]:
        agree(message(FIELDS, BODY.decode(), changes={name: text}).encode())


@MORE
@given(st.sampled_from(SIGNED[:9]), st.text(max_size=66) | st.integers(-5, 2**60), contexts)
def test_a_field_with_any_value_rightly_signed(name, value, context):
    agree(message({**FIELDS, name: value}, BODY.decode()).encode(), **context)


@MORE
@given(
    st.lists(
        st.tuples(
            st.sampled_from(ODD_NAMES + SIGNED) | names.map(lambda name: json.dumps(name)[1:-1]),
            st.sampled_from(ODD_TEXTS) | json_texts,
        ),
        max_size=3,
    ),
    st.sampled_from(["command", "state", "telemetry", "ack"]),
    st.sampled_from(["params", "state", "data", "result", "body"]),
    seeds,
)
def test_members_added_and_the_body_renamed(more, kind, body_name, seed):
    fields = {**FIELDS, "message_type": kind}
    agree(message(fields, BODY.decode(), body_name=body_name, more=more, seed=seed).encode())


@MORE
@given(st.sampled_from(ODD_TEXTS) | json_texts | bodies)
@example(nested(15))
@example(nested(16))
@example(nested(17))
def test_any_body_rightly_hashed(body):
    agree(message(FIELDS, body).encode("utf-8", "surrogatepass"))


@MORE
@given(
    st.binary(min_size=8, max_size=8)
    | st.builds(
        lambda code, version, length: b"HX" + bytes([version, code]) + length.to_bytes(4, "big"),
        st.integers(0, 255) | st.integers(0, 12),
        st.sampled_from([3, 3, 3, 2]),
        st.sampled_from([0, 650, 651, 652, 16384, 2**32 - 1]),
    ),
    st.integers(-3, 3),
)
def test_any_frame_header(header, extra):
    text = message(FIELDS, BODY.decode()).encode()
    agree(header + text)
    agree(header[:4] + (len(text) + extra).to_bytes(4, "big") + text)


@MORE
@given(
    st.lists(
        st.tuples(st.integers(0, 1000), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=4
    ),
    forms,
    contexts,
)
def test_bytes_replaced_removed_and_inserted(edits, form, context):
    data = bytearray(framed(message(FIELDS, BODY.decode()).encode(), FIELDS, form))
    for at, gone, new in edits:
        data[at : at + gone] = new
    agree(bytes(data), **context)


@MORE
@given(st.binary(max_size=400))
def test_random_bytes(data):
    agree(data)
    agree(b"{" + data)
    agree(b"HX\x03\x02" + len(data).to_bytes(4, "big") + data)


# Pieces of JSON, of bad JSON and of bad UTF-8, to be strung together.
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


@MORE
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(b"".join))
def test_fragments_of_json(data):
    agree(data)
    agree(b'{"x":' + data + b"}")
    agree(message(FIELDS, '{"x":%s}').encode().replace(b"%s", data))


@given(st.integers(16380, 16390), forms)
def test_sizes_about_the_limit(size, form):
    room = size - len(message(FIELDS, '{"x":""}'))
    data = framed(message(FIELDS, '{"x":"' + "a" * room + '"}').encode(), FIELDS, form)
    assert agree(data) == (None if size <= 16384 else "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("size", [16376, 16377, 16384, 16385, 16392, 16393, 100000])
@pytest.mark.parametrize("first", [b"{", b"[", b"H", b"\xef", b"\x00", b" ", b'"'])
def test_a_size_alone(size, first):
    agree(first * size)
