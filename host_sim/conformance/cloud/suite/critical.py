"""Critical actions: the device has its say in a dry run before anybody may say yes."""

from host_sim.conformance.case import Failed, Skipped, case, expect
from host_sim.conformance.cloud.critical import NO_SUCH_PATH, PAUSE, Critical
from host_sim.conformance.cloud.device import UNTRIED, Device
from host_sim.conformance.draft import flipped
from hxtp.sign import Key

GROUP = "Critical actions: dry runs"


@case(
    "cloud-critical-tried",
    "a critical command is a dry run first, and after the yes it is sent as it was tried",
    ("HX3-MAN-10", "HX3-CMD-28", "HX3-CMD-32"),
    group=GROUP,
)
def tried(device: Device) -> None:
    critical = Critical(device)
    wish = critical.ask()
    said = critical.expect_dry_run(wish)
    if said.retain:
        raise Failed("a dry run that is not retained", "RETAIN 1")
    critical.tried(said)
    token = critical.expect_token(wish)
    critical.expect_confirmed(token, wish)


@case(
    "cloud-critical-waits",
    "nobody may say yes before the device has answered, and nothing is sent for good before the yes",
    ("HX3-MAN-10", "HX3-MAN-21"),
    group=GROUP,
)
def waits(device: Device) -> None:
    critical = Critical(device)
    wish = critical.ask()
    said = critical.expect_dry_run(wish)
    device.wait(PAUSE)
    told = wish.told()
    if told is not None:
        raise Failed("no answer before the device has answered the dry run", str(told))
    critical.tried(said)
    token = critical.expect_token(wish)
    critical.expect_not_sent(wish, "before the yes")
    critical.expect_confirmed(token, wish)


@case(
    "cloud-critical-refused",
    "what the device refuses gets no token, whatever its reason, and is not sent",
    ("HX3-MAN-21",),
    group=GROUP,
)
def refused(device: Device) -> None:
    critical = Critical(device)
    for error in ("INVALID_PARAMS", "UNKNOWN_ACTION", "INTERNAL_ERROR", "CONFORMANCE_SAYS_NO"):
        wish = critical.ask()
        device.nack(critical.expect_dry_run(wish), error)
        critical.expect_no_token(wish, f"for what the device refuses by {error}")


@case(
    "cloud-critical-silent",
    "a device that does not answer its dry run gets no token, and nothing is sent, also when it answers late",
    ("HX3-MAN-21",),
    limit=90,
    group=GROUP,
)
def silent(device: Device) -> None:
    critical = Critical(device)
    wish = critical.ask()
    said = critical.expect_dry_run(wish)
    critical.expect_no_token(wish, "for a device that says nothing")
    critical.tried(said)
    critical.expect_not_sent(wish, "by an answer to a dry run that comes late")


@case(
    "cloud-critical-rebooted",
    "a device that reboots before it answers has not answered",
    ("HX3-MAN-21", "HX3-CMD-21"),
    limit=90,
    group=GROUP,
)
def rebooted(device: Device) -> None:
    critical = Critical(device)
    wish = critical.ask()
    critical.expect_dry_run(wish)
    device.boot_count += 1
    device.begin()
    critical.expect_no_token(wish, "for a device that rebooted instead")


@case(
    "cloud-critical-forged-ack",
    "an answer to the dry run that the device did not sign is none",
    ("HX3-MAN-21", "HX3-CMD-23"),
    limit=90,
    group=GROUP,
)
def forged_ack(device: Device) -> None:
    critical = Critical(device)
    wish = critical.ask()
    said = critical.expect_dry_run(wish)
    draft = device.ack(said, ack_status="dry_run")
    device.send(draft.by(Key(device.random(32))))
    device.send(draft.wire(signature=flipped(draft.members()["signature"], 0)), "cmd_ack")
    device.send(draft, "state")
    device.send(device.ack(said, ack_status="dry_run", ref_message_id=draft.message_id))
    device.wait(PAUSE)
    told = wish.told()
    if told is not None:
        raise Failed("no answer by acks that are none", str(told))
    device.nack(said, "INVALID_PARAMS")
    critical.expect_no_token(wish, "after forged acks")


@case(
    "cloud-critical-ack-of-other",
    "of two that are tried at a time each has the answer to its own dry run",
    ("HX3-MAN-21", "HX3-CMD-23"),
    limit=90,
    group=GROUP,
)
def ack_of_other(device: Device) -> None:
    critical = Critical(device)
    first = critical.ask()
    one = critical.expect_dry_run(first)
    second = critical.ask()
    two = critical.expect_dry_run(second)
    critical.tried(two)
    token = critical.expect_token(second)
    if (told := first.told()) is not None:
        raise Failed("no answer to the one whose dry run was not answered", str(told))
    device.nack(one, "INVALID_PARAMS")
    critical.expect_no_token(first, "for the one that was refused")
    critical.expect_confirmed(token, second)


@case(
    "cloud-critical-untried",
    "an action without dry runs is not tried, and who is to say yes is told so",
    ("HX3-MAN-20", "HX3-CMD-31"),
    group=GROUP,
)
def untried(device: Device) -> None:
    critical = Critical(device)
    wish = critical.ask(UNTRIED)
    sent = critical.find(wish)
    if sent is not None:
        raise Failed("nothing to be sent before the yes", str(sent))
    told = critical.told(wish)
    if told.token is None:
        raise Failed("a token to confirm it by", str(told))
    expect("dry_run in what is told", "not_supported", told.members.get("dry_run"))
    critical.expect_confirmed(told.token, wish, UNTRIED)


@case(
    "cloud-critical-many",
    "where several devices are asked at once a critical command is tried just the same",
    ("HX3-MAN-10", "HX3-MAN-21"),
    limit=90,
    group=GROUP,
)
def many(device: Device) -> None:
    critical = Critical(device)
    wish = critical.ask(many=True)
    sent, told = critical.find(wish), wish.told()
    if sent is None and told is not None and told.answer.status in NO_SUCH_PATH:
        raise Skipped(f"the cloud's API has no /devices/command: it answers {told.answer.status}")
    if sent is None or sent.body.get("dry_run") is not True:
        raise Failed("a dry run before all else", str(sent or told))
    critical.tried(sent)
    critical.expect_confirmed(critical.expect_token(wish), wish)
    wish = critical.ask(many=True)
    device.nack(critical.expect_dry_run(wish), "INVALID_PARAMS")
    critical.expect_no_token(wish, "for what the device refuses")
