"""Commands that a device has to answer, and how."""

from typing import Any

from host_sim.conformance.case import Failed, Skipped, case, expect
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.effect import NOTHING, UNKNOWN, Call, declared
from host_sim.conformance.draft import Draft, Raw, compact

GROUP = "Commands"


@case(
    "command-executed",
    "a right command is executed: its ack names it, and the state tells the effect",
    ("HX3-CMD-01", "HX3-CMD-07", "HX3-STATE-02"),
    group=GROUP,
)
def command_executed(cloud: Cloud) -> None:
    if cloud.effect != NOTHING and not cloud.shown:
        _tell_half(cloud)
    cloud.need_effect()
    draft = cloud.command()
    cloud.send(draft)
    ack = cloud.expect_ack(draft)
    if not set(ack.body) <= {"ack_status", "ref_message_id", "result"}:
        raise Failed("an ack with ack_status, ref_message_id and at most a result", str(ack))
    if "result" in ack.body and not isinstance(ack.body["result"], dict):
        raise Failed("a result that is an object", repr(ack.body["result"]))
    cloud.expect_shown(True)


def _tell_half(cloud: Cloud) -> None:
    # Nothing showed when the kit tried the action first. Trying again tells which half is missing.
    cloud.ready()
    action = cloud.effect.do.action
    cloud.run(cloud.effect.do)  # says by itself that the ack is missing
    state = cloud.find(lambda said: said.type == "state")
    told = (
        "no state" if state is None else f"a state that tells no effect: {compact(state.body).decode()[:200]}"
    )
    raise Failed(f"{action} to be acked, and the state to tell its effect", f"the ack, and {told}")


@case("command-without-top-level-action", "the signed action alone is enough", ("HX3-CMD-01",), group=GROUP)
def command_without_top_level_action(cloud: Cloud) -> None:
    cloud.need_effect()
    draft = cloud.command().signing(action=None)
    cloud.send(draft)
    cloud.expect_ack(draft)
    cloud.expect_shown(True)


@case(
    "unknown-action",
    "an unknown action is nacked with UNKNOWN_ACTION",
    ("HX3-CMD-06", "HX3-VAL-17"),
    group=GROUP,
)
def unknown_action(cloud: Cloud) -> None:
    cloud.ready()
    for action in (UNKNOWN, "x", "a" * 32, "hxtp.conformance", "__init__", "\u00e9"):
        draft = cloud.command(Call(action, {}))
        cloud.send(draft.signing(action=None))
        ack = cloud.expect_ack(draft, "failed", "UNKNOWN_ACTION")
        if not set(ack.body) <= {"ack_status", "ref_message_id", "error", "detail"}:
            raise Failed("a nack with error and at most a detail", str(ack))


def _bodies(cloud: Cloud, *bodies: Any) -> None:
    """Authentic commands with these bodies are nacked with COMMAND_INVALID, and nothing moves."""
    for body in bodies:
        draft = cloud.command().saying(None if body is None else compact(body)).signing(action=None)
        cloud.send(draft)
        cloud.expect_ack(draft, "failed", "COMMAND_INVALID")
    cloud.expect_silence("a command without a right action")


@case(
    "action-missing",
    "a command without a signed action of 1 to 32 characters is nacked with COMMAND_INVALID",
    ("HX3-CMD-01", "HX3-CMD-03", "HX3-WIRE-32"),
    group=GROUP,
)
def action_missing(cloud: Cloud) -> None:
    cloud.at_rest()
    _bodies(
        cloud,
        {},
        None,
        {"action": ""},
        {"action": "a" * 33},
        {"action": 7},
        {"action": None},
        {"action": ["x"]},
    )


@case(
    "action-unsigned",
    "a top-level action alone, which nobody signed, executes nothing",
    ("HX3-CMD-03", "HX3-CMD-04"),
    group=GROUP,
)
def action_unsigned(cloud: Cloud) -> None:
    cloud.at_rest()
    action, params = cloud.effect.do
    draft = cloud.command().saying(compact(params))
    cloud.send(draft.wire(action=action))
    cloud.expect_ack(draft, "failed", "COMMAND_INVALID")
    cloud.expect_silence("an unsigned action")


