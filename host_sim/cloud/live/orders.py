"""Commands of app clients: from a signed message through the gate, and what becomes of them.

Must never let a command pass that REST would not. A refusal of the gate becomes the body of a signed `error`,
the end of a command that of a signed `ack`; both name the client's message.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from host_sim.cloud.access import count, identify
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import commands
from host_sim.cloud.errors import ApiError
from host_sim.cloud.gate.judge import Asked
from host_sim.cloud.gate.way import RATE_LIMIT, REQUEST, ROLE_AND_SCOPE, TENANT, Way
from host_sim.cloud.live.signed import Signer, normalized
from host_sim.cloud.security import roles
from host_sim.cloud.services import Services
from host_sim.cloud.storage.patience import patience
from hxtp import envelope
from hxtp.cloud import ACKNOWLEDGED, DISPATCHED, QUEUED
from hxtp.errors import HxtpError
from hxtp.registry import ACTION, DRY_RUN, action_of

SCOPE = "write:devices"
PARAMS = "params"
EXPIRED = "DEVICE_OFFLINE"  # a published code, for a command that never left


@dataclass(frozen=True, slots=True)
class Ordered:
    """A command that was accepted under this id; `ended` is what has become of it, if that is known."""

    command_id: str
    ended: Mapping[str, Any] | None


@patience()
def order(services: Services, credential: str, signer: Signer, message: envelope.Message) -> Ordered:
    """Send the command of an authentic message. Raises ApiError.

    The caller is asked for anew: a role that was lost a moment ago counts for nothing. The same message id of
    the same client, signed again, is the same command.
    """
    way = Way()
    try:
        return _order(services, credential, signer, message, way)
    except ApiError as refusal:
        services.gate.tell(refusal, way.step)
        raise


def _order(
    services: Services, credential: str, signer: Signer, message: envelope.Message, way: Way
) -> Ordered:
    caller = identify(services, credential)
    way.at(TENANT)
    _ = caller.tenant_id
    way.at(ROLE_AND_SCOPE)
    if not roles.at_least(caller.user.role, "user") or not roles.covers(caller.scopes, SCOPE):
        raise ApiError(403, "PERMISSION_DENIED", f"this needs the role user, and of a key the scope {SCOPE}")
    way.at(RATE_LIMIT)
    _, refusal = count(services, caller)
    if refusal is not None:
        raise refusal
    way.at(REQUEST)
    caller = dataclasses.replace(caller, actor=signer.scope)
    command_id = services.gate.command(caller, message.device_id, _asked(signer, message), way)
    with services.database.reading(caller.tenant_id) as connection:
        row = commands.find(connection, caller.tenant_id, command_id)
    settled = row is not None and row.state not in (QUEUED, DISPATCHED)
    ended = {"state": row.state, "error": row.error, "result": row.result} if settled else None
    return Ordered(command_id, ended)


def _asked(signer: Signer, message: envelope.Message) -> Asked:
    params = message.params()
    try:
        action = action_of(message, params)
    except HxtpError as refusal:
        raise ApiError(
            400, refusal.code, "a command names its action in params, and nowhere another", "sign it anew"
        ) from None
    del params[ACTION]
    dry_run = params.pop(DRY_RUN, False)
    if not isinstance(dry_run, bool):
        raise ApiError(400, "PARAMS_INVALID", f"{DRY_RUN} is true or false")
    # Some SDKs put the parameters below a name of their own; no parameter can be an object.
    if set(params) == {PARAMS} and isinstance(params[PARAMS], dict):
        params = params[PARAMS]
    if not normalized(params):
        raise ApiError(400, "PARAMS_INVALID", "text has to be in Unicode NFC")
    return Asked(action, params, dry_run, key=f"{signer.scope}:{message.message_id}", coerce=False)


def error_body(refusal: ApiError, message_id: str) -> dict[str, Any]:
    """Of the signed `error` that tells of a refusal by the gate."""
    return {
        **refusal.more,
        "error": refusal.code,
        "detail": refusal.message,
        "hint": refusal.hint,
        "ref_message_id": message_id,
    }


def ack_body(ended: Mapping[str, Any], message_id: str) -> dict[str, Any]:
    """Of the signed `ack` that tells how a command ended. `ended`: its state, error and result."""
    body = dict(ended["result"] or {})
    if ended["state"] != ACKNOWLEDGED:
        body.update(ack_status="failed", error=ended["error"] or EXPIRED)
        body.pop("result", None)
    return {**body, "ref_message_id": message_id}


def allowed(caller: Caller) -> None:
    """Raises ApiError 403 where the caller may not watch devices."""
    _ = caller.tenant_id
    if not roles.at_least(caller.user.role, "viewer") or not roles.covers(caller.scopes, "read:devices"):
        raise ApiError(403, "PERMISSION_DENIED", "this needs the role viewer, and of a key read:devices")
