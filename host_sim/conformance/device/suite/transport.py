"""What a device does with MQTT, and what a reset leaves."""

from host_sim.conformance.case import Failed, case, expect
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.suite.handshake import expect_no_session
from host_sim.conformance.device.suite.replay import once
from hxtp.topics import topic

GROUP = "Transport and resets"


@case(
    "too-large",
    "a message that is too large is refused, and the connection lives on",
    ("HX3-WIRE-04", "HX3-VAL-02", "HX3-TRANS-07"),
    group=GROUP,
)
def too_large(cloud: Cloud) -> None:
    cloud.at_rest()
    draft = cloud.command()
    challenge = cloud.hello_said and cloud.hello_said.body["challenge"]
    size = len(draft.json(hxtp_padding=""))
    for total in (16385, 16384 + 100, 20000, 70000):
        cloud.send(draft.wire(hxtp_padding="x" * (total - size)))
    cloud.expect_silence("a message of more than 16,384 bytes")
    expect(
        "the challenge of the last hello", challenge, cloud.hello_said and cloud.hello_said.body["challenge"]
    )


@case(
    "quality-of-service",
    "messages are published at QoS 1, heartbeats and telemetry at QoS 0",
    ("HX3-TRANS-04",),
    group=GROUP,
)
def quality_of_service(cloud: Cloud) -> None:
    cloud.ready()
    cloud.probe()
    for said in cloud.record.said:
        wanted = 0 if said.type in ("heartbeat", "telemetry", "will") else 1
        expect(f"the QoS of a message of type {said.type}", wanted, said.qos)


@case("nothing-retained", "the device publishes nothing retained", ("HX3-TRANS-04",), group=GROUP)
def nothing_retained(cloud: Cloud) -> None:
    cloud.ready()
    found = cloud.line.retained()
    if found:
        raise Failed("no retained message on the device's channels", ", ".join(found))


@case(
    "login",
    "the device logs in as specified: ids, password, clean session, keepalive, will, subscriptions",
    ("HX3-TRANS-01", "HX3-TRANS-03", "HX3-PRES-03", "HX3-KEY-04", "HX3-SESS-33"),
    group=GROUP,
)
def login(cloud: Cloud) -> None:
    cloud.ready()
    seen = cloud.line.login()
    expect("the client id", f"hxtp-{cloud.device_id}", seen.client_id)
    expect("the user name", cloud.device_id, seen.username)
    expect("whether the session is clean", True, seen.clean_session)
    expect("whether the password is one of this secret's", True, seen.password_ok)
    expect("the keepalive, in seconds,", 60, seen.keepalive)
    if seen.will is None:
        raise Failed("a will in CONNECT", "none")
    expect("the topic of the will", topic(cloud.tenant_id, cloud.device_id, "heartbeat"), seen.will.topic)
    expect("the payload of the will", b"", seen.will.payload)
    expect("the QoS of the will", 0, seen.will.qos)
    expect("whether the will is retained", False, seen.will.retain)
    wanted = {topic(cloud.tenant_id, cloud.device_id, channel): 1 for channel in ("cmd", "ota")}
    expect("the subscriptions", wanted, seen.subscriptions)


@case(
    "reset",
    "after a reset the boot count is one more, the challenge new, and no number used again",
    ("HX3-SEQ-11", "HX3-SEQ-12", "HX3-SEQ-14"),
    group=GROUP,
)
def reset(cloud: Cloud) -> None:
    before = cloud.hello()
    cloud.begin(before)
    highest = cloud.record.highest
    hello = cloud.reset()
    boot = before.body["boot_count"]
    if hello.body["boot_count"] <= boot:
        raise Failed(f"a boot count above {boot}", repr(hello.body["boot_count"]))
    if hello.body["challenge"] == before.body["challenge"]:
        raise Failed("a new challenge after a reset", "the one of before")
    if hello.message.sequence <= highest:
        raise Failed(f"a number above {highest}", str(hello.message.sequence))
    cloud.begin(hello)
    cloud.probe()


@case(
    "reset-without-clock",
    "a device that has just started and knows no time is repaired, and then served",
    ("HX3-SESS-23", "HX3-SESS-17", "HX3-VAL-07"),
    group=GROUP,
)
def reset_without_clock(cloud: Cloud) -> None:
    cloud.ready()
    hello = cloud.reset()
    cloud.answer(hello, session=False)
    hello = cloud.expect("hello", 9000)
    error = hello.message.timestamp - cloud.now()
    if abs(error) > 3000:
        raise Failed("a hello with the time that hello_ack brought", f"one that is {error} ms off")
    cloud.begin(hello)
    cloud.probe()


@case(
    "reset-then-replay",
    "a command of before a reset is not executed after it",
    ("HX3-SESS-19", "HX3-SEQ-01"),
    group=GROUP,
)
def reset_then_replay(cloud: Cloud) -> None:
    draft = once(cloud)
    unsent = cloud.command()
    hello = cloud.reset()
    cloud.send(unsent)
    cloud.begin(hello)
    cloud.send(unsent)
    cloud.at_rest()  # a relay may come back as it was
    cloud.expect_refused("a command of before the reset", draft)


@case(
    "reset-then-no-answer",
    "a device whose cloud has answered once serves no cloud that does not, resets or not",
    ("HX3-SESS-30", "HX3-SESS-22"),
    group=GROUP,
)
def reset_then_no_answer(cloud: Cloud) -> None:
    cloud.ready()
    cloud.reset()
    cloud.send(cloud.command())
    expect_no_session(cloud, "silence")
