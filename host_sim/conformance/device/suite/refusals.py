"""What a device has to refuse in silence: every forgery is a command that would show, and a right one follows
it.
"""

from collections.abc import Callable

from host_sim.conformance.case import Failed, case
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.effect import UNKNOWN, Call
from host_sim.conformance.draft import Draft, Raw, compact, edited, flipped, header
from hxtp.sign import Key, digest

GROUP = "Refusals"


def refused(
    cloud: Cloud, what: str, spoil: Callable[[Draft], list[Draft | bytes]], channel: str = "cmd"
) -> None:
    """None of the messages is answered or moves anything. `spoil` makes them of a command that would show; as
    a right command follows them, whose number is higher, each group has a command of its own."""
    for message in spoil(cloud.command()):
        cloud.send(message, channel)
    cloud.expect_silence(what)


@case(
    "signature",
    "a signature that is wrong anywhere, missing, or of another key is refused",
    ("HX3-VAL-01", "HX3-VAL-11", "HX3-VAL-13", "HX3-WIRE-27"),
    group=GROUP,
)
def signature(cloud: Cloud) -> None:
    cloud.at_rest()
    draft = cloud.command()
    right = draft.members()["signature"]
    for at in (0, 1, 15, 16, 31, 32, 47, 62, 63):
        cloud.send(draft.wire(signature=flipped(right, at)))
    for wrong in (
        None,
        "",
        right[:32],
        right[:63],
        right + "0",
        right.upper() + "A",
        "0" * 64,
        7,
        right[::-1],
    ):
        cloud.send(draft.wire(signature=wrong))
    for key in (Key(cloud.random(32)), Key(b"\0" * 32)):
        cloud.send(draft.by(key))
    cloud.expect_silence("a wrong signature")


@case(
    "signed-fields",
    "a field changed after it was signed is refused",
    ("HX3-VAL-01", "HX3-VAL-13"),
    group=GROUP,
)
def signed_fields(cloud: Cloud) -> None:
    cloud.at_rest()
    changes = {
        "client_id": "another",
        "message_id": "another",
        "request_id": "another",
        "sequence_number": cloud.sent + 1000000,
        "timestamp": cloud.now() - 1000,
        "nonce": cloud.random(16).hex(),
    }
    refused(cloud, "a changed field", lambda draft: [draft.wire(**{name: changes[name]}) for name in changes])


@case(
    "payload-hash",
    "a body other than the one whose hash was signed is refused, and so is a hash that is wrong anywhere",
    ("HX3-VAL-01", "HX3-WIRE-27"),
    group=GROUP,
)
def payload_hash(cloud: Cloud) -> None:
    cloud.at_rest()
    body = cloud.command().body or b""
    right = digest(body).decode()
    refused(cloud, "another body", lambda draft: [draft.saying(b"{}").wire(params=Raw(body.decode()))])
    wrong = [flipped(right, at) for at in (0, 7, 8, 15, 16, 31, 32, 63)] + [
        right[:32],
        right + "0",
        right.upper() + "A",
        "",
    ]
    refused(cloud, "a wrong hash, signed", lambda draft: [draft.signing(payload_hash=each) for each in wrong])
    spaced = Raw(body.decode().replace(":", ": "))
    refused(cloud, "a body with other white space", lambda draft: [draft.wire(params=spaced)])
    refused(cloud, "a missing hash", lambda draft: [draft.wire(payload_hash=None)])


@case(
    "too-old",
    "a command older than 300 s is refused",
    ("HX3-VAL-01", "HX3-VAL-05"),
    group=GROUP,
)
def too_old(cloud: Cloud) -> None:
    cloud.at_rest()
    now = cloud.now()
    times = (now - 310000, now - 7200000, 1, 0)
    refused(cloud, "an old command", lambda draft: [draft.signing(timestamp=at) for at in times])


@case(
    "too-far-ahead",
    "a command more than 60 s in the future is refused",
    ("HX3-VAL-01", "HX3-VAL-05"),
    group=GROUP,
)
def too_far_ahead(cloud: Cloud) -> None:
    cloud.at_rest()
    now = cloud.now()
    times = (now + 75000, now + 7200000, 9007199254740991)
    refused(cloud, "a command of the future", lambda draft: [draft.signing(timestamp=at) for at in times])


@case(
    "limits-tightened",
    "limits in hello_ack tighten both ages, and no further than 30 s and 5 s",
    ("HX3-VAL-06", "HX3-SESS-20"),
    group=GROUP,
)
def limits_tightened(cloud: Cloud) -> None:
    cloud.begin(limits={"max_age_s": 1, "future_s": 1})
    cloud.at_rest()
    now = cloud.now()
    refused(
        cloud,
        "a command of 40 s ago, 30 s being allowed",
        lambda draft: [draft.signing(timestamp=now - 40000)],
    )
    refused(
        cloud, "a command 10 s ahead, 5 s being allowed", lambda draft: [draft.signing(timestamp=now + 10000)]
    )
    draft = cloud.command(Call(UNKNOWN, {}))
    draft = draft.signing(timestamp=now - 20000)
    cloud.send(draft)
    cloud.expect_ack(draft, "failed", "UNKNOWN_ACTION")
    cloud.session = False  # the next session has the usual limits


