"""Every fast path gives hxtp's verdicts, messages and state: on what it takes itself and on what it must not.

The messages are those of the comparison with the reference implementation, and others made to deceive: they
are rightly signed over what a lenient reader would find in them.
"""

import hashlib
import hmac
import json
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim import fast
from hxtp import envelope
from hxtp.replay import Floor
from hxtp.window import Window
from tests.fast.comparing import FAST, agree, state, taken, tell
from tests.reference import pipe10_reference as reference
from tests.reference.drawing import (
    BODY,
    DEVICE,
    FIELDS,
    FRAGMENTS,
    NOW,
    ODD_NAMES,
    ODD_TEXTS,
    PREVIOUS,
    SECRET,
    SIGNED,
    TENANT,
    bodies,
    contexts,
    forms,
    framed,
    identities,
    json_texts,
    message,
    names,
    numbers,
    secrets,
    seeds,
    strings,
)

MORE = settings(max_examples=4 * settings.default.max_examples)


def usual(fields, body=BODY, secret=SECRET, action="light_on") -> bytes:
    """The bare text that hxtp itself writes."""
    fields = {name: value for name, value in fields.items() if value is not None}
    if action is not None:
        fields["action"] = action
    return envelope.build(fast.Key(secret), fields, body, False)


def deceive(members: list[tuple[str, str]], white: str = "", secret: bytes = SECRET) -> bytes:
    """The text of these members in this order, signed over what a reader finds who lets the last of two
    members win, takes any body and knows no grammar: `members` are names and JSON texts as they stand there.
    """
    found: dict[str, str] = {}
    for name, text in members:
        try:
            found[json.loads(f'"{name}"')] = text
        except ValueError:
            found[name] = text
    values = {}
    for name, text in found.items():
        try:
            values[name] = json.loads(text)
        except (ValueError, RecursionError):
            values[name] = text
    body = found.get("params", "{}").encode("utf-8", "surrogatepass")
    values["payload_hash"] = hashlib.sha256(body).hexdigest()
    signed = "|".join(str(values.get(name)) for name in reference.TEN).encode("utf-8", "surrogatepass")
    values["signature"] = hmac.digest(secret, signed, "sha256").hex()
    sealed = [
        (name, json.dumps(values[name]) if name in ("payload_hash", "signature") else text)
        for name, text in members
    ]
    inner = f",{white}".join(f'"{name}":{white}{text}' for name, text in sealed)
    return f"{{{inner}}}".encode("utf-8", "surrogatepass")


MEMBERS = sorted(
    {
        **{name: json.dumps(value) for name, value in FIELDS.items()},
        "action": '"light_on"',
        "params": BODY.decode(),
        "payload_hash": '""',
        "signature": '""',
        "version": '"HxTP/3.0"',
    }.items()
)


# ---------------------------------------------------------------- what it takes itself


