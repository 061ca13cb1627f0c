"""What a cloud does with a hello."""

from host_sim.conformance.case import Failed, case, expect
from host_sim.conformance.cloud.device import Device, manifest
from host_sim.conformance.draft import flipped
from hxtp.session import whole
from hxtp.sign import Key, digest

GROUP = "Hello"
MOST = 9007199254740991
MEMBERS = {
    "challenge", "features", "heartbeat_interval", "last_cloud_sequence", "last_device_sequence", "limits",
    "manifest_wanted", "ref_message_id", "server_time", "session",
}  # fmt: skip


@case(
    "cloud-hello-ack",
    "hello is answered once, with all members: the challenge, the time, the numbers both ways",
    ("HX3-SESS-10", "HX3-SESS-11"),
    group=GROUP,
)
def hello_ack(device: Device) -> None:
    hello = device.hello()
    device.send(hello)
    said = device.expect_hello_ack(hello)
    if not set(said.body) >= MEMBERS:
        raise Failed(f"the members {sorted(MEMBERS)}", repr(sorted(said.body)))
    expect("ref_message_id", hello.message_id, said.body["ref_message_id"])
    expect("last_device_sequence", hello.number, said.body["last_device_sequence"])
    expect("last_cloud_sequence, its own number,", said.message.sequence, said.body["last_cloud_sequence"])
    for name, low, high in (("server_time", 1, MOST), ("heartbeat_interval", 5, 3600)):
        if not whole(said.body[name], low, high):
            raise Failed(f"{name}: an integer from {low} to {high}", repr(said.body[name]))
    if abs(said.body["server_time"] - said.message.timestamp) > 5000:
        raise Failed(
            "a server_time of the moment", f"{said.body['server_time'] - said.message.timestamp} ms off"
        )
    if not isinstance(said.body["limits"], dict) or not isinstance(said.body["manifest_wanted"], bool):
        raise Failed("limits: an object, and manifest_wanted: true or false", str(said))
    device.expect_none("hello_ack", "a second time")


@case(
    "cloud-features",
    "features in hello_ack are among those of hello",
    ("HX3-SESS-14", "HX3-SESS-09"),
    group=GROUP,
)
def features(device: Device) -> None:
    for told in ([], ["conformance_feature"]):
        hello = device.hello(features=told)
        device.send(hello)
        said = device.expect_hello_ack(hello)
        if not isinstance(said.body.get("features"), list) or not set(said.body["features"]) <= set(told):
            raise Failed(f"features out of {told}", repr(said.body.get("features")))


@case(
    "cloud-hello-form",
    "hello is answered in its own form, framed or bare, and commands follow it",
    ("HX3-WIRE-05", "HX3-WIRE-07"),
    group=GROUP,
)
def hello_form(device: Device) -> None:
    try:
        for framed in (False, True):
            device.framed = framed
            said = device.begin()
            expect("whether the hello_ack is framed", framed, said.framed)
            asked, value = device.ask()
            command = device.expect_command(value)
            expect("whether the command is framed", framed, command.framed)
            device.executed(command)
            device.expect_outcome(asked, True)
    finally:
        device.framed = True


@case(
    "cloud-hello-members",
    "a hello that lacks what is not needed, or has more, is accepted",
    ("HX3-SESS-09", "HX3-WIRE-28"),
    group=GROUP,
)
def hello_members(device: Device) -> None:
    optional = ("device_type", "features", "firmware_version", "key_version", "manifest_hash", "reset_reason")
    for without, more in ((optional, {}), ((), {"hxtp_next": {"any": [1, None]}})):
        hello = device.hello(without=without, **more)
        device.send(hello.wire(hxtp_next=True), "hello")
        device.expect_hello_ack(hello)
    device.begin()


@case(
    "cloud-hello-without-tenant",
    "a missing tenant_id is taken from the topic; another one, or null, is refused",
    ("HX3-WIRE-25", "HX3-VAL-19"),
    group=GROUP,
)
def hello_without_tenant(device: Device) -> None:
    for wrong in ("another-tenant", device.tenant_id + "x", ""):
        device.send(device.hello().signing(tenant_id=wrong))
    device.expect_none("hello_ack", "to a hello of another tenant")
    hello = device.hello()
    device.send(hello.signing(tenant_id=None))
    device.expect_hello_ack(hello)


