"""The beginning of a session: hello, its answer, and what is no answer."""

import re

from host_sim.conformance.case import Failed, case, expect
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.draft import flipped
from hxtp import envelope
from hxtp.session import whole
from hxtp.sign import Key

GROUP = "Handshake"
HEX64 = re.compile(r"[0-9a-f]{64}")


@case("hello-members", "hello has its members, each of its type", ("HX3-SESS-02", "HX3-CMD-09"), group=GROUP)
def hello_members(cloud: Cloud) -> None:
    body = cloud.hello().body
    for name in ("device_type", "firmware_version", "reset_reason"):
        if not isinstance(body.get(name), str):
            raise Failed(f"{name}: a string", repr(body.get(name)))
    features = body.get("features")
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        raise Failed("features: an array of strings", repr(features))
    for name, low, high in (
        ("boot_count", 0, envelope.MAX_INTEGER),
        ("key_version", 1, envelope.MAX_INTEGER),
        ("results_kept", 8, 1024),
    ):
        if not whole(body.get(name), low, high):
            raise Failed(f"{name}: an integer from {low} to {high}", repr(body.get(name)))
    if not HEX64.fullmatch(str(body.get("manifest_hash"))):
        raise Failed("manifest_hash: 64 hexadecimal digits", repr(body.get("manifest_hash")))
    challenge = str(body.get("challenge"))
    if len(challenge) > 64 or envelope.nonce_size(challenge.encode()) < 16:
        raise Failed("challenge: at least 16 bytes, in hexadecimal or base64", repr(body.get("challenge")))


@case(
    "hello-retry",
    "an unanswered hello comes again after 5 s: the same challenge, all else new; and nothing else comes",
    ("HX3-SESS-01", "HX3-SESS-03", "HX3-SESS-04"),
    group=GROUP,
)
def hello_retry(cloud: Cloud) -> None:
    first = cloud.hello()
    cloud.forget()
    second = cloud.expect("hello", 9000)
    expect("the challenge of the hello that comes again", first.body["challenge"], second.body["challenge"])
    for name in ("message_id", "nonce", "sequence"):
        if getattr(first.message, name) == getattr(second.message, name):
            raise Failed(f"a new {name} in the hello that comes again", "the same one")
    third = cloud.expect("hello", 9000)
    if not 3000 <= third.at - second.at <= 8000:
        raise Failed("the next hello 5 s later", f"{third.at - second.at} ms")
    others = cloud.heard()
    if others != "nothing":
        raise Failed("nothing but hello before the answer", others)


def expect_no_session(cloud: Cloud, what: str) -> None:
    """Whatever was sent, the device has no session: it answered nothing and still takes the answer to its
    hello.
    """
    hello = cloud.attempt
    assert hello is not None
    cloud.send(cloud.command())
    old = hello.body["challenge"]
    cloud.answer(cloud.record.first_of(hello), session=False)  # a barrier: the device says hello anew
    again = cloud.find(lambda said: said.type != "will" and said.body.get("challenge") != old, 12000)
    if again is None or again.type != "hello":
        raise Failed(f"no session by {what}, and a new hello after session false", str(again or "nothing"))


@case(
    "hello-ack-wrong-challenge",
    "a hello_ack with another challenge, or none, begins nothing",
    ("HX3-SESS-15", "HX3-SESS-22"),
    group=GROUP,
)
def hello_ack_wrong_challenge(cloud: Cloud) -> None:
    hello = cloud.hello()
    right = hello.body["challenge"]
    for wrong in (
        cloud.random(16).hex(),
        right[:-1],
        right + "0",
        flipped(right, 0),
        flipped(right, -1),
        "",
        None,
        7,
        [],
    ):
        cloud.send(cloud.hello_ack(hello, challenge=wrong))
    cloud.send(cloud.hello_ack(hello, without=("challenge",)))
    expect_no_session(cloud, "a wrong challenge")


@case(
    "hello-ack-not-signed",
    "a hello_ack that the device's key did not sign begins nothing",
    ("HX3-SESS-15", "HX3-VAL-11"),
    group=GROUP,
)
def hello_ack_not_signed(cloud: Cloud) -> None:
    hello = cloud.hello()
    draft = cloud.hello_ack(hello)
    signature = draft.members()["signature"]
    for wrong in (flipped(signature, 0), flipped(signature, 31), flipped(signature, -1), "0" * 64, None):
        cloud.send(draft.wire(signature=wrong))
    cloud.send(draft.by(Key(cloud.random(32))))
    cloud.send(draft.wire(payload_hash=flipped(draft.members()["payload_hash"], -1)))
    expect_no_session(cloud, "a hello_ack with a wrong signature")


