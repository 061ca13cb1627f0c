"""Whether a device may be asked for something: by its manifest, its parameters and its safety class.

Must never look anything up: what is known of the device is handed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from host_sim.cloud.catalogue import manifests
from host_sim.cloud.catalogue.targets import Target
from host_sim.cloud.errors import ApiError, conflict, not_found
from host_sim.cloud.gate import way as steps
from host_sim.cloud.storage.database import has_nul
from host_sim.params import Problem, checked, declared, describe, left
from host_sim.portable import check_portable
from hxtp import frame, schema
from hxtp.errors import UNKNOWN_ACTION, HxtpError
from hxtp.jsontext import dumps
from hxtp.registry import ACTION, DRY_RUN, RESERVED

MAX_TTL_S = 86400
ASKS = {"sensitive": "confirmation_required", "critical": "dry_run_required"}
UNTRIED = "untried"  # critical, and its device takes no dry run of it


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as somebody asked for it. `coerce`: strings may stand for what the manifest declares.

    `ttl_s`: seconds that it may wait, 300 by default. `key`: an Idempotency-Key.
    """

    action: str
    params: Mapping[str, Any]
    dry_run: bool = False
    ttl_s: float | None = None
    key: str | None = None
    coerce: bool = True

    @property
    def life(self) -> int | None:
        """`ttl_s` in ms."""
        return None if self.ttl_s is None else max(1, round(1000 * self.ttl_s))


@dataclass(frozen=True, slots=True)
class Passed:
    """A command that may be sent. `dry_runs`: the device takes dry runs of the action. `manifest`: the hash
    of the one that says so.
    """

    device_id: str
    action: str
    params: Mapping[str, Any]
    safety: str
    dry_runs: bool
    manifest: str | None = None

    @property
    def needs(self) -> str:
        """What a yes has to be for: normal (none is needed), sensitive, untried, critical."""
        return UNTRIED if self.safety == "critical" and not self.dry_runs else self.safety

    def has(self, passed_as: str) -> bool:
        """Whether a yes for that is enough (HX3-MAN-26)."""
        tried = passed_as == "critical" and self.needs == UNTRIED
        return self.needs in ("normal", passed_as) or tried


def judge(target: Target | None, device_id: str, asked: Asked, way: steps.Way | None = None) -> Passed:
    """Whether the device may be asked for this. `way`: is at the request. Raises ApiError."""
    way = way or steps.Way(steps.REQUEST)
    if asked.action.startswith(RESERVED):
        raise _restricted(f"names beginning {RESERVED} are the protocol's own")
    if target is None:
        raise not_found("device")
    if target.revoked:
        raise conflict("DEVICE_REVOKED", "Device is revoked", "register it anew")
    way.at(steps.MANIFEST)
    if target.awaited:
        raise ApiError(
            404,
            "MANIFEST_NOT_FOUND",
            "this device can do something else now, and has not told what",
            "ask again in a moment: its capability manifest is on its way",
            {"Retry-After": "1"},
        )
    if target.manifest is None:
        raise ApiError(
            404,
            "MANIFEST_NOT_FOUND",
            "this device has told no capability manifest yet",
            "let it connect once, or register one: POST /devices/ID/manifest",
        )
    capability = manifests.capability(target.manifest, asked.action)
    if capability is None:
        raise ApiError(
            400,
            "ACTION_NOT_IN_MANIFEST",
            f"the device has no action {asked.action!r}",
            "GET /devices/ID/manifest lists them",
            choices=sorted(declared(target.manifest)),
        )
    way.at(steps.PARAMETERS)
    params = _parameters({"capabilities": [capability]}, asked)
    if not 0 < (asked.ttl_s or 1) <= MAX_TTL_S:
        raise ApiError(400, "PARAMS_INVALID", f"ttl_s is more than 0 and at most {MAX_TTL_S} seconds")
    way.at(steps.SAFETY_CLASS)
    safety = capability.get("safetyClass", "normal")
    if safety not in ("normal", "sensitive", "critical"):
        raise _restricted("this action is not for the API")
    if asked.dry_run:
        way.at(steps.DRY_RUN)
    dry_runs = capability.get("supportsDryRun") is True
    if asked.dry_run and not dry_runs:
        raise ApiError(
            400,
            "PARAMS_INVALID",
            f"the device cannot dry-run {asked.action}",
            "send the command without dry_run; newer firmware says supportsDryRun in its manifest",
        )
    return Passed(device_id, asked.action, params, safety, dry_runs, target.hash)


def _restricted(message: str) -> ApiError:
    return ApiError(403, "RESTRICTED_ACTION", message, "do it at the device itself")


def _parameters(manifest: Mapping[str, Any], asked: Asked) -> Mapping[str, Any]:
    """As declared, strings made into the declared types where that is wanted. Raises ApiError."""
    hint = "GET /devices/ID/manifest tells what each parameter may be"
    for name in (ACTION, DRY_RUN):
        if name in asked.params:
            raise ApiError(
                400, "PARAMS_INVALID", f"a parameter cannot be named {name}", f"put {name} beside params"
            )
    try:
        if asked.coerce:
            params = checked(manifest, asked.action, asked.params)
        else:
            params = dict(asked.params)
            properties, unknown = declared(manifest)[asked.action], left(manifest, asked.action)
            schema.check(properties, {name: one for name, one in params.items() if name not in unknown})
        check_portable(params)
        text = dumps(dict(params))
        if has_nul(text):
            raise ValueError("U+0000 cannot be sent")
        size = len(text)
    except Problem as problem:
        code = "ACTION_NOT_IN_MANIFEST" if problem.code == UNKNOWN_ACTION else "PARAMS_INVALID"
        raise ApiError(400, code, problem.detail, hint) from None
    except HxtpError as refusal:
        rule = declared(manifest)[asked.action].get(refusal.detail)
        told = f"; it is {describe(rule)}" if rule else ""
        raise ApiError(400, "PARAMS_INVALID", f"{refusal.detail} does not fit{told}", hint) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ApiError(400, "PARAMS_INVALID", str(error), hint) from None
    if size > frame.MAX_BODY:
        raise ApiError(
            400,
            "PARAMS_INVALID",
            f"the parameters are {size} bytes, {frame.MAX_BODY} are possible",
            "send less",
        )
    return params