USUAL = [
    usual(FIELDS),
    usual(FIELDS, action=None),
    usual({**FIELDS, "tenant_id": None}),
    usual({**FIELDS, "message_type": "telemetry"}, b"{}", action=None),
    usual(FIELDS, secret=PREVIOUS),
    usual({**FIELDS, "timestamp": NOW // 1000}),
    usual({**FIELDS, "nonce": "0123456789abcdefABCDEF" + "0" * 42}),
    usual(
        FIELDS,
        b'{"action":"light_on","at":"12:30","list":[1,[2,{}],{"a":{"b":-0.5}}],"name":"\\u00e4 \\"x\\""}',
    ),
    usual(FIELDS, b'{"text":"},\\"payload_hash\\":\\"","x":"}"}'),
    usual(FIELDS, b'{ "a" : 1 }'),
    usual(FIELDS, b'{"x":"' + b"a" * 15000 + b'"}'),
    usual(FIELDS, b'{"x":' + b"[" * 14 + b"]" * 14 + b"}"),
    usual({**FIELDS, "client_id": "a b ~,:{}[]'<>&=;@", "sequence_number": 2**53 - 1}),
]


@pytest.mark.parametrize("path", FAST)
@pytest.mark.parametrize("form", ["bare", "framed"])
@pytest.mark.parametrize("data", USUAL, ids=range(len(USUAL)))
def test_the_usual_form_is_taken_by_the_fast_path_itself(data, form, path):
    kind = json.loads(data)["message_type"]
    data = framed(data, {"message_type": kind}, form)
    verifier = fast.verifier(15, [(fast.Key(SECRET), Floor(-1)), (fast.Key(PREVIOUS), Floor(-1))], path=path)
    found = taken(verifier, data)
    assert found is not None
    assert found.framed == (form == "framed")
    assert agree(data) is None


def test_msgspec_takes_any_order():
    pytest.importorskip("msgspec")
    for seed in range(20):
        order = MEMBERS[:]
        random.Random(seed).shuffle(order)
        verifier = fast.verifier(15, [(fast.Key(SECRET), Floor(-1))], DEVICE, TENANT, path="msgspec")
        assert taken(verifier, deceive(order)) is not None
        assert agree(deceive(order)) is None


def test_the_fastest_path_is_chosen():
    assert list(fast.PATHS) == ["msgspec", "stdlib", "hxtp"]
    assert type(fast.verifier(1, [])) is fast.PATHS["msgspec"].Verifier
    assert type(fast.verifier(1, [], path="hxtp")) is envelope.Verifier
    with pytest.raises(KeyError):
        fast.verifier(1, [], path="fastest")


@MORE
@given(
    identities,
    bodies | st.just("{}"),
    secrets,
    forms,
    contexts,
    st.sampled_from([None, "light_on", "", '\\|"']),
)
def test_what_hxtp_builds(fields, body, secret, form, context, action):
    agree(framed(usual(fields, body.encode(), secret, action), fields, form), **context)


@given(
    identities,
    st.sampled_from([None, "cmd", "cmd_ack", "state", "ota"]),
    st.none() | st.just(NOW),
    st.booleans(),
    st.sampled_from([None, TENANT, "a|b", "\x7f"]),
)
def test_every_setting_of_a_verifier(fields, channel, now, required, tenant_id):
    data = usual(fields)
    agree(data, tenant_id=tenant_id, now=now, channel=channel, tenant_required=required)
    agree(data, device_id=None, tenant_id=tenant_id, channel=channel, tenant_required=required)
    agree(data, replay=Window, last_sequence=0, channel=channel)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 80),
            st.sampled_from(["a", "b", "c"]).map(lambda letter: letter * 32),
            secrets,
            st.sampled_from([0, 0, 0, 290_000, 310_000]),
        ),
        max_size=30,
    ),
    st.sampled_from([Floor, Window]),
)
def test_a_conversation_leaves_the_same_state(story, replay):
    verifiers = [
        fast.verifier(15, [(fast.Key(SECRET), replay()), (fast.Key(PREVIOUS), replay())], path=path)
        for path in fast.PATHS
    ]
    for sequence, nonce, secret, age in story:
        data = usual({**FIELDS, "sequence_number": sequence, "nonce": nonce}, secret=secret)
        judged = [verifier.judge(data, NOW + age) for verifier in verifiers]
        for verifier, found in zip(verifiers, judged, strict=True):
            if found.code is None:
                verifier.accept(found)
        told = [tell(verifier, found) for verifier, found in zip(verifiers, judged, strict=True)]
        assert told.count(told[0]) == len(told)
        states = [state(verifier) for verifier in verifiers]
        assert states.count(states[0]) == len(states)


def test_slots_and_limits_may_change_between_two_messages():
    for path in fast.PATHS:
        slots = [(fast.Key(SECRET), Floor(-1))]
        verifier = fast.verifier(15, slots, path=path)
        assert verifier.judge(usual(FIELDS, secret=PREVIOUS), NOW).code == "SIGNATURE_INVALID"
        slots.append((fast.Key(PREVIOUS), Floor(-1)))
        assert verifier.judge(usual(FIELDS, secret=PREVIOUS), NOW).rotated
        assert verifier.judge(usual(FIELDS), NOW + 40_000).code is None
        verifier.max_age = 30_000
        assert verifier.judge(usual(FIELDS), NOW + 40_000).code == "TIMESTAMP_EXPIRED"
        verifier.max_future = 5_000
        assert verifier.judge(usual(FIELDS), NOW - 6_000).code == "TIMESTAMP_FUTURE"


