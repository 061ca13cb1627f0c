"""Numbers, refusals, presence and topics at a cloud. What it took shows in the next hello_ack."""

from host_sim.conformance.case import Failed, case, expect
from host_sim.conformance.cloud.device import Device
from host_sim.conformance.draft import Draft, Raw, compact, flipped, header
from hxtp.sign import Key

GROUP = "Numbers and refusals"
HIGH = 1000  # above ours: what takes such a number shows


def ahead(device: Device, kind: str = "state", body: object = None) -> Draft:
    """A right message with a number ahead of ours; refused, it leaves no trace."""
    return device.draft(kind, {"value": 1} if body is None else body, device.number + HIGH)


@case(
    "cloud-window",
    "each number counts once, down to 63 below the highest, and not further",
    ("HX3-SEQ-04",),
    limit=90,
    group=GROUP,
)
def window(device: Device) -> None:
    device.wait(5500)  # the case before may have had an answer to a stale hello: there is one in 5 s
    device.number += 200
    highest = device.hello()
    device.send(highest)
    device.expect_hello_ack(highest)
    for below, session in ((63, True), (1, True), (64, False), (63, False), (0, False)):
        hello = device.hello(number=highest.number - below)
        device.send(hello)
        said = device.expect_hello_ack(hello, session)
        expect("last_device_sequence", highest.number, said.body["last_device_sequence"])
        if not session:
            device.wait(5500)
    device.begin()


@case(
    "cloud-number-too-far",
    "a number more than 4,294,967,296 above the highest is refused, and taken by nobody",
    ("HX3-SEQ-05",),
    group=GROUP,
)
def number_too_far(device: Device) -> None:
    device.send(device.draft("state", {"value": 1}, device.number + 4294967297 + HIGH))
    device.send(device.draft("state", {"value": 1}, 9007199254740991))
    device.expect_not_taken("a number that is too far ahead")


@case(
    "cloud-forged-message",
    "state, telemetry or heartbeat that the device's key did not sign takes no number",
    ("HX3-VAL-11", "HX3-VAL-12", "HX3-VAL-01"),
    group=GROUP,
)
def forged_message(device: Device) -> None:
    for kind in ("state", "telemetry", "heartbeat", "manifest", "error"):
        draft = ahead(device, kind)
        device.send(draft.by(Key(device.random(32))))
        signature = draft.members()["signature"]
        for at in (0, 31, 63):
            device.send(draft.wire(signature=flipped(signature, at)), kind if kind != "error" else "cmd_ack")
        device.send(draft.wire(params=Raw('{"value":2}')), kind if kind != "error" else "cmd_ack")
    device.expect_not_taken("a forged message")


@case(
    "cloud-stale-message",
    "a message that is older than 300 s or more than 60 s ahead takes no number",
    ("HX3-VAL-05", "HX3-VAL-11"),
    group=GROUP,
)
def stale_message(device: Device) -> None:
    now = device.line.now()
    for at in (now - 310000, now + 75000, 0):
        device.send(ahead(device).signing(timestamp=at))
    device.expect_not_taken("a stale message")


@case(
    "cloud-malformed-message",
    "what is malformed takes no number, however well it is signed",
    ("HX3-VAL-01", "HX3-VAL-03", "HX3-WIRE-20", "HX3-WIRE-23", "HX3-WIRE-24", "HX3-WIRE-26"),
    group=GROUP,
)
def malformed_message(device: Device) -> None:
    draft = ahead(device)
    wrong = [draft.wire(version=each) for each in ("HxTP/3.1", "", None)]
    names = ("device_id", "client_id", "message_id", "request_id", "timestamp", "nonce", "payload_hash")
    wrong += [draft.signing(**{name: None}).wire() for name in names if name != "payload_hash"]
    wrong += [draft.wire(payload_hash=None), draft.wire(signature=None), draft.wire(sequence=1)]
    number = draft.number
    wrong += [
        draft.signing(sequence_number=Raw(text)).wire()
        for text in (f'"{number}"', f"{number}.0", f"0{number}")
    ]
    wrong += [draft.signing(nonce=each).wire() for each in ("", "ab" * 15, "ab" * 33)]
    wrong += [draft.signing(message_id=each).wire() for each in ("", "x" * 37, "a|b")]
    for each in wrong:
        device.send(each, "state")
    device.expect_not_taken("a malformed message")


@case(
    "cloud-strict-json",
    "JSON that parsers read differently takes no number",
    ("HX3-WIRE-11", "HX3-WIRE-12", "HX3-WIRE-13", "HX3-WIRE-14", "HX3-WIRE-15", "HX3-WIRE-17", "HX3-WIRE-29"),
    group=GROUP,
)
def strict_json(device: Device) -> None:
    draft = ahead(device)
    text = draft.json()
    inside = text[:-1]
    tails = (
        b',"x":1,"x":1}', b',"x":{"a":1,"\\u0061":1}}', b',"\\u0078":1}', b',"x":"\xff"}', b',"x":"\\ud800"}',
        b',"x":' + b"[" * 16 + b"]" * 16 + b"}", b',"state":{"value":1}}', b',"data":{}}', b",}", b',"x":01}',
    )  # fmt: skip
    wrong = [inside + tail for tail in tails] + [b"\xef\xbb\xbf" + text, text + b"x", text + text, text[:-1]]
    for each in wrong:
        device.send(draft.pack(each), "state")
    device.expect_not_taken("JSON that is not strict")