@case(
    "another-device",
    "a command for another device, or another tenant, or no tenant is refused",
    ("HX3-WIRE-25", "HX3-VAL-01"),
    group=GROUP,
)
def another_device(cloud: Cloud) -> None:
    cloud.at_rest()
    others = ("f" * 32, cloud.device_id[:-1])
    refused(cloud, "another device's command", lambda draft: [draft.signing(device_id=id) for id in others])
    tenants = ("another-tenant", cloud.tenant_id + "x", cloud.tenant_id.upper() + "X", None)
    refused(cloud, "another tenant's command", lambda draft: [draft.signing(tenant_id=id) for id in tenants])


@case(
    "wrong-channel",
    "a command on another channel, or another type on the commands' channel, is refused",
    ("HX3-WIRE-08", "HX3-WIRE-09"),
    group=GROUP,
)
def wrong_channel(cloud: Cloud) -> None:
    cloud.at_rest()
    refused(cloud, "a command on the channel ota", lambda draft: [draft], channel="ota")
    for kind, code in (("ota", 6), ("conformance", 2)):
        text = cloud.command().signing(message_type=kind).json()
        for head in (header(text, code), header(text, 2), b""):
            cloud.send(head + text)
        cloud.expect_silence(f"a message of type {kind} on the channel cmd")


@case(
    "wrong-direction",
    "a type that only a device says is refused, however well it is signed",
    ("HX3-WIRE-10",),
    group=GROUP,
)
def wrong_direction(cloud: Cloud) -> None:
    cloud.at_rest()
    draft = cloud.command()
    for kind in ("state", "ack", "heartbeat", "telemetry", "error", "hello", "manifest"):
        cloud.send(draft.signing(message_type=kind))
        cloud.send(draft.signing(message_type=kind).json())
    cloud.expect_silence("a type of the other direction")


@case(
    "reflection",
    "the device's own messages, sent back to it, do nothing",
    ("HX3-WIRE-10",),
    group=GROUP,
)
def reflection(cloud: Cloud) -> None:
    cloud.at_rest()
    newest = {said.type: said.payload for said in cloud.record.said if said.payload}
    own = list(newest.values())
    highest = cloud.sent + 100000
    as_command = [edited(each, lambda members: {**members, "sequence_number": highest}) for each in own]
    for each in own + as_command:
        cloud.send(each)
        cloud.send(each, "ota")
    cloud.expect_silence("its own message")


@case(
    "hello-ack-in-session",
    "a hello_ack without an outstanding hello does nothing",
    ("HX3-SESS-15",),
    group=GROUP,
)
def hello_ack_in_session(cloud: Cloud) -> None:
    cloud.at_rest()
    assert cloud.hello_said is not None
    ahead = cloud.hello_ack(cloud.hello_said, last_cloud_sequence=cloud.sent + 100000)
    cloud.send(ahead)
    cloud.send(cloud.hello_ack(cloud.hello_said, server_time=cloud.now() + 86400000, challenge=""))
    cloud.expect_silence("a hello_ack that nobody asked for")


@case(
    "ota-without-updates",
    "a message of type ota is not answered as a command, and the device serves on",
    ("HX3-VAL-20",),
    group=GROUP,
)
def ota(cloud: Cloud) -> None:
    cloud.at_rest()
    cloud.expect_refused("an ota", cloud.draft("ota", compact({})), "ota")


@case(
    "retained",
    "a retained command that waits for the device is ignored",
    ("HX3-SESS-33", "HX3-VAL-20"),
    group=GROUP,
)
def retained(cloud: Cloud) -> None:
    cloud.need_effect()
    early = cloud.command()
    cloud.leave()
    cloud.line.publish("cmd", early.wire(), retain=True)
    try:
        cloud.begin(cloud.come())
        cloud.expect_silence("a retained command")
    finally:
        cloud.line.publish("cmd", b"", retain=True)


@case(
    "retained-in-session",
    "a command that comes with RETAIN in a session is ignored",
    ("HX3-SESS-33", "HX3-VAL-20"),
    group=GROUP,
)
def retained_in_session(cloud: Cloud) -> None:
    cloud.at_rest()
    cloud.line.deliver_retained("cmd", cloud.command().wire())
    cloud.expect_silence("a retained command")


@case(
    "refusals-change-nothing",
    "a refused message takes neither number nor nonce: both serve a right command afterwards",
    ("HX3-VAL-11", "HX3-VAL-12"),
    group=GROUP,
)
def refusals_change_nothing(cloud: Cloud) -> None:
    cloud.at_rest()
    draft = cloud.command(Call(UNKNOWN, {}))
    high = draft.number + 1000000
    stranger = Key(cloud.random(32))
    forgeries = [
        draft.signing(sequence_number=high).by(stranger).wire(),
        draft.signing(sequence_number=high, version="HxTP/3.1").wire(),
        draft.signing(sequence_number=high, device_id="f" * 32).wire(),
        draft.signing(sequence_number=high, tenant_id="another-tenant").wire(),
        draft.signing(sequence_number=high, timestamp=cloud.now() - 400000).wire(),
        draft.signing(sequence_number=high, message_type="state").wire(),
        draft.signing(sequence_number=high, payload_hash="0" * 64).wire(),
        draft.by(stranger).wire(),
    ]
    for forgery in forgeries:
        cloud.send(forgery)
    cloud.send(draft)
    if cloud.find(lambda said: said.ref == draft.message_id) is None:
        raise Failed(
            "a right command with the number and nonce of refused ones to be answered", cloud.heard()
        )
    cloud.expect_silence("what was refused before")
