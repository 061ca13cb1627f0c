"""Dry runs: checked as any command, answered, and nothing moves.

A device that executes what it should only check must be seen to: so what is tried is the action whose effect
its state shows, and nothing else is sent that such a device would run.
"""

from typing import Any

from host_sim.conformance.case import Skipped, case, expect
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.effect import UNKNOWN, Call, declared, dry_runnable
from host_sim.conformance.device.suite.commands import refused_parameter, wrong_values

GROUP = "Dry runs"
DRY_RUN = "dry_run"
ACKED = {"ack_status", "ref_message_id"}


def _dry(call: Call, value: Any = True) -> Call:
    return Call(call.action, {**call.params, DRY_RUN: value})


def _need_dry_runs(cloud: Cloud) -> None:
    cloud.need_effect()
    if cloud.effect.do.action not in dry_runnable(cloud.manifest):
        raise Skipped(f"the manifest does not say supportsDryRun of {cloud.effect.do.action}")


@case(
    "dry-run",
    "a dry run is acked dry_run without a result, and moves nothing; the command itself then does",
    ("HX3-CMD-28", "HX3-CMD-29"),
    group=GROUP,
)
def dry_run(cloud: Cloud) -> None:
    _need_dry_runs(cloud)
    draft = cloud.command(_dry(cloud.effect.do))
    cloud.send(draft)
    ack = cloud.expect_ack(draft, DRY_RUN)
    expect("the members of a dry run's ack", sorted(ACKED), sorted(ack.body))
    cloud.expect_silence("a dry run, once acked,")
    cloud.run(cloud.effect.do)
    cloud.expect_shown(True)


@case(
    "dry-run-again",
    "a dry run that is signed again gets its stored result; its message_id with another body is nacked",
    ("HX3-CMD-29", "HX3-CMD-11", "HX3-CMD-12"),
    group=GROUP,
)
def dry_run_again(cloud: Cloud) -> None:
    _need_dry_runs(cloud)
    draft = cloud.command(_dry(cloud.effect.do))
    real = cloud.command()
    cloud.send(draft)
    first = cloud.expect_ack(draft, DRY_RUN)
    again = cloud.again(draft)
    cloud.send(again)
    expect("the stored result", first.body, cloud.expect_ack(again, DRY_RUN).body)
    other = cloud.again(draft).saying(real.body)
    cloud.send(other)
    cloud.expect_ack(other, "failed", "COMMAND_INVALID")
    cloud.expect_silence("a command with the message_id of a dry run, once nacked,")


@case(
    "dry-run-is-checked",
    "a dry run of an unknown action, or with a wrong parameter, is refused as the command would be",
    ("HX3-CMD-29", "HX3-CMD-06", "HX3-MAN-12", "HX3-MAN-13"),
    limit=600,
    group=GROUP,
)
def dry_run_is_checked(cloud: Cloud) -> None:
    cloud.at_rest()
    able = dry_runnable(cloud.manifest)
    if not able:
        raise Skipped("the manifest says supportsDryRun of no action")
    draft = cloud.command(_dry(Call(UNKNOWN, {})))
    cloud.send(draft)
    cloud.expect_ack(draft, "failed", "UNKNOWN_ACTION")
    actions = declared(cloud.manifest)
    for action in able:
        undeclared = {"conformance_undeclared": 1, DRY_RUN: True}
        refused_parameter(cloud, action, undeclared, "conformance_undeclared")
        for name, rule in actions[action].items():
            wrong = {name: wrong_values(rule)[-1], DRY_RUN: True}
            refused_parameter(cloud, action, wrong, name)
    cloud.expect_silence("dry runs with wrong parameters")


@case(
    "dry-run-other-value",
    "dry_run with another value than true, or where dry runs are not supported, is an undeclared parameter",
    ("HX3-CMD-30",),
    group=GROUP,
)
def dry_run_other_value(cloud: Cloud) -> None:
    cloud.need_effect()
    supported = cloud.effect.do.action in dry_runnable(cloud.manifest)
    for value in (False, None, 1, "true", [True], *([] if supported else [True])):
        call = _dry(cloud.effect.do, value)
        refused_parameter(cloud, call.action, call.params, DRY_RUN)
    cloud.expect_silence("a command with a dry_run that is none, once nacked,")