# ---------------------------------------------------------------- what it must not take


@MORE
@given(
    st.lists(
        st.tuples(
            st.integers(0, 15),
            st.sampled_from([name for name, _ in MEMBERS] + ODD_NAMES + ["raw", "-slot", "slot", "code"]),
            st.sampled_from(ODD_TEXTS) | json_texts | st.sampled_from([text for _, text in MEMBERS]),
            st.booleans(),
        ),
        max_size=3,
    ),
    st.sampled_from(["", "", "", "", " ", "\n"]),
    forms,
    contexts,
)
def test_members_put_in_or_exchanged_and_signed_for_a_lenient_reader(changes, white, form, context):
    members = MEMBERS[:]
    for at, name, text, instead in changes:
        if instead:
            members = [(other, text if other == name else old) for other, old in members]
        else:
            members.insert(at, (name, text))
    agree(framed(deceive(members, white), FIELDS, form), **context)


@pytest.mark.parametrize("name", [name for name, _ in MEMBERS])
def test_every_member_twice_and_with_every_odd_text_signed_for_a_lenient_reader(name):
    for text in [*ODD_TEXTS, *(text for _, text in MEMBERS)]:
        exchanged = [(other, text if other == name else old) for other, old in MEMBERS]
        agree(deceive(exchanged))
        agree(deceive(exchanged), device_id=None, tenant_id=None)
        agree(deceive([*MEMBERS, (name, text)]))
        agree(deceive([(name, text), *MEMBERS]))
        agree(deceive([(other, old) for other, old in MEMBERS if other != name]))


@MORE
@given(st.sampled_from(ODD_TEXTS) | json_texts | bodies | st.lists(st.sampled_from(FRAGMENTS), max_size=9))
def test_any_body_rightly_hashed(body):
    if isinstance(body, list):
        body = (b'{"a":' + b"".join(body) + b"}").decode("utf-8", "surrogateescape")
    raw = body.encode("utf-8", "surrogateescape" if max(body, default="") >= "\udc80" else "surrogatepass")
    agree(usual(FIELDS, raw))


@MORE
@given(st.dictionaries(names, numbers | strings, max_size=4), st.sampled_from(["", "", " "]), st.booleans())
def test_flat_bodies(members, white, twice):
    pairs = [f"{json.dumps(name)}{white}:{white}{text}" for name, text in members.items()]
    agree(usual(FIELDS, ("{" + ",".join(pairs + pairs[:twice]) + "}").encode()))


@pytest.mark.parametrize("count", [510, 511, 512, 513, 514, 700])
@pytest.mark.parametrize("digit", ["1", "-1", "1.", "1e", "0.0"])
def test_long_numbers(count, digit):
    for body in ('{"a":%s}', '{"a":[%s]}', '{"a":"%s"}', '{"a":"é","b":%s}'):
        agree(usual(FIELDS, (body % (digit + "0" * (count - len(digit)))).encode()))


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depths(opening):
    for depth in range(1, 40):
        body = '{"a":' + opening * depth + "1" + {"[": "]", "{": "}"}[opening[0]] * depth + "}"
        agree(usual(FIELDS, body.encode()))
    agree(usual(FIELDS, b'{"a":' + b"[" * 8000 + b"]" * 8000 + b"}"))


@MORE
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1000), st.integers(0, 3), st.sampled_from(FRAGMENTS) | st.binary(max_size=3)
        ),
        min_size=1,
        max_size=3,
    ),
    forms,
)
def test_bytes_replaced_removed_and_inserted(edits, form):
    data = bytearray(framed(usual(FIELDS), FIELDS, form))
    for at, gone, new in edits:
        data[at : at + gone] = new
    agree(bytes(data))


@pytest.mark.parametrize("form", ["bare", "framed"])
def test_every_truncation_and_every_byte_changed(form):
    data = framed(usual(FIELDS), FIELDS, form)
    for index in range(len(data)):
        assert agree(data[:index]) is not None
        for byte in (data[index] ^ 1, data[index] ^ 32, data[index] ^ 128, 32, 34, 92):
            agree(data[:index] + bytes([byte]) + data[index + 1 :])