@case(
    "cloud-framing",
    "a wrong frame takes no number, nor does a message that is too large",
    ("HX3-WIRE-02", "HX3-WIRE-04", "HX3-WIRE-09"),
    group=GROUP,
)
def framing(device: Device) -> None:
    draft = ahead(device)
    text = draft.json()
    heads = [
        header(text, 1, b"HY"),
        header(text, 1, version=2),
        header(text, 2),
        header(text, 0),
        header(text, 12),
    ]
    heads += [header(text, 1, length=length) for length in (0, len(text) - 1, len(text) + 1)]
    for head in heads:
        device.send(head + text, "state")
    size = len(draft.json(hxtp_padding=""))
    device.send(draft.wire(hxtp_padding="x" * (16385 - size)), "state")
    device.send(draft.json(hxtp_padding="x" * (16385 - size)), "state")
    device.send(b"", "state")
    device.expect_not_taken("a wrong frame")


@case(
    "cloud-wrong-direction",
    "what only a cloud says takes no number when a device says it, nor does a type on another's channel",
    ("HX3-WIRE-08", "HX3-WIRE-09", "HX3-WIRE-10"),
    group=GROUP,
)
def wrong_direction(device: Device) -> None:
    for kind in ("command", "hello_ack", "ota", "conformance"):
        draft = ahead(device).signing(message_type=kind)
        for channel in ("state", "hello", "cmd_ack"):
            device.send(draft.json(), channel)
            device.send(draft, channel)
    for channel in ("telemetry", "heartbeat", "cmd_ack", "manifest"):
        device.send(ahead(device), channel)
    newest = {said.type: said.payload for said in device.said}
    for payload in newest.values():
        for channel in ("hello", "state", "cmd_ack"):
            device.send(payload, channel)
    device.expect_not_taken("a type of the other direction")


@case(
    "cloud-not-finite",
    "a body with a number that no finite double holds takes no number",
    ("HX3-VAL-18",),
    group=GROUP,
)
def not_finite(device: Device) -> None:
    for body in (b'{"value":1e999}', b'{"value":[{"deep":-1e999}]}'):
        device.send(ahead(device, "state", body))
        device.send(ahead(device, "telemetry", body))
    device.expect_not_taken("a number that is not finite")


@case(
    "cloud-other-topics",
    "a device may neither hear nor speak on another's topics",
    ("HX3-TRANS-10", "HX3-VAL-19"),
    group=GROUP,
)
def other_topics(device: Device) -> None:
    for tenant, other, channel in (
        (device.tenant_id, "f" * 32, "cmd"),
        (device.tenant_id, "+", "cmd"),
        (device.tenant_id, device.device_id, "state"),
        ("+", "+", "+"),
    ):
        if device.line.may_subscribe(tenant, other, channel):
            raise Failed(
                "no subscription beyond the device's own topics", f"hxtp/{tenant}/device/{other}/{channel}"
            )
    device.line.publish_as(device.tenant_id, "f" * 32, "state", ahead(device).wire())
    device.reconnect()
    device.begin()
    device.expect_not_taken("a message on another's topic")


@case(
    "cloud-state-names",
    "state and data are taken for bodies of state and telemetry",
    ("HX3-WIRE-30", "HX3-WIRE-32"),
    group=GROUP,
)
def state_names(device: Device) -> None:
    for kind, name in (("state", "state"), ("telemetry", "data"), ("heartbeat", None)):
        draft = device.draft(kind, b"{}")
        device.send(draft.wire(params=None, **({name: {}} if name else {})), kind)
        hello = device.hello()
        device.send(hello)
        device.expect_hello_ack(hello)
        used = device.hello(number=draft.number)
        device.send(used)
        device.expect_hello_ack(used, False)
        device.wait(5500)


@case(
    "cloud-presence",
    "a device is offline after four intervals without an accepted message, and the will is none",
    ("HX3-PRES-02", "HX3-PRES-04"),
    ("slow",),
    limit=500,
    group=GROUP,
)
def presence(device: Device) -> None:
    device.begin()
    device.send(device.draft("heartbeat", {}))
    device.wait(1000)
    expect("whether the device is online after a heartbeat", True, device.line.online())
    silent_from = device.line.now()
    device.line.disconnect(vanish=True)
    device.wait(2000)
    expect("whether it is online after its will", True, device.line.online())
    device.line.connect()
    device.wait(3000 * device.interval)
    device.send(b"", "heartbeat")
    device.send(device.draft("heartbeat", compact({})).by(Key(device.random(32))))
    device.wait(4000 * device.interval - (device.line.now() - silent_from) - 8000)
    expect("whether it is online before four intervals", True, device.line.online())
    device.wait(16000)
    expect("whether it is online after four intervals", False, device.line.online())
    device.begin()
    device.wait(1000)
    expect("whether it is online after a hello", True, device.line.online())