@case(
    "actions-differ",
    "a command whose top-level action differs from the signed one is nacked with COMMAND_INVALID",
    ("HX3-CMD-03",),
    group=GROUP,
)
def actions_differ(cloud: Cloud) -> None:
    cloud.at_rest()
    for other in (f"{UNKNOWN}_too", "", 7, {}):
        draft = cloud.command()
        cloud.send(draft.wire(action=other))
        cloud.expect_ack(draft, "failed", "COMMAND_INVALID")
    draft = cloud.command(Call(UNKNOWN, {}))
    cloud.send(draft.wire(action=cloud.effect.do.action if cloud.shown else "x"))
    cloud.expect_ack(draft, "failed", "COMMAND_INVALID")
    cloud.expect_silence("a command with two actions")


@case(
    "every-action-refuses-undeclared",
    "every action refuses a parameter that is not declared, and names it",
    ("HX3-MAN-12", "HX3-MAN-13", "HX3-CMD-05", "HX3-CMD-06"),
    group=GROUP,
)
def every_action_refuses_undeclared(cloud: Cloud) -> None:
    cloud.at_rest()
    for action in _actions(cloud):
        refused_parameter(cloud, action, {"conformance_undeclared": 1}, "conformance_undeclared")
    cloud.expect_silence("commands with undeclared parameters")


@case(
    "every-action-needs-required",
    "every action refuses the absence of a required parameter, and names the first by name",
    ("HX3-MAN-12", "HX3-MAN-13"),
    group=GROUP,
)
def every_action_needs_required(cloud: Cloud) -> None:
    cloud.at_rest()
    tried = 0
    for action, properties in _actions(cloud).items():
        required = sorted(name for name, rule in properties.items() if rule.get("required"))
        if required:
            tried += 1
            refused_parameter(cloud, action, {}, required[0])
    if not tried:
        raise Skipped("no action of this device has a required parameter")
    cloud.expect_silence("commands without their parameters")


@case(
    "every-parameter-is-checked",
    "every parameter of every action is refused in a wrong type or out of its bounds; nothing is coerced",
    ("HX3-MAN-11", "HX3-MAN-13", "HX3-MAN-14", "HX3-MAN-18", "HX3-CMD-05"),
    limit=600,
    group=GROUP,
)
def every_parameter_is_checked(cloud: Cloud) -> None:
    cloud.at_rest()
    for action, properties in _actions(cloud).items():
        for name, rule in properties.items():
            for wrong in wrong_values(rule):
                refused_parameter(cloud, action, {name: wrong}, name)
    cloud.expect_silence("commands with wrong parameters")


def _actions(cloud: Cloud) -> dict[str, Any]:
    found = declared(cloud.manifest)
    if not found:
        raise Skipped("the device declares no action")
    return found


def refused_parameter(cloud: Cloud, action: str, params: dict[str, Any], member: str) -> None:
    """The command is nacked with INVALID_PARAMS, and `member` is what it blames."""
    draft = cloud.command(Call(action, params))
    cloud.send(draft)
    try:
        ack = cloud.expect_ack(draft, "failed", "INVALID_PARAMS")
    except Failed as failed:
        raise Failed(f"{action} with {compact(params).decode()[:100]}: {failed}") from None
    expect(f"the member that {action} blames", member[:64], ack.body.get("member"))