@case(
    "hello-ack-for-another",
    "a hello_ack for another device or tenant, or on another channel, begins nothing",
    ("HX3-WIRE-09", "HX3-WIRE-25", "HX3-VAL-01", "HX3-VAL-20"),
    group=GROUP,
)
def hello_ack_for_another(cloud: Cloud) -> None:
    hello = cloud.hello()
    draft = cloud.hello_ack(hello)
    cloud.send(draft.signing(device_id="f" * 32))
    for tenant in ("another-tenant", cloud.tenant_id + "x", None):
        cloud.send(draft.signing(tenant_id=tenant))
    cloud.send(draft, "ota")
    for kind in ("hello", "ack", "state"):
        cloud.send(draft.signing(message_type=kind))
    expect_no_session(cloud, "a hello_ack for somebody else")


@case(
    "hello-ack-members",
    "a hello_ack that lacks a needed member, or has a wrong one, is refused and leaves the challenge",
    ("HX3-SESS-16",),
    group=GROUP,
)
def hello_ack_members(cloud: Cloud) -> None:
    hello = cloud.hello()
    for name in ("session", "server_time", "last_cloud_sequence", "last_device_sequence"):
        cloud.send(cloud.hello_ack(hello, without=(name,)))
        for wrong in (None, "1", -1, 1.5, 9007199254740992, [1]):
            cloud.send(cloud.hello_ack(hello, **{name: wrong}))
    for wrong in (1, "true"):
        cloud.send(cloud.hello_ack(hello, session=wrong))
    expect_no_session(cloud, "a malformed hello_ack")


@case(
    "no-commands-before-session",
    "a command before the session is neither executed nor answered, then or later",
    ("HX3-SESS-22", "HX3-VAL-20"),
    group=GROUP,
)
def no_commands_before_session(cloud: Cloud) -> None:
    cloud.need_effect()
    hello = cloud.reconnect()
    early = cloud.command()
    cloud.send(early)
    cloud.begin(hello)
    cloud.expect_silence("a command before the session")


@case(
    "session-false",
    "session false repairs: at once a hello with a new challenge, and still no session",
    ("HX3-SESS-03", "HX3-SESS-23"),
    group=GROUP,
)
def session_false(cloud: Cloud) -> None:
    first = cloud.reconnect()
    cloud.answer(first, session=False)
    second = cloud.expect("hello", 4000)
    if second.body["challenge"] == first.body["challenge"]:
        raise Failed("a new challenge after session false", "the same one")
    cloud.send(cloud.command())
    cloud.answer(second, session=False)
    third = cloud.expect("hello", 9000)
    if third.at - second.at < 3500:
        raise Failed("the hello after a second session false 5 s later", f"{third.at - second.at} ms")
    if cloud.heard() != "nothing":
        raise Failed("nothing but hello, as there is no session", cloud.heard())
    cloud.begin(third)


@case(
    "hello-ack-replayed",
    "a hello_ack that was matched once counts no more: its numbers bring nothing back",
    ("HX3-SESS-06", "HX3-SESS-15"),
    group=GROUP,
)
def hello_ack_replayed(cloud: Cloud) -> None:
    answer = cloud.begin()
    cloud.need_effect()
    command = cloud.command()
    cloud.send(command)
    cloud.expect_ack(command)
    cloud.expect_shown(True)
    cloud.at_rest()
    for _ in range(17):  # until no device remembers the nonce
        cloud.probe()
    cloud.send(answer)
    cloud.expect_refused("a command of before, after its session's hello_ack came again", command)


@case(
    "old-hello-ack",
    "a hello_ack of an earlier connection does not answer this one's hello",
    ("HX3-SESS-03", "HX3-SESS-06"),
    group=GROUP,
)
def old_hello_ack(cloud: Cloud) -> None:
    before = cloud.hello()
    cloud.begin(before)
    late = cloud.hello_ack(before)
    hello = cloud.reconnect()
    if hello.body["challenge"] == before.body["challenge"]:
        raise Failed("a new challenge on a new connection", "the same one")
    cloud.send(late)
    expect_no_session(cloud, "an answer to an earlier hello")


@case(
    "challenge-ends",
    "after 60 s without an answer the device gives the connection up, and asks anew on the next",
    ("HX3-SESS-05",),
    ("slow",),
    limit=400,
    group=GROUP,
)
def challenge_ends(cloud: Cloud) -> None:
    first = cloud.reconnect()
    until = cloud.line.now() + 75000
    while cloud.line.now() < until and cloud.attempt is not None:
        said = cloud.expect("hello", 75000)
        if said.body["challenge"] != first.body["challenge"]:
            if not said.at - first.at >= 55000:
                raise Failed("the challenge to last 60 s", f"a new one after {said.at - first.at} ms")
            late = cloud.hello_ack(first)
            cloud.send(late)
            return expect_no_session(cloud, "an answer to a challenge that had ended")
    raise Failed(
        "a hello with a new challenge after 60 s", f"the same one after {cloud.line.now() - first.at} ms"
    )
