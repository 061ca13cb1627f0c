"""What an observation leads to: rules that fit propose their intents, automatic ones run them.

An automatic rule runs with the rights of the person who wrote it, as they are at that moment, and a command's
history names the rule as who asked. Must never keep or show a token that stands for somebody's yes.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import cognition
from host_sim.cloud.catalogue.tenants import find_user
from host_sim.cloud.errors import ApiError
from host_sim.cloud.intents import router
from host_sim.cloud.intents.rules import fits
from host_sim.cloud.security.roles import at_least
from host_sim.cloud.services import Services
from host_sim.cloud.storage.database import FAILURES, reason_of

log = logging.getLogger(__name__)

MOST = 16  # rules that one observation may lead to
_TOKENS = ("dry_run_token", "token", "expires_in")


def observe(
    services: Services, caller: Caller, device_id: str, context: str | None, data: Mapping[str, Any]
) -> tuple[str, int]:
    """Store an observation of a device of the caller's tenant, and run what runs by itself.

    Gives the proposal's id, and how many rules fitted.
    """
    with services.database.reading(caller.tenant_id) as connection:
        found = [
            rule
            for rule in cognition.every_rule(connection, caller.tenant_id)
            if fits(rule.when, device_id, context, data)
        ][:MOST]
    entries = [
        {"rule_id": rule.id, "rule": rule.name, "intent": rule.intent, "automatic": rule.automatic}
        for rule in found
    ]
    waiting = any(not rule.automatic for rule in found)
    state = "proposed" if waiting else "automatic" if found else "none"
    with services.database.writing(caller.tenant_id) as connection:
        proposal_id = cognition.observe(
            connection, caller.tenant_id, device_id, context or "", data, entries, state, services.now()
        )
    if any(rule.automatic for rule in found):
        try:
            for rule, entry in zip(found, entries, strict=True):
                if rule.automatic:
                    entry["outcome"] = _automatic(services, rule)
        except FAILURES as error:
            # It is stored, and commands may be on their way: whoever was told to try again would double them.
            log.error("rules of observation %s could not be run: %s", proposal_id, reason_of(error))
        _note(services, caller, proposal_id, entries)
    return proposal_id, len(found)


def _automatic(services: Services, rule: Any) -> dict[str, Any]:
    maker = find_user(services.database, rule.user_id) if rule.user_id is not None else None
    if maker is None or maker.tenant_id != rule.tenant_id or not at_least(maker.role, "user"):
        return _failed("PERMISSION_DENIED", "who wrote the rule may not command devices any more")
    caller = Caller(maker, None, f"rule:{rule.id}")
    return _kept(_run(services, caller, rule.intent))


def accept(services: Services, caller: Caller, row: Any) -> dict[str, Any] | None:
    """Run what is proposed, as the caller. What became of it all; None where it is not proposed any more.

    Once it is stored as accepted nobody can accept it again, so that what fails then stands in the outcome.
    """
    with services.database.writing(caller.tenant_id) as connection:
        if not cognition.settle(connection, caller.tenant_id, row.id, "accepted", caller.actor):
            return None
    entries, results = [dict(entry) for entry in row.proposal], []
    for entry in entries:
        if not entry["automatic"]:
            answer = _run(services, caller, entry["intent"])
            entry["outcome"] = _kept(answer)
            results.append(answer)
    _note(services, caller, row.id, entries)
    return _together(results)


def _note(services: Services, caller: Caller, proposal_id: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Store what became of the intents. It is too late for a failure: they have run."""
    try:
        with services.database.writing(caller.tenant_id) as connection:
            cognition.told(connection, caller.tenant_id, proposal_id, entries)
    except FAILURES as error:
        log.error("what became of observation %s could not be noted: %s", proposal_id, reason_of(error))


def _run(services: Services, caller: Caller, intent: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return router.run(services, caller, intent)
    except ApiError as error:
        return _failed(error.code, error.message)
    except FAILURES as error:
        log.error("an intent could not be carried out: %s", reason_of(error))
        text = "the database does not answer now, and commands may be on their way"
        return _failed("GATEWAY_ERROR", text, hint="GET /device/ID/commands lists those that are")


def _failed(code: str, message: str, **more: str) -> dict[str, Any]:
    result = {"action": "", "status": "rejected", "code": code, "error": message, **more}
    return {
        "status": router.FAILED,
        "mode": router.MODE,
        "commands_executed": 0,
        "commands_rejected": 1,
        "results": [result],
    }


def _kept(answer: Mapping[str, Any]) -> dict[str, Any]:
    """As it may be stored and shown to others."""
    results = [
        {name: value for name, value in one.items() if name not in _TOKENS} for one in answer["results"]
    ]
    return {**answer, "results": results}


def _together(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    states = {answer["status"] for answer in answers}
    return {
        "status": states.pop() if len(states) == 1 else router.PARTIAL,
        "mode": router.MODE,
        "commands_executed": sum(answer["commands_executed"] for answer in answers),
        "commands_rejected": sum(answer["commands_rejected"] for answer in answers),
        "results": [one for answer in answers for one in answer["results"]],
    }