def wrong_values(rule: dict[str, Any]) -> list[Any]:
    """Values that a declaration does not allow, most like those that it allows first."""
    kind, wrong = rule["type"], [None, {}]
    if kind != "string":
        wrong.append("1")
    if kind in ("integer", "number"):
        wrong += [True, False, "", [1]]
    if kind == "integer":
        wrong += [1.5, Raw("1.0"), Raw("1e0")]
    if kind in ("string", "boolean"):
        wrong += [1, 0]
    if "enum" in rule and kind == "string":
        wrong += ["", "conformance-none-of-these"]
    for name, step in (("minimum", -1), ("maximum", 1)):
        if isinstance(rule.get(name), int) and abs(rule[name]) < 1 << 53:
            wrong.append(rule[name] + step)
    if rule.get("minLength"):
        wrong.append("x" * (rule["minLength"] - 1))
    if isinstance(rule.get("maxLength"), int) and rule["maxLength"] < 4000:
        wrong.append("x" * (rule["maxLength"] + 1))
    return wrong


@case(
    "json-as-it-comes",
    "white space, order, escapes and unknown members do not matter, since the bytes are signed as they are",
    ("HX3-WIRE-28", "HX3-WIRE-22", "HX3-CMD-01"),
    group=GROUP,
)
def json_as_it_comes(cloud: Cloud) -> None:
    cloud.need_effect()
    action, params = cloud.effect.do
    rows = [f" {compact(name).decode()} : {compact(value).decode()} " for name, value in params.items()]
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in action)
    body = ("{ " + ",\r\n".join([*rows, f'\t"\\u0061ction" :  "{escaped}" ']) + " }").encode()
    draft = cloud.command().saying(body).signing(action=None)
    members = draft.members()
    spaced = {name: members[name] for name in reversed(sorted(members))}
    text = "{\n " + " ,\n ".join(f'"{name}" :\t{compact(value).decode()}' for name, value in spaced.items())
    text += ' , "hxtp_next": {"any": [1.5e3, null, "\\u00e9"]} }\n'
    cloud.send(draft.pack(b" " * (0 if draft.framed else 2) + text.encode()))
    cloud.expect_ack(draft)
    cloud.expect_shown(True)


@case(
    "nonce-forms",
    "a nonce may be hexadecimal of either case, or base64",
    ("HX3-WIRE-26",),
    group=GROUP,
)
def nonce_forms(cloud: Cloud) -> None:
    cloud.ready()
    for nonce in (cloud.random(32).hex(), cloud.random(16).hex().upper(), "Zm9vYmFyLWhlbGxvLXdvcmxkIQ=="):
        draft = cloud.command(Call(UNKNOWN, {})).signing(nonce=nonce)
        cloud.send(draft)
        cloud.expect_ack(draft, "failed", "UNKNOWN_ACTION")


@case(
    "ages-accepted",
    "a command that is nearly 300 s old, or nearly 60 s ahead, is accepted",
    ("HX3-VAL-05",),
    group=GROUP,
)
def ages_accepted(cloud: Cloud) -> None:
    cloud.ready()
    for offset in (-290000, 50000):
        draft: Draft = cloud.command(Call(UNKNOWN, {}))
        draft = draft.signing(timestamp=cloud.now() + offset)
        cloud.send(draft)
        cloud.expect_ack(draft, "failed", "UNKNOWN_ACTION")


@case(
    "timestamp-in-seconds",
    "a timestamp in seconds is read as such",
    ("HX3-WIRE-42",),
    group=GROUP,
)
def timestamp_in_seconds(cloud: Cloud) -> None:
    cloud.ready()
    draft = cloud.command(Call(UNKNOWN, {})).signing(timestamp=cloud.now() // 1000)
    cloud.send(draft)
    cloud.expect_ack(draft, "failed", "UNKNOWN_ACTION")


@case(
    "burst",
    "commands that come at once are all executed, in their order",
    ("HX3-CMD-09", "HX3-SEQ-01"),
    group=GROUP,
)
def burst(cloud: Cloud) -> None:
    cloud.ready()
    drafts = [cloud.command(Call(UNKNOWN, {})) for _ in range(8)]
    for draft in drafts:
        cloud.send(draft)
    acks = [cloud.expect_ack(draft, "failed", "UNKNOWN_ACTION") for draft in drafts]
    order = [ack.message.sequence for ack in acks]
    expect("the acks in the order of the commands, their numbers", sorted(order), order)