@case(
    "cloud-hello-malformed",
    "a hello without a right challenge, boot count or K is not answered",
    ("HX3-SESS-08", "HX3-VAL-13", "HX3-VAL-18"),
    group=GROUP,
)
def hello_malformed(device: Device) -> None:
    for name in ("challenge", "boot_count", "results_kept"):
        device.send(device.hello(without=(name,)))
        for wrong in (None, "", -1, 1.5, True, [], 9007199254740992):
            device.send(device.hello(**{name: wrong}))
    for wrong in (0, 1025):
        device.send(device.hello(results_kept=wrong))
    for wrong in ("ab" * 15, "x" * 32 + "!", "ab" * 33, "a|b" * 12):
        device.send(device.hello(challenge=wrong))
    device.expect_none("hello_ack", "to a malformed hello")
    device.begin()


@case(
    "cloud-hello-forged",
    "a hello that the device's key did not sign is not answered, and takes no number",
    ("HX3-VAL-11", "HX3-VAL-13"),
    group=GROUP,
)
def hello_forged(device: Device) -> None:
    high = device.number + 100000
    draft = device.hello(number=high)
    signature = draft.members()["signature"]
    for at in (0, 31, 63):
        device.send(draft.wire(signature=flipped(signature, at)), "hello")
    device.send(draft.by(Key(device.random(32))))
    device.send(draft.wire(payload_hash=flipped(digest(draft.body).decode(), -1)), "hello")
    device.expect_none("hello_ack", "to a forged hello")
    device.expect_not_taken("a forged hello")


@case(
    "cloud-stale-time",
    "a hello with a stale time is answered by session false, and changes nothing",
    ("HX3-SESS-24", "HX3-SESS-25", "HX3-VAL-05"),
    group=GROUP,
)
def stale_time(device: Device) -> None:
    for offset in (-310000, 75000):
        hello = device.hello(boot_count=1).signing(timestamp=device.line.now() + offset)
        device.send(hello)
        said = device.expect_hello_ack(hello, False)
        if abs(said.body["server_time"] - said.message.timestamp) > 5000:
            raise Failed("a server_time of the moment", str(said))
        device.expect_not_taken("a stale hello")
        device.wait(5500)  # no more than one in 5 s


@case(
    "cloud-stale-rarely",
    "stale hellos are answered once in 5 s, and then again",
    ("HX3-SESS-24",),
    group=GROUP,
)
def stale_rarely(device: Device) -> None:
    device.wait(5500)
    past = device.line.now() - 400000
    hellos = [device.hello().signing(timestamp=past) for _ in range(3)]
    for hello in hellos:
        device.send(hello)
    device.expect_an_ack(hellos, False)
    device.expect_none("hello_ack", "within 5 s of the last answer to a stale hello")
    device.wait(5500)
    again = device.hello().signing(timestamp=past)
    device.send(again)
    device.expect_hello_ack(again, False)


@case(
    "cloud-stale-number",
    "a hello with a number that was used begins nothing: session false tells the numbers",
    ("HX3-SESS-24", "HX3-SEQ-04"),
    group=GROUP,
)
def stale_number(device: Device) -> None:
    device.wait(5500)
    hello = device.hello()
    device.send(hello)
    device.expect_hello_ack(hello)
    used = device.hello(number=hello.number)
    device.send(used)
    said = device.expect_hello_ack(used, False)
    expect("last_device_sequence", hello.number, said.body["last_device_sequence"])


@case(
    "cloud-manifest-wanted",
    "the manifest is wanted until it came, and again when hello names another",
    ("HX3-MAN-03", "HX3-MAN-04", "HX3-SESS-10"),
    group=GROUP,
)
def manifest_wanted(device: Device) -> None:
    def wanted() -> bool:
        hello = device.hello()
        device.send(hello)
        return device.expect_hello_ack(hello).body["manifest_wanted"]

    try:
        for text in ("first", "second"):
            device.manifest = manifest(f"{text}, of {device.line.now()}")
            expect("manifest_wanted for a new manifest", True, wanted())
            device.send(device.draft("manifest", manifest("another than hello named")))
            expect("manifest_wanted after a manifest that hello did not name", True, wanted())
            device.send(device.draft("manifest", device.manifest))
            if wanted():  # one worker of several may look at the hello before another took the manifest
                device.wait(1000)
                expect("manifest_wanted once it came", False, wanted())
    finally:
        device.manifest = manifest()
        device.begin()
