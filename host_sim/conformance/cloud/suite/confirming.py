"""The yes to a critical command: once, in time, at its own device, and to what the device has tried."""

from host_sim.conformance.case import Failed, case
from host_sim.conformance.cloud.critical import Critical, Told
from host_sim.conformance.cloud.device import Device

GROUP = "Critical actions: the yes"


@case(
    "cloud-confirm-once",
    "a token counts once: the same yes again is refused or names the same command, and nothing more is sent",
    ("HX3-MAN-10", "HX3-MAN-22"),
    group=GROUP,
)
def once(device: Device) -> None:
    critical = Critical(device)
    token, wish = critical.token()
    first = critical.confirm(token)
    critical.expect_sent(first, wish)
    again = critical.confirm(token)
    named = Told(again).members.get("command_id")
    if again.status // 100 == 2 and named != Told(first).members.get("command_id"):
        raise Failed("the command_id of the first yes, or a refusal", str(Told(again)))
    if again.status // 100 not in (2, 4):
        raise Failed("an answer to a token that was used", str(Told(again)))
    critical.expect_not_sent(wish, "by a token that was used")


@case(
    "cloud-confirm-own",
    "a token confirms the command that it was given for, and not the newest",
    ("HX3-MAN-10",),
    group=GROUP,
)
def own(device: Device) -> None:
    critical = Critical(device)
    first, one = critical.token()
    second, two = critical.token()
    critical.expect_confirmed(first, one)
    critical.expect_not_sent(two, "by the yes to another")
    critical.expect_confirmed(second, two)


@case(
    "cloud-confirm-invented",
    "a token that the cloud never gave confirms nothing",
    ("HX3-MAN-10",),
    group=GROUP,
)
def invented(device: Device) -> None:
    critical = Critical(device)
    token, wish = critical.token()
    last = "A" if token[-1] != "A" else "B"
    for wrong in (device.random(16).hex(), token[:-1] + last, token[:-1]):
        critical.expect_not_confirmed(wrong, wish, "a token that the cloud never gave")
    critical.expect_confirmed(token, wish)


@case(
    "cloud-confirm-at-its-device",
    "a token confirms nothing at another device",
    ("HX3-MAN-10",),
    group=GROUP,
)
def at_its_device(device: Device) -> None:
    critical = Critical(device)
    token, wish = critical.token()
    api = device.line.api()
    other = api.register()
    try:
        critical.expect_not_confirmed(token, wish, "a token of another device", other.device_id)
    finally:
        api.revoke(other.device_id)


@case(
    "cloud-confirm-as-tried",
    "a yes that brings parameters or an action of its own changes nothing of what was tried",
    ("HX3-MAN-10",),
    group=GROUP,
)
def as_tried(device: Device) -> None:
    critical = Critical(device)
    for more in ({"params": {"value": 999999}}, {"action": "conformance_leap"}, {"value": 999999}):
        token, wish = critical.token()
        answer = critical.confirm(token, **more)
        if 400 <= answer.status < 500:  # refused for what it brings, which will do
            critical.expect_not_sent(wish, "by a yes that was refused")
        else:
            critical.expect_sent(answer, wish)


@case(
    "cloud-confirm-in-time",
    "a token counts for 60 s at most",
    ("HX3-MAN-10",),
    ("slow",),
    limit=150,
    group=GROUP,
)
def in_time(device: Device) -> None:
    critical = Critical(device)
    token, wish = critical.token()
    device.wait(61000)
    critical.expect_not_confirmed(token, wish, "a token of more than 60 s ago")
