"""Commands of a cloud: their form, their repetition, and what settles them."""

import json

from host_sim.conformance.case import Failed, case, expect
from host_sim.conformance.cloud.device import ACTION, QUIET, Device
from host_sim.conformance.draft import compact, flipped
from hxtp import frame
from hxtp.sign import Key

GROUP = "Commands"


@case(
    "cloud-command-form",
    "a command is signed and fresh, holds its action in the body and at the top, and is canonical",
    ("HX3-CMD-01", "HX3-CMD-02", "HX3-WIRE-33", "HX3-WIRE-34", "HX3-WIRE-38", "HX3-WIRE-39"),
    group=GROUP,
)
def command_form(device: Device) -> None:
    asked, value = device.ask()
    said = device.expect_command(value)
    members = said.members
    text = said.payload[frame.HEADER :] if said.framed else said.payload
    if text != compact(members):
        raise Failed("sorted members, compact and in ASCII", text[:200].decode("latin-1"))
    expect("the body", {"action": ACTION, "value": value}, said.body)
    expect("the top-level action", ACTION, members.get("action"))
    expect("request_id", members["message_id"], members["request_id"])
    id = members["message_id"]
    if len(id) != 36 or id[14] != "4" or id[19] not in "89ab" or id != id.lower():
        raise Failed("a version 4 UUID in lower case as message_id", repr(id))
    if said.retain:
        raise Failed("a command that is not retained", "RETAIN 1")
    device.executed(said)
    device.expect_outcome(asked, True)


@case(
    "cloud-command-settled",
    "an ack settles its command as executed, a nack as failed with its error",
    ("HX3-CMD-23", "HX3-CMD-24"),
    group=GROUP,
)
def command_settled(device: Device) -> None:
    asked, value = device.ask()
    device.executed(device.expect_command(value))
    device.expect_outcome(asked, True)
    for told, wanted in (("INVALID_PARAMS", "INVALID_PARAMS"), (7, "COMMAND_INVALID")):
        asked, value = device.ask()
        said = device.expect_command(value)
        device.send(device.ack(said, ack_status="failed", error=told))
        device.expect_outcome(asked, False, wanted)


@case(
    "cloud-ack-dry-run",
    "an ack that says dry_run of a command that was none ends it as failed with COMMAND_INVALID",
    ("HX3-CMD-32",),
    group=GROUP,
)
def ack_dry_run(device: Device) -> None:
    asked, value = device.ask()
    device.send(device.ack(device.expect_command(value), ack_status="dry_run"))
    device.expect_outcome(asked, False, "COMMAND_INVALID")


@case(
    "cloud-ack-body-names",
    "an ack of an older device, whose body is called result, settles as well",
    ("HX3-WIRE-30",),
    group=GROUP,
)
def ack_body_names(device: Device) -> None:
    asked, value = device.ask()
    said = device.expect_command(value)
    draft = device.ack(said)
    device.send(draft.wire(params=None, result=json.loads(draft.body or b"{}")), "cmd_ack")
    device.expect_outcome(asked, True)


@case(
    "cloud-ack-forged",
    "an ack that nobody signed, of another command, late, or on another channel settles nothing",
    ("HX3-CMD-23", "HX3-VAL-11", "HX3-VAL-18", "HX3-WIRE-09"),
    group=GROUP,
)
def ack_forged(device: Device) -> None:
    asked, value = device.ask()
    said = device.expect_command(value)
    draft = device.ack(said)
    signature = draft.members()["signature"]
    for at in (0, 31, 63):
        device.send(draft.wire(signature=flipped(signature, at)), "cmd_ack")
    device.send(draft.by(Key(device.random(32))))
    device.send(draft, "state")
    device.send(draft.signing(timestamp=device.line.now() - 310000))
    device.send(draft.signing(device_id="f" * 32))
    device.send(draft.signing(message_type="state"), "cmd_ack")
    device.send(device.ack(said, ref_message_id=draft.message_id))
    device.send(device.ack(said, ref_message_id=None))
    device.expect_unsettled(asked, "by acks that are none")
    device.executed(said)
    device.expect_outcome(asked, True)


@case(
    "cloud-ack-of-other",
    "an ack settles the command that it names, and no other",
    ("HX3-CMD-23",),
    group=GROUP,
)
def ack_of_other(device: Device) -> None:
    first, one = device.ask()
    second, two = device.ask()
    device.expect_command(one)
    device.executed(device.expect_command(two))
    device.expect_outcome(second, True)
    if first.outcome() is not None:
        raise Failed("the command that no ack named to stay unsettled", "settled")
    device.begin()
    device.executed(device.expect_command(one))
    device.expect_outcome(first, True)


@case(
    "cloud-retry-after-time",
    "a command without an ack is signed again after 10 s: same message_id and body, all else new",
    ("HX3-CMD-18", "HX3-CMD-19"),
    limit=90,
    group=GROUP,
)
def retry_after_time(device: Device) -> None:
    asked, value = device.ask()
    first = device.expect_command(value)
    second = device.expect_command(value, 16000)
    if not second.at - first.at >= 8500:
        raise Failed("the command again after 10 s", f"{second.at - first.at} ms")
    _same_command(first, second)
    third = device.expect_command(value, 26000)
    if not third.at - second.at >= 17000:
        raise Failed("the command once more after 20 s", f"{third.at - second.at} ms")
    device.executed(second)
    device.expect_outcome(asked, True)


