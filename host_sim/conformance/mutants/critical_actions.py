"""Reference clouds whose way with critical actions is broken in one place each: dry runs, and the yes."""

from host_sim.cloud import bodies
from host_sim.cloud.catalogue import commands
from host_sim.cloud.gate import gate, trials
from host_sim.conformance.mutants import Edit, Held, Swap
from host_sim.conformance.mutants.named import Broken
from hxtp import envelope

GATE = gate.Gate


def critical(name: str, what: str, cases: str, *edits: Edit | Swap) -> Broken:
    """One whose way with critical actions is broken."""
    return Broken(f"critical-{name}", what, tuple(f"cloud-{case}" for case in cases.split()), edits)


def confirming(*changes: tuple[str, str]) -> Edit:
    """An edit of how the row behind a token is found."""
    return Edit(commands, "find_confirmation", *changes)


def judging(old: str, new: str) -> Edit:
    """An edit of what a dry run's end means."""
    return Edit(trials.Trial, "judge", (old, new))


_TAKEN = 'if ended.get("state") == ACKNOWLEDGED:'
_SENT = "__import__('sys').modules['host_sim.cloud.bodies'].sent"
_ASKED = "if not asked.dry_run and passed.safety in ASKS:"
_TRIED = (
    " critical-ack-of-other confirm-as-tried confirm-at-its-device confirm-in-time confirm-invented"
    " confirm-once confirm-own"
)

DRY_RUNS = [
    critical(
        "sent-at-once",
        "sends a critical command as any other",
        "critical-tried critical-forged-ack critical-rebooted critical-refused critical-silent"
        " critical-untried critical-waits" + _TRIED,
        Edit(GATE, "accept", (_ASKED, 'if not asked.dry_run and passed.safety == "sensitive":')),
    ),
    critical(
        "untried",
        "gives a token without a dry run",
        "critical-tried critical-forged-ack critical-many critical-rebooted critical-refused critical-silent"
        " critical-waits" + _TRIED,
        Swap(gate._Asking, "tries", property(lambda asking: False)),
    ),
    critical(
        "not-waited-for",
        "gives a token before the dry run is answered",
        "critical-waits critical-ack-of-other critical-forged-ack critical-many critical-rebooted"
        " critical-refused critical-silent",
        Edit(
            GATE,
            "accept",
            (
                "await self._trials.ended(asking.trial)",
                "await done(asking.trial.accepted)\n"
                "                self._trials._waiting.pop(asking.trial.command_id)",
            ),
        ),
        judging(_TAKEN, "if True:"),
    ),
    critical(
        "tried-is-yes",
        "takes the dry run's ack for the yes",
        "critical-tried critical-untried critical-waits" + _TRIED,
        Edit(
            GATE,
            "accept",
            ("await run_in_threadpool(self._ask, caller, asking)", "asking.trial and asking.trial.judge()"),
        ),
    ),
    critical(
        "refusal-is-yes",
        "gives a token for what the device refused",
        "critical-refused critical-ack-of-other critical-forged-ack critical-many",
        judging('said = ended.get("result") or {}', "return"),
    ),
    critical(
        "unknown-refusal-is-yes",
        "gives a token where it does not know the device's code",
        "critical-refused",
        judging(
            'said = ended.get("result") or {}',
            'if error not in _CODES:\n            return\n        said = ended.get("result") or {}',
        ),
    ),
    critical(
        "silence-is-yes",
        "gives a token where the device says nothing",
        "critical-silent",
        judging(_TAKEN, 'if ended.get("state") in (ACKNOWLEDGED, "expired", None):'),
    ),
    critical(
        "reboot-is-yes",
        "gives a token where the device rebooted",
        "critical-rebooted",
        judging(
            _TAKEN,
            'if ended.get("state") == ACKNOWLEDGED or '
            '(ended.get("state"), error) == (FAILED, OUTCOME_UNKNOWN):',
        ),
    ),
    critical(
        "ack-of-anybody",
        "takes an ack that nobody signed",
        "critical-forged-ack",
        Swap(envelope, "equal", lambda one, other: True),
    ),
    critical(
        "ack-of-another",
        "takes any dry run's end for that of the first",
        "critical-ack-of-other",
        Held(
            gate.Trials._heard,
            (
                'self._waiting.get(notice.body["id"])',
                'next(iter(self._waiting.values())) if notice.body["id"] in self._waiting else None',
            ),
        ),
    ),
    critical(
        "dry-run-of-all",
        "sends dry runs of what takes none",
        "critical-untried",
        Swap(gate._Asking, "tries", property(lambda asking: True)),
    ),
    critical(
        "untried-not-told",
        "does not tell that the device was not asked",
        "critical-untried",
        Edit(GATE, "_ask", ('"not_supported"', '"taken"')),
    ),
    critical(
        "many-at-once",
        "sends a critical command to several devices as any other",
        "critical-many",
        Edit(GATE, "each", (_ASKED, 'if not asked.dry_run and passed.safety == "sensitive":')),
    ),
]

YES = [
    critical(
        "token-kept",
        "sends one more command whenever a token comes again",
        "confirm-once",
        Edit(
            GATE,
            "_confirm",
            ("if row.message_id in known:", "if False:"),
            ("passed, asked, row.message_id)", "passed, asked)"),
        ),
    ),
    critical(
        "newest-sent",
        "sends what was tried last, whatever the token",
        "confirm-own",
        Edit(
            GATE,
            "_ask",
            ("token, now = hashing", "type(self).newest = passed.params\n    token, now = hashing"),
        ),
        Edit(GATE, "_confirm", ("Asked(row.action, row.params,", "Asked(row.action, self.newest,")),
    ),
    critical(
        "any-token",
        "takes any token while one is waited for",
        "confirm-invented confirm-own",
        confirming(("confirmations.c.token_hash == token_hash,", "")),
    ),
    critical(
        "any-device",
        "takes a token at any device, and sends to its own",
        "confirm-at-its-device",
        confirming(("confirmations.c.device_id == device_id,", "")),
        Edit(GATE, "_confirm", ("asked = Asked(", "device_id = row.device_id\n    asked = Asked(")),
    ),
    critical(
        "yes-with-params",
        "sends the parameters that come with the yes",
        "confirm-as-tried",
        Held(
            bodies.Body._known.__func__,
            ("if name not in read:", "if False:"),
            (
                "return taken",
                "globals()['sent'] = taken\n    return {name: taken[name] for name in taken if name in read}",
            ),
        ),
        Edit(
            GATE,
            "_confirm",
            ("Asked(row.action, row.params,", f"Asked(row.action, {_SENT}.get('params') or row.params,"),
        ),
    ),
    critical(
        "token-for-ever",
        "takes a token however late",
        "confirm-in-time",
        confirming(("confirmations.c.expires_at >= now,", "")),
    ),
]

ALL = DRY_RUNS + YES