@MORE
@given(identities, bodies | st.none(), secrets, seeds, forms, contexts)
def test_any_order_and_white_space(fields, body, secret, seed, form, context):
    agree(framed(message(fields, body, secret=secret, seed=seed).encode(), fields, form), **context)


@MORE
@given(st.sampled_from(SIGNED[:9]), st.text(max_size=66) | st.integers(-5, 2**60), contexts)
def test_a_field_with_any_value_rightly_signed(name, value, context):
    agree(message({**FIELDS, name: value}, BODY.decode()).encode(), **context)
    agree(usual({**FIELDS, name: value}) if name != "message_type" else b"", **context)


@pytest.mark.parametrize("size", range(16380, 16390))
@pytest.mark.parametrize("form", ["bare", "framed"])
def test_sizes_about_the_limit(size, form):
    room = size - len(usual(FIELDS, b'{"x":""}'))
    data = framed(usual(FIELDS, b'{"x":"' + b"a" * room + b'"}'), FIELDS, form)
    assert agree(data) == (None if size <= 16384 else "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("data", [b"", b"H", b"HX\x03\x02", b"{", b"{}", b"HX\x03\x02\x00\x00\x00\x02{}"])
def test_short_ones(data):
    agree(data)


# ---------------------------------------------------------------- what the msgspec path relies on


def test_msgspec_reads_no_number_that_is_shorter_than_it_counts_for():
    for text in (b"1e3", b"1.0", b"1E0", b"10e-1", b"01", b"+1", b'"1"', b"true", b"null"):
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(text, type=int)
    assert msgspec.json.decode(b"-0", type=int) == 0  # counts for one byte and is two


def test_msgspec_gives_the_bytes_of_a_value_without_the_white_space_around_it():
    assert bytes(msgspec.json.decode(b' {"a" : 1 } \n', type=msgspec.Raw)).strip() == b'{"a" : 1 }'
    found = msgspec.json.decode(b'{"a": \n{"b" : 1 }\t }', type=dict[str, msgspec.Raw])
    assert bytes(found["a"]) == b'{"b" : 1 }'


@pytest.mark.parametrize(
    "text", ["\\ud800", "\\udc00", "\\ud800x", "\\ud800\\u0041", "\\udc00\\ud800", "\\udfff"]
)
def test_msgspec_refuses_lone_surrogates(text):
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(f'{{"a":"{text}"}}'.encode())
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(f'{{"{text}":1}}'.encode())


# ---------------------------------------------------------------- building, and the keys


@given(
    st.dictionaries(
        st.sampled_from([*FIELDS, "action", "extra"]),
        st.sampled_from(
            ["", "a b", 'quo"te', "back\\slash", "pi|pe", "ä", "\x7f", "\n", "\ud800", None, 7, -1, True, 1.5]
        ),
        max_size=3,
    ),
    st.sampled_from([*sorted(FIELDS), None, None, None, None]),
    st.sampled_from([b"{}", BODY, bytearray(BODY)]),
    st.booleans(),
)
def test_building_gives_the_same_bytes(changes, gone, body, with_frame):
    fields = {**FIELDS, "action": "light_on", **changes}
    fields.pop(gone, None)

    def outcome(build):
        try:
            return build(fast.Key(SECRET), fields, body, with_frame)
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            return type(problem), str(problem)

    assert outcome(fast.build) == outcome(envelope.build)


@given(identities, bodies, st.booleans())
def test_building_what_is_usual_gives_the_same_bytes(fields, body, with_frame):
    fields = {name: value for name, value in fields.items() if value is not None}
    wanted = envelope.build(fast.Key(SECRET), fields, body.encode(), with_frame)
    assert fast.build(fast.Key(SECRET), fields, body.encode(), with_frame) == wanted


@given(st.binary(min_size=1, max_size=64), st.lists(st.binary(max_size=200), max_size=4))
def test_the_key_makes_the_same_macs(secret, texts):
    key = fast.Key(secret)
    for text in texts:
        assert key.mac(text) == hmac.digest(secret, text, "sha256")


def test_the_key_refuses_what_hxtp_refuses():
    for secret in (b"", bytes(65)):
        for kind in (fast.Key, fast.SmallKey):
            with pytest.raises(ValueError):
                kind(secret)
