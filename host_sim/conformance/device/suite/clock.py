"""Time and numbers: what hello_ack sets, and what the device keeps."""

from host_sim.conformance.case import Failed, case
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.effect import UNKNOWN, Call
from host_sim.conformance.device.record import Said

GROUP = "Clock and numbers"
HOUR = 3600000


def other_time(cloud: Cloud) -> None:
    """From here on this cloud's clock is another by an hour: no more, since TLS may go by what a device is
    told.
    """
    cloud.ahead = 0 if cloud.ahead else HOUR


def expect_time(cloud: Cloud, said: Said) -> None:
    error = said.message.timestamp - cloud.now()
    if abs(error) > 3000:
        raise Failed("a message stamped by hello_ack's server_time", f"one that is {error} ms off")


@case(
    "clock-from-hello-ack",
    "the device takes the time from hello_ack, and stamps its messages by it",
    ("HX3-SESS-17", "HX3-SESS-29"),
    group=GROUP,
)
def clock_from_hello_ack(cloud: Cloud) -> None:
    hello = cloud.hello()
    other_time(cloud)
    cloud.answer(hello)
    expect_time(cloud, cloud.expect("state"))
    cloud.manual = False
    draft = cloud.command(Call(UNKNOWN, {}))
    cloud.send(draft)
    expect_time(cloud, cloud.expect_ack(draft, "failed", "UNKNOWN_ACTION"))


@case(
    "clock-half-round-trip",
    "half of the time since hello is added to server_time",
    ("HX3-SESS-17",),
    group=GROUP,
)
def clock_half_round_trip(cloud: Cloud) -> None:
    cloud.hello()
    cloud.forget()
    hello = cloud.expect("hello", 9000)  # the next one, whose time of sending is known
    cloud.wait(3600)
    cloud.answer(hello)
    said = cloud.expect("state")
    error = said.message.timestamp - cloud.now()
    cloud.manual = False
    if not 1000 <= error <= 2700:
        raise Failed("a clock that is 1.8 s ahead, after an answer that took 3.6 s", f"{error} ms")


@case(
    "clock-repair",
    "a device with a wrong clock, told so by session false, says hello with the right time",
    ("HX3-SESS-23", "HX3-SESS-17"),
    group=GROUP,
)
def clock_repair(cloud: Cloud) -> None:
    hello = cloud.hello()
    other_time(cloud)
    cloud.answer(hello, session=False)
    expect_time(cloud, cloud.expect("hello", 12000))


@case(
    "numbers-rise-over-connections",
    "numbers go on rising over a lost connection",
    ("HX3-SEQ-11",),
    group=GROUP,
)
def numbers_rise(cloud: Cloud) -> None:
    cloud.ready()
    highest = cloud.record.highest
    hello = cloud.reconnect()
    if hello.message.sequence <= highest:
        raise Failed(f"a number above {highest}", str(hello.message.sequence))


@case(
    "numbers-lifted",
    "the device goes on above last_device_sequence where that is higher",
    ("HX3-SESS-18",),
    group=GROUP,
)
def numbers_lifted(cloud: Cloud) -> None:
    hello = cloud.hello()
    lifted = cloud.record.highest + 5000
    cloud.answer(hello, last_device_sequence=lifted)
    said = cloud.expect("state")
    if said.message.sequence <= lifted:
        raise Failed(f"a number above {lifted}", str(said.message.sequence))
    cloud.manual = False


@case(
    "numbers-never-back",
    "a lower last_device_sequence does not take the device's numbers back",
    ("HX3-SESS-18", "HX3-SEQ-11"),
    group=GROUP,
)
def numbers_never_back(cloud: Cloud) -> None:
    hello = cloud.hello()
    highest = cloud.record.highest
    cloud.answer(hello, last_device_sequence=1)
    said = cloud.expect("state")
    if said.message.sequence <= highest:
        raise Failed(f"a number above {highest}", str(said.message.sequence))
    cloud.manual = False


@case(
    "floor-as-told",
    "the floor is exactly last_cloud_sequence: at it a command is refused, above it accepted",
    ("HX3-SESS-19", "HX3-SEQ-01"),
    group=GROUP,
)
def floor_as_told(cloud: Cloud) -> None:
    cloud.at_rest()
    hello = cloud.reconnect()
    late = [cloud.command(), cloud.command()]  # of the session before, under way all the time
    cloud.sent += 500
    answer = cloud.begin(hello)
    cloud.send(late[0])
    cloud.send(late[1])
    cloud.expect_refused(
        "a command with the number that last_cloud_sequence told", cloud.command(number=answer.number)
    )
    draft = cloud.command(number=cloud.sent + 1)
    cloud.sent += 1
    cloud.send(draft)
    if cloud.find(lambda said: said.ref == draft.message_id) is None:
        raise Failed("an answer to a command above the floor", "silence")


@case(
    "floor-goes-down",
    "a lower last_cloud_sequence lowers the floor: a cloud that lost its numbers is served",
    ("HX3-SESS-19",),
    group=GROUP,
)
def floor_goes_down(cloud: Cloud) -> None:
    cloud.ready()
    cloud.sent += 10000
    cloud.probe()
    before = cloud.sent
    hello = cloud.reconnect()
    cloud.sent = before - 9000
    try:
        cloud.begin(hello)
        cloud.probe()
    finally:
        cloud.sent = before
    cloud.probe()
