"""Replay, reorder and duplicates: at most once."""

from host_sim.conformance.case import Failed, case, expect
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.effect import UNKNOWN, Call
from host_sim.conformance.draft import Draft, compact

GROUP = "Replay and duplicates"
NOWHERE = Call(UNKNOWN, {})


def once(cloud: Cloud) -> Draft:
    """Run the command whose effect shows, and undo it; the command, so that it may come again."""
    cloud.need_effect()
    draft = cloud.command()
    cloud.send(draft)
    cloud.expect_ack(draft)
    cloud.expect_shown(True)
    cloud.at_rest()
    return draft


@case(
    "replay",
    "a byte-identical replay is neither executed nor answered, at once or later",
    ("HX3-SEQ-01", "HX3-SEQ-03"),
    group=GROUP,
)
def replay(cloud: Cloud) -> None:
    draft = once(cloud)
    cloud.expect_refused("a replay", draft)
    for _ in range(17):  # more than the nonces that a device keeps
        cloud.probe()
    cloud.expect_refused("a late replay", draft)


@case("replay-in-next-session", "nor is it in the next session", ("HX3-SEQ-01", "HX3-SESS-19"), group=GROUP)
def replay_in_next_session(cloud: Cloud) -> None:
    draft = once(cloud)
    cloud.begin(cloud.reconnect())
    cloud.expect_refused("a replay in the next session", draft)


@case(
    "number-not-above",
    "a number that is not above the floor is refused, gaps are allowed",
    ("HX3-SEQ-01",),
    group=GROUP,
)
def number_not_above(cloud: Cloud) -> None:
    cloud.at_rest()
    cloud.sent += 1000
    cloud.probe()  # the floor is there
    floor = cloud.sent
    for number in (floor, floor - 1, floor - 999, 1, 0):
        cloud.send(cloud.command(number=number))
    cloud.expect_silence("a number that is not above the floor")


@case(
    "reorder",
    "of two commands in the wrong order the later one is executed, the earlier refused",
    ("HX3-SEQ-01",),
    group=GROUP,
)
def reorder(cloud: Cloud) -> None:
    cloud.at_rest()
    earlier = cloud.command()
    later = cloud.command(NOWHERE)
    cloud.send(later)
    cloud.expect_ack(later, "failed", "UNKNOWN_ACTION")
    cloud.expect_refused("the earlier command", earlier)


@case(
    "signed-again",
    "a command signed again is answered by the stored result, and not executed again",
    ("HX3-CMD-11", "HX3-CMD-10", "HX3-CMD-09"),
    group=GROUP,
)
def signed_again(cloud: Cloud) -> None:
    draft = once(cloud)
    for _ in range(2):
        cloud.send(cloud.again(draft))
        cloud.expect_ack(draft)
        cloud.expect_silence("a command that was executed before")


@case(
    "signed-again-same-result",
    "the stored result is the first one, nacks included",
    ("HX3-CMD-10", "HX3-CMD-11"),
    group=GROUP,
)
def same_result(cloud: Cloud) -> None:
    cloud.ready()
    for body, error in ({"action": UNKNOWN}, "UNKNOWN_ACTION"), ({}, "COMMAND_INVALID"):
        draft = cloud.command(NOWHERE).saying(compact(body)).signing(action=None)
        cloud.send(draft)
        first = cloud.expect_ack(draft, "failed", error)
        cloud.send(cloud.again(draft))
        second = cloud.expect_ack(draft, "failed", error)
        expect("the ack that comes again", first.body, second.body)
        if first.message.message_id == second.message.message_id:
            raise Failed("a newly signed ack", "one with the same message_id")


@case(
    "same-id-other-body",
    "the same message_id with another body is nacked with COMMAND_INVALID; the stored result stays",
    ("HX3-CMD-12",),
    group=GROUP,
)
def same_id_other_body(cloud: Cloud) -> None:
    for body, error in ({"action": UNKNOWN}, "UNKNOWN_ACTION"), ({}, "COMMAND_INVALID"):
        cloud.at_rest()
        first = cloud.command(NOWHERE).saying(compact(body)).signing(action=None)
        cloud.send(first)
        cloud.expect_ack(first, "failed", error)
        other = cloud.command(cloud.effect.do if cloud.shown else Call(f"{UNKNOWN}_too", {}))
        other = other.signing(message_id=first.message_id, request_id=first.message_id)
        cloud.send(other)
        cloud.expect_ack(other, "failed", "COMMAND_INVALID")
        cloud.send(cloud.again(first))
        cloud.expect_ack(first, "failed", error)
        cloud.expect_silence("another body under a known message_id")


@case(
    "results-kept",
    "a command is remembered beside the 2K-2 that came after it",
    ("HX3-CMD-09",),
    group=GROUP,
)
def results_kept(cloud: Cloud) -> None:
    draft = once(cloud)
    assert cloud.hello_said is not None
    kept = cloud.hello_said.body["results_kept"]
    for _ in range(2 * kept - 3):  # and the one that undid it
        cloud.probe()
    cloud.send(cloud.again(draft))
    cloud.expect_ack(draft)
    cloud.expect_silence(f"a command after {2 * kept - 2} others, the device keeping {2 * kept - 1} results")


@case(
    "results-kept-over-sessions",
    "results are kept over a new session of the same boot",
    ("HX3-CMD-09", "HX3-CMD-11"),
    group=GROUP,
)
def results_over_sessions(cloud: Cloud) -> None:
    draft = once(cloud)
    boot = cloud.hello_said and cloud.hello_said.body["boot_count"]
    hello = cloud.reconnect()
    expect("the boot count, as nothing was reset,", boot, hello.body["boot_count"])
    cloud.begin(hello)
    cloud.send(cloud.again(draft))
    cloud.expect_ack(draft)
    cloud.expect_silence("a command that was executed in the session before")


@case(
    "refused-is-not-stored",
    "what was refused stores no result: the right command with that message_id is executed",
    ("HX3-VAL-11",),
    group=GROUP,
)
def refused_is_not_stored(cloud: Cloud) -> None:
    cloud.need_effect()
    draft = cloud.command()
    cloud.send(
        draft.saying(compact({"action": UNKNOWN})).signing(timestamp=cloud.now() - 400000, action=None)
    )
    cloud.send(draft.wire(signature="0" * 64))
    cloud.send(draft)
    cloud.expect_ack(draft)
    cloud.expect_shown(True)
