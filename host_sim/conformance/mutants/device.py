"""Broken devices: our simulated one, spoiled in one place each time it boots.

Each row names the case that is there to catch it; others may as well.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

from host_sim.broker.packets import Connect
from host_sim.conformance.case import Case
from host_sim.conformance.device import simulated
from host_sim.conformance.device.memory_line import as_it_is
from host_sim.conformance.mutants import faults as by
from host_sim.conformance.mutants.spoiling import (
    NEVER,
    accepting,
    after,
    around,
    before,
    connecting,
    judging,
    leaving_will,
    parsing,
    reading,
    setting,
)  # fmt: skip
from host_sim.conformance.running import Mutant, Target
from host_sim.conformance.virtual import Random
from host_sim.device import SimDevice
from hxtp import errors
from hxtp.counter import Counter
from hxtp.registry import Registry
from hxtp.session import Session
from hxtp.sign import Key


class Broken(NamedTuple):
    """`spoil(session)` breaks a session that has just been made. `case`: the id of the case that must
    notice. `connect(packet)` breaks its CONNECT.
    """

    name: str
    what: str
    case: str
    spoil: Callable[[Any], None] = by.nothing
    connect: Callable[[Connect], None] = as_it_is


class BrokenDevice(SimDevice):
    """A SimDevice that is spoiled at every boot."""

    def __init__(self, spoil: Callable[[Any], None]) -> None:
        self._spoil = spoil
        super().__init__(simulated.DEVICE, simulated.TENANT, simulated.SECRET, Random(b"device"))

    def _boot(self, reason: str) -> bool:
        # The session of the firmware, whose parts can be replaced; a fleet's cannot.
        super()._boot(reason)
        identity = self.session.identity
        registry = Registry(self.faults.append)
        for part in self.parts:
            registry.add(part)
        counter = Counter(self.flash.reserved, self.flash.reserve)
        self.session = Session(identity, Key(self._secret), counter, registry, self._random, self.flash)
        self._spoil(self.session)
        return True


TABLE = [
    # what it accepts
    Broken(
        "signature-not-checked", "any signature will do", "signature", accepting(errors.SIGNATURE_INVALID)
    ),
    Broken(
        "signature-prefix",
        "compares the first eight bytes of a signature",
        "signature",
        accepting(errors.SIGNATURE_INVALID, by.prefix_only),
    ),
    Broken(
        "hash-not-checked", "does not hash the body", "payload-hash", setting("_verifier.hash_holds", by.yes)
    ),
    Broken("hash-truncated", "compares eight digits of the hash", "payload-hash", by.short_hash),
    Broken("age-not-checked", "takes commands of any age", "too-old", after("_answered", by.any_age)),
    Broken(
        "future-not-checked",
        "takes commands of the future",
        "too-far-ahead",
        after("_answered", by.any_future),
    ),
    Broken(
        "limits-ignored",
        "keeps to 300 s whatever hello_ack says",
        "limits-tightened",
        after("_answered", by.usual_limits),
    ),
    Broken(
        "version-ignored",
        "takes HxTP/3.1 for 3.0",
        "version",
        parsing(lambda data: data.replace(b"HxTP/3.1", b"HxTP/3.0")),
    ),
    Broken("lenient-json", "reads JSON as its parser likes", "strict-json", parsing(by.lenient)),
    Broken("any-size", "takes a message of any size", "too-large", parsing(by.any_size)),
    Broken(
        "device-ignored",
        "takes other devices' commands",
        "another-device",
        setting("_verifier.device_id", None),
    ),
    Broken(
        "tenant-ignored",
        "does not look at the tenant",
        "another-device",
        by.both(setting("_verifier.tenant_id", None), setting("_verifier.tenant_required", False)),
    ),
    Broken(
        "tenant-optional",
        "does without a tenant",
        "another-device",
        setting("_verifier.tenant_required", False),
    ),
    Broken("direction-not-checked", "takes what only devices say", "wrong-direction", by.any_direction),
    Broken("channel-not-checked", "takes a command from any channel", "wrong-channel", by.any_channel),
    Broken(
        "retained-accepted",
        "takes retained commands",
        "retained-in-session",
        around(
            "receive",
            lambda session, original, channel, payload, now, retained=False: original(channel, payload, now),
        ),
    ),
    Broken(
        "refusals-answered", "nacks what nobody signed", "signature", around("receive", by.answers_refusals)
    ),
    # what it remembers of refused messages, and of accepted ones
    Broken(
        "number-before-signature",
        "remembers a number before the signature",
        "refusals-change-nothing",
        judging(by.take_before_signature),
    ),
    Broken(
        "nonce-before-signature",
        "remembers a nonce before the signature",
        "refusals-change-nothing",
        judging(by.nonce_before_signature),
    ),
    Broken(
        "numbers-not-checked", "takes any number", "number-not-above", setting("_floor.sequence_ok", by.yes)
    ),
    Broken(
        "number-off-by-one",
        "takes a number equal to its floor",
        "number-not-above",
        by.floor_rule(lambda floor, number: number >= floor.last),
    ),
    Broken(
        "number-window",
        "takes numbers a little below the floor, as a cloud does",
        "reorder",
        by.floor_rule(lambda floor, number: number > floor.last - 64),
    ),
    Broken(
        "floor-not-set",
        "does not take its floor from hello_ack",
        "floor-as-told",
        around("_answered", by.keep_floor),
    ),
    Broken(
        "floor-never-down",
        "keeps its floor where the cloud lost its numbers",
        "floor-goes-down",
        around("_answered", by.floor_never_down),
    ),
    # commands
    Broken(
        "unsigned-action",
        "executes an action that nobody signed",
        "action-unsigned",
        setting("accept_unsigned_action", True),
    ),
    Broken(
        "top-level-action-wins",
        "prefers the action that nobody signed",
        "actions-differ",
        reading(by.top_level_wins),
    ),
    Broken(
        "top-level-action-ignored",
        "does not compare the two actions",
        "actions-differ",
        judging(by.no_top_level),
    ),
    Broken("parameters-unchecked", "does not check parameters", "every-parameter-is-checked", by.unchecked),
    Broken(
        "target-last",
        "blames what is missing before a target that is wrong",
        "every-parameter-is-checked",
        by.target_last,
    ),
    Broken("parameters-coerced", "takes true for 1 and 1.5 for 1", "every-parameter-is-checked", by.coerced),
    Broken(
        "parameters-ignored",
        "ignores parameters that it does not know",
        "every-action-refuses-undeclared",
        by.extra_ignored,
    ),
    Broken(
        "results-forgotten", "forgets what it executed", "signed-again", setting("results.find", by.nothing)
    ),
    Broken("results-off-by-one", "keeps one result too few", "results-kept", by.short_memory),
    Broken(
        "results-of-one-session",
        "forgets what it executed with the connection",
        "results-kept-over-sessions",
        before("connected", lambda session, *args: session.results._ring.clear()),
    ),
    Broken(
        "results-by-id-alone",
        "answers another body with the stored result",
        "same-id-other-body",
        by.any_payload,
    ),
    Broken(
        "nacks-not-stored", "stores no result of what it refused", "same-id-other-body", by.nacks_not_stored
    ),
    Broken(
        "ack-of-another",
        "acks with a reference of its own",
        "unknown-action",
        by.renamed_acks,
    ),
    Broken("ack-always-executed", "says executed whatever happened", "unknown-action", by.always_executed),
    Broken("ack-unsigned", "does not sign its acks", "unknown-action", around("take", by.unsigned_acks)),
    Broken(
        "ack-missing", "does not ack what it executed", "unknown-action", setting("outbox.ack", by.nothing)
    ),
    Broken(
        "state-not-told",
        "does not tell its state after a command",
        "command-executed",
        setting("report_state", by.nothing),
    ),
    Broken(
        "state-not-at-beginning",
        "does not tell its state in a new session",
        "state-at-beginning",
        after("_begin", by.no_state),
    ),
    # dry runs
    Broken(
        "dry-run-executes",
        "executes what it should only check, and acks dry_run",
        "dry-run",
        by.running(by.executes_dry_runs),
    ),
    Broken(
        "dry-run-acked-executed",
        "says executed of a dry run, of which nothing ran",
        "dry-run",
        by.running(by.dry_runs_are_executed),
    ),
    Broken(
        "dry-run-unchecked",
        "says yes to every dry run",
        "dry-run-is-checked",
        by.running(by.dry_runs_unchecked),
    ),
    Broken(
        "dry-run-of-any-value",
        "takes whatever is not false for a dry run",
        "dry-run-other-value",
        by.running(by.dry_run_of_any_value),
    ),
    Broken(
        "dry-run-not-stored",
        "keeps no result of a dry run",
        "dry-run-again",
        by.dry_runs_not_stored,
    ),
    # the session
    Broken(
        "serves-at-once",
        "executes commands before it has a session",
        "no-commands-before-session",
        by.serves_at_once,
    ),
    Broken("serves-unanswered", "serves where nobody answers its hello", "challenge-ends", by.serves_alone),
    Broken(
        "challenge-not-compared",
        "takes any hello_ack",
        "hello-ack-wrong-challenge",
        reading(by.any_challenge),
    ),
    Broken(
        "challenge-not-erased",
        "takes a hello_ack a second time",
        "hello-ack-replayed",
        judging(by.matched_for_ever),
    ),
    Broken(
        "challenge-fixed",
        "asks with the same challenge always",
        "session-false",
        after("_ask", by.set_to(_challenge="00" * 16)),
    ),
    Broken(
        "challenge-renewed",
        "asks with a new challenge in each retry",
        "hello-retry",
        before("_hello", by.new_challenge),
    ),
    Broken(
        "challenge-for-ever",
        "waits for an answer for ever",
        "challenge-ends",
        after("_ask", by.set_to(_deadline=NEVER)),
    ),
    Broken(
        "hello-once", "does not repeat its hello", "hello-retry", after("_hello", by.set_to(_hello_due=NEVER))
    ),
    Broken(
        "hello-incomplete",
        "does not say how many results it keeps",
        "hello-members",
        around("_sign", by.hello_lacks),
    ),
    Broken("session-false-begins", "takes session false for true", "session-false", reading(by.false_begins)),
    Broken(
        "session-false-ignored",
        "does not ask again after session false",
        "session-false",
        by.quiet_when_repaired,
    ),
    Broken("clock-ignored", "does not take the time from hello_ack", "clock-from-hello-ack", by.own_clock),
    Broken(
        "round-trip-ignored",
        "does not add half of the round trip",
        "clock-half-round-trip",
        before("_answered", by.no_round_trip),
    ),
    Broken("renewal-never", "does not say hello anew", "renewal-after-silence", around("tick", by.nothing)),
    Broken(
        "form-fixed",
        "answers framed whatever it hears",
        "form-bare",
        setting("_answer_in_form_of", by.nothing),
    ),
    # its own numbers
    Broken("number-used-twice", "uses each number twice", "command-executed", by.number_used_twice),
    Broken(
        "number-from-start",
        "begins its numbers anew with each connection",
        "numbers-rise-over-connections",
        before("connected", by.numbers_from_start),
    ),
    Broken(
        "number-not-lifted",
        "does not go above last_device_sequence",
        "numbers-lifted",
        setting("_counter.raise_to", by.nothing),
    ),
    Broken(
        "boot-count-stuck",
        "tells the same boot count in every boot",
        "reset",
        setting("identity.boot_count", 1),
    ),
    Broken("numbers-in-memory", "forgets its numbers when the power goes", "reset", by.numbers_from_start),
    Broken("nonces-fixed", "uses one nonce for everything", "command-executed", by.fixed_nonces),
    # its login
    Broken("keepalive-other", "has a keepalive of its own", "login", connect=connecting(keepalive=45)),
    Broken(
        "session-kept",
        "asks for a session that is not clean",
        "login",
        connect=connecting(clean_session=False),
    ),
    Broken("will-missing", "leaves no will", "login", connect=connecting(will=None)),
    Broken("will-retained", "leaves a will that is retained", "login", connect=leaving_will(retain=True)),
    Broken("will-not-empty", "says something in its will", "login", connect=leaving_will(payload=b"offline")),
    # presence and manifest
    Broken(
        "heartbeat-never", "sends no heartbeat", "heartbeat", after("_begin", by.set_to(_heartbeat_due=NEVER))
    ),
    Broken(
        "heartbeat-fixed",
        "has an interval of its own",
        "heartbeat",
        before("_begin", by.set_to(heartbeat=30000)),
    ),
    Broken(
        "manifest-hash-wrong",
        "tells the hash of something else",
        "manifest-wanted",
        setting("_manifest_hash", "0" * 64),
    ),
    Broken("manifest-unsorted", "does not sort its manifest", "manifest-form", by.unsorted_manifest),
    Broken(
        "manifest-never",
        "does not send its manifest",
        "manifest-wanted",
        after("_answered", by.set_to(_manifest_wanted=False)),
    ),
    Broken(
        "manifest-always",
        "sends its manifest to everybody",
        "manifest-not-wanted",
        after("_answered", by.set_to(_manifest_wanted=True)),
    ),
]


def opened(target: Target) -> Callable[[], AbstractAsyncContextManager[Target]]:
    """What a Mutant wants, for a target that is there already."""

    @asynccontextmanager
    async def open_target() -> AsyncIterator[Target]:
        yield target

    return open_target


def mutants(cases: list[Case]) -> list[Mutant]:
    """One for each row, with all cases: the slow ones take no time in virtual time."""
    return [
        Mutant(
            f"device-{row.name}",
            row.what,
            opened(simulated.target(lambda row=row: BrokenDevice(row.spoil), connect=row.connect)),
            cases,
        )
        for row in TABLE
    ]