def _same_command(first, second) -> None:
    expect("the message_id of the command that comes again", first.id, second.id)
    expect("its body", first.body, second.body)
    for name in ("nonce", "sequence", "timestamp"):
        if getattr(first.message, name) == getattr(second.message, name):
            raise Failed(f"a new {name}", "the same one")


@case(
    "cloud-retry-after-hello",
    "after a new hello of the same boot a command without an ack comes again at once",
    ("HX3-CMD-18", "HX3-CMD-20"),
    group=GROUP,
)
def retry_after_hello(device: Device) -> None:
    asked, value = device.ask()
    first = device.expect_command(value)
    device.reconnect()
    device.begin()
    second = device.expect_command(value, 5000)
    _same_command(first, second)
    device.executed(second)
    device.expect_outcome(asked, True)


@case(
    "cloud-another-boot",
    "after a hello of another boot a published command fails with OUTCOME_UNKNOWN and never comes again",
    ("HX3-CMD-20", "HX3-CMD-21"),
    limit=90,
    group=GROUP,
)
def another_boot(device: Device) -> None:
    asked, value = device.ask()
    device.expect_command(value)
    device.boot_count += 1
    device.reconnect()
    device.begin()
    device.expect_outcome(asked, False, "OUTCOME_UNKNOWN")
    said = device.find(lambda said: said.type == "command" and said.body.get("value") == value, 12000)
    if said is not None:
        raise Failed("the command of another boot never again", str(said))


@case(
    "cloud-late-ack",
    "an ack that comes when its command has failed changes nothing",
    ("HX3-CMD-23", "HX3-VAL-18"),
    group=GROUP,
)
def late_ack(device: Device) -> None:
    asked, value = device.ask()
    said = device.expect_command(value)
    device.boot_count += 1
    device.begin()
    device.expect_outcome(asked, False, "OUTCOME_UNKNOWN")
    late = device.ack(said, number=device.number + 1000)
    device.send(late)
    device.expect_not_taken("an ack that settles nothing")


@case(
    "cloud-window-of-k",
    "command n is published only when command n - K and all before are settled",
    ("HX3-CMD-15", "HX3-CMD-21"),
    group=GROUP,
)
def window_of_k(device: Device) -> None:
    device.kept = 2
    try:
        device.begin()
        asked, said = [], []
        for _ in range(2):  # one after the other: programs that send need not be equally quick
            asked.append(device.ask())
            said.append(device.expect_command(asked[-1][1]))
        asked += [device.ask() for _ in range(2)]
        device.expect_none("command", "before the one K before it is settled")
        device.executed(said[1])
        device.expect_none("command", "while the oldest is unsettled")
        device.executed(said[0])
        said += [device.expect_command(value) for _, value in asked[2:]]
        device.executed(said[2])
        device.executed(said[3])
        for each, _ in asked:
            device.expect_outcome(each, True)
    finally:
        device.kept = 8
        device.begin()


@case(
    "cloud-unpublished-survives-boot",
    "a command that was not published is sent to the next boot",
    ("HX3-CMD-21", "HX3-CMD-15"),
    group=GROUP,
)
def unpublished_survives_boot(device: Device) -> None:
    device.kept = 1
    try:
        device.begin()
        first, one = device.ask()
        device.expect_command(one)
        second, two = device.ask()
        device.boot_count += 1
        device.begin()
        device.expect_outcome(first, False, "OUTCOME_UNKNOWN")
        device.executed(device.expect_command(two))
        device.expect_outcome(second, True)
    finally:
        device.kept = 8
        device.begin()


@case(
    "cloud-acks-reordered",
    "acks that overtake each other all count",
    ("HX3-SEQ-04", "HX3-CMD-23"),
    group=GROUP,
)
def acks_reordered(device: Device) -> None:
    asked = [device.ask() for _ in range(4)]
    acks = [device.ack(device.expect_command(value)) for _, value in asked]
    for ack in reversed(acks):
        device.send(ack)
    for each, _ in asked:
        device.expect_outcome(each, True)


@case(
    "cloud-restart",
    "a restarted cloud knows its own numbers, ours, and the commands that it accepted",
    ("HX3-SEQ-06", "HX3-SEQ-08", "HX3-SESS-13", "HX3-CMD-17"),
    limit=180,
    group=GROUP,
)
def restart(device: Device) -> None:
    _, value = device.ask()
    first = device.expect_command(value)
    used = device.number
    device.restart_cloud()  # it is judged on hearing that no number of the cloud's comes again
    second = device.expect_command(value)
    _same_command(first, second)
    device.executed(second)
    device.wait(1000)
    hello = device.hello(number=used)
    device.send(hello)
    device.expect_hello_ack(hello, False)


@case(
    "cloud-command-expires",
    "a command that nobody acks ends as expired after 300 s, with OUTCOME_UNKNOWN as it was published",
    ("HX3-CMD-22",),
    ("slow",),
    limit=420,
    group=GROUP,
)
def command_expires(device: Device) -> None:
    asked, value = device.ask()
    device.expect_command(value)
    device.wait(280000)
    device.expect_unsettled(asked, "before its time is over", QUIET)
    device.expect_outcome(asked, False, "OUTCOME_UNKNOWN", 40000)
