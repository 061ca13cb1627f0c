"""What a device has to refuse in silence since it is malformed, even where its key signed it."""

from host_sim.conformance.case import case
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.suite.refusals import GROUP, refused
from host_sim.conformance.draft import Raw, header


@case(
    "version",
    "another version is refused, whatever else the message holds",
    ("HX3-VAL-03", "HX3-WIRE-21"),
    group=GROUP,
)
def version(cloud: Cloud) -> None:
    cloud.at_rest()
    wrong = ("HxTP/3.1", "HxTP/2.2", "hxtp/3.0", "3.0", "", None, 3)
    refused(cloud, "another version", lambda draft: [draft.wire(version=each) for each in wrong])


@case(
    "fields",
    "a message that lacks a field, or has one that is ill-formed, is refused even if it is signed",
    ("HX3-WIRE-20", "HX3-WIRE-22", "HX3-WIRE-23", "HX3-VAL-01"),
    group=GROUP,
)
def fields(cloud: Cloud) -> None:
    cloud.at_rest()
    draft = cloud.command()
    for name in (
        "message_type",
        "device_id",
        "client_id",
        "message_id",
        "request_id",
        "sequence_number",
        "timestamp",
    ):
        cloud.send(draft.signing(**{name: None}))
    for name in ("client_id", "message_id", "request_id"):
        for wrong in ("", "x" * 37, "a|b", "a\nb", "\u00e9", 7):
            cloud.send(draft.signing(**{name: wrong}))
    for name in ("sequence_number", "timestamp"):
        right = draft.fields[name]
        for text in (
            f'"{right}"',
            f"0{right}",
            f"{right}.0",
            f"-{right}",
            f"{right}e0",
            "9007199254740992",
            "true",
        ):
            cloud.send(draft.signing(**{name: Raw(text)}))
    for alias in ("sequence", "protocol_version"):
        cloud.send(draft.wire(**{alias: 1}))
    cloud.expect_silence("an ill-formed message")


@case(
    "nonce",
    "a nonce that is missing or stands for fewer than 16 bytes is refused",
    ("HX3-WIRE-26", "HX3-VAL-01"),
    group=GROUP,
)
def nonce(cloud: Cloud) -> None:
    cloud.at_rest()
    wrong = ("", "ab" * 15, "a" * 33, "-" * 32, "ab" * 33, "Zm9vYmFyLWhlbGxvLXdv", None, 12345678901234567890)
    refused(cloud, "a bad nonce", lambda draft: [draft.signing(nonce=each) for each in wrong])


@case(
    "framing",
    "a frame that is wrong in magic, version, type or length is refused, and so is a cut message",
    ("HX3-WIRE-02", "HX3-WIRE-03", "HX3-WIRE-09", "HX3-VAL-01"),
    group=GROUP,
)
def framing(cloud: Cloud) -> None:
    cloud.at_rest()
    text = cloud.command().json()
    heads = [
        header(text, 2, magic=b"HY"),
        header(text, 2, version=2),
        header(text, 2, version=4),
        *[header(text, code) for code in (0, 1, 3, 6, 8, 9, 12, 255)],
        *[header(text, 2, length=length) for length in (0, len(text) - 1, len(text) + 1, 1 << 31)],
    ]
    for head in heads:
        cloud.send(head + text)
    whole = header(text, 2) + text
    parts = [
        b"",
        b"H",
        b"HX",
        whole[:7],
        whole[:8],
        whole[:-1],
        whole + b"\0",
        b"\0" + whole,
        text[:-1],
        text[1:],
    ]
    for part in parts:
        cloud.send(part)
    cloud.expect_silence("a wrong frame or a cut message")


# Behind a command's last member, in place of its closing brace.
LOOSE_TAILS = (
    b',"nonce":"' + b"ab" * 16 + b'"}',
    b',"x":1,"x":1}',
    b',"x":{"a":1,"\\u0061":1}}',
    b',"\\u0078":1}',
    b',"x":' + b"[" * 16 + b"]" * 16 + b"}",
    b',"x":"\xff"}',
    b',"x":"\xed\xa0\x80"}',
    b',"x":"\\ud800"}',
    b',"x":"\\x41"}',
    b',"x":"\n"}',
    b',"x":01}',
    b',"x":NaN}',
    b",}",
)


@case(
    "strict-json",
    "JSON that parsers read differently is refused",
    (
        "HX3-WIRE-11",
        "HX3-WIRE-12",
        "HX3-WIRE-13",
        "HX3-WIRE-14",
        "HX3-WIRE-15",
        "HX3-WIRE-16",
        "HX3-WIRE-17",
        "HX3-WIRE-18",
    ),
    group=GROUP,
)
def strict_json(cloud: Cloud) -> None:
    cloud.at_rest()
    draft = cloud.command()
    text = draft.json()
    for tail in LOOSE_TAILS:
        cloud.send(draft.pack(text[:-1] + tail))
    for each in (b"\xef\xbb\xbf" + text, text + b"x", text + b"\0", text + text, b"[" + text + b"]", b"null"):
        cloud.send(draft.pack(each))
    cloud.expect_silence("JSON that is not strict")


@case(
    "one-body",
    "two bodies, a body under another type's name, or one that is no object are refused",
    ("HX3-WIRE-29", "HX3-WIRE-30", "HX3-WIRE-31"),
    group=GROUP,
)
def one_body(cloud: Cloud) -> None:
    cloud.at_rest()
    body = cloud.command().body or b""
    raw, names = Raw(body.decode()), ("state", "data", "result")
    refused(cloud, "two bodies", lambda draft: [draft.wire(**{name: raw}) for name in names])
    refused(
        cloud,
        "another body's name",
        lambda draft: [draft.wire(**{name: raw, "params": None}) for name in names],
    )
    others = (b"[]", b'"x"', b"7", b"null", b"[" + body + b"]")
    refused(cloud, "a body that is no object", lambda draft: [draft.saying(each) for each in others])
