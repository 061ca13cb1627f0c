"""Every error of the API, each said once: its code, its status, what it means, what its answer looks like.

A route names those that it answers (`errors`); what stands before all routes is in `openapi`. Must never have
one that nothing raises, nor miss one that something does: tests/cloud/test_refusals.py reads the sources.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from host_sim.cloud.description.examples import COMMAND, TRIAL, YES
from host_sim.cloud.description.problems import Degraded, Problem, YesWanted


@dataclass(frozen=True, slots=True)
class Refusal:
    """`means`: in a few words. The rest is of an example: `message`, `hint`, `more` members.

    `headers`: that such an answer may have besides those of all. `any_code`: `error` is of the device's own
    codes, of which this is one.
    """

    status: int
    means: str
    message: str
    hint: str
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    model: type[Problem] = Problem
    any_code: bool = False


_RETRY = ("Retry-After",)
_ASKS = ("WWW-Authenticate",)
_SENSITIVE = {
    "status": "confirmation_required",
    "reason": "Sensitive action requires confirmation",
    "dry_run_token": YES,
    "token": YES,
    "expires_in": 30,
}
_CRITICAL = {
    "status": "dry_run_required",
    "reason": "Critical action requires confirmation",
    "dry_run_token": YES,
    "token": YES,
    "expires_in": 60,
    "dry_run": "taken",
    "dry_run_id": TRIAL,
}

# By code. What is behind a dot tells answers of one code apart, and is no part of it.
REFUSALS: Mapping[str, Refusal] = {
    # -- anything ----
    "BAD_REQUEST": Refusal(
        400,
        "the request has not the form that is described",
        "body.action: Field required",
        "see the API's description at /api/v1/docs",
        {"details": [{"where": "body.action", "what": "Field required"}]},
    ),
    "UNAUTHORIZED": Refusal(
        401,
        "no token, or one that has ended",
        "a valid bearer token is missing",
        "send Authorization: Bearer TOKEN with a token or an API key",
        headers=_ASKS,
    ),
    "PERMISSION_DENIED": Refusal(
        403,
        "the role, or the scope of the API key, does not reach that far",
        "this needs the role admin",
        "ask an owner of the tenant",
    ),
    "PERMISSION_DENIED.key": Refusal(
        403, "only for people, not for API keys", "API keys cannot do this", "sign in as a person"
    ),
    "NOT_FOUND": Refusal(
        404,
        "there is no such thing in the tenant",
        "there is no such device",
        "list them to see which devices there are",
    ),
    # Of no operation: the address, or the request itself, is another.
    "METHOD_NOT_ALLOWED": Refusal(
        405,
        "the path has no such method; `Allow` says which it has",
        "this address takes no other method than GET, HEAD, POST",
        "see the API's description at /api/v1/docs",
        headers=("Allow",),
    ),
    "UPGRADE_REQUIRED": Refusal(
        426,
        "the address of the WebSocket was asked for as a page",
        "this address speaks WebSocket",
        "connect to it as a WebSocket; GET /devices/ID/state tells a device's state without one",
        headers=("Upgrade", "Connection"),
    ),
    "HEADERS_TOO_LARGE": Refusal(
        431,
        "the request's head is too long",
        "a request's head has at most 32768 bytes in 100 lines",
        "send fewer and shorter headers; what is long belongs into the body",
    ),
    "REQUEST_TIMEOUT": Refusal(
        408, "the request did not come in time", "the request's head did not come in time", "send it at once"
    ),
    # Of any operation that sends a body, is counted, or fails.
    "PAYLOAD_TOO_LARGE": Refusal(
        413,
        "the body is too long",
        "the body is over 262144 bytes",
        "see the API's description at /api/v1/docs",
    ),
    "RATE_LIMIT_EXCEEDED": Refusal(
        429,
        "too many requests of the tenant, or too many without a valid token from an address",
        "60 requests a minute are allowed in the tier free",
        "try again in 21 s",
        headers=_RETRY,
    ),
    "RATE_LIMIT_EXCEEDED.kind": Refusal(
        429,
        "too many requests of this kind from an address",
        "too many requests of this kind",
        "try again in 21 s",
        headers=_RETRY,
    ),
    "GATEWAY_ERROR": Refusal(
        500, "the cloud failed; its log tells more", "the cloud failed", "try again; tell us the request_id"
    ),
    "GATEWAY_ERROR.busy": Refusal(
        503, "the database is busy, or away", "the database does not answer now", "try again", headers=_RETRY
    ),
    "NOT_IMPLEMENTED": Refusal(
        501,
        "this cloud does not have that; `hint` names what it has instead",
        "this cloud has no plans",
        "send the commands one by one, or keep them as a scene: POST /scenes",
    ),
    "DEGRADED": Refusal(
        503,
        "a part that the cloud needs does not work; `checks` says which",
        "does not work: database",
        "try again; the cloud's log says what is in the way",
        {
            "status": "degraded",
            "checks": {"api": True, "database": False, "redis": True, "mqtt": True, "worker": True},
        },
        _RETRY,
        Degraded,
    ),
    # -- commands ----
    "ACTION_NOT_IN_MANIFEST": Refusal(
        400,
        "the device, or the capability that was named, has no such action",
        "the device has no action 'light_fly'",
        "GET /devices/ID/manifest lists them",
        {"choices": ["light_brightness", "light_off", "light_on"]},
    ),
    "PARAMS_INVALID": Refusal(
        400,
        "a parameter is missing, unknown or out of its bounds",
        "brightness does not fit; it is an integer 0 to 100",
        "GET /devices/ID/manifest tells what each parameter may be",
    ),
    "PARAMS_INVALID.capability": Refusal(
        400,
        "there is no such capability",
        "there is no capability 'lihgt'",
        "GET /manifest/types lists them",
        {"choices": ["ir", "light", "relay"]},
    ),
    "RESTRICTED_ACTION": Refusal(
        403,
        "this action is never sent by the API",
        "this action is not for the API",
        "do it at the device itself",
    ),
    "MANIFEST_NOT_FOUND": Refusal(
        404,
        "the device has not told what it can do, or has just become something else; then with `Retry-After`",
        "this device can do something else now, and has not told what",
        "ask again in a moment: its capability manifest is on its way",
        headers=_RETRY,
    ),
    "MANIFEST_NOT_FOUND.none": Refusal(
        404,
        "the device has not told what it can do",
        "this device has told no capability manifest yet",
        "let it connect once, or register one: POST /devices/ID/manifest",
    ),
    "NOT_FOUND.token": Refusal(
        404,
        "the token has expired, or is of somebody else",
        "this token waits for nothing",
        "it has expired, or is another's: ask anew",
    ),
    "CONFIRMATION_REQUIRED": Refusal(
        409,
        "a sensitive action: confirm it with the token",
        "relay_pulse is sensitive: somebody has to say yes",
        "within 30 s: POST /device/ID/command/confirm with this dry_run_token",
        _SENSITIVE,
        model=YesWanted,
    ),
    "DRY_RUN_REQUIRED": Refusal(
        409,
        "a critical action: its device would take it; confirm it with the token",
        "lock_open is critical: somebody has to say yes",
        "within 60 s: POST /device/ID/command/confirm with this dry_run_token",
        _CRITICAL,
        model=YesWanted,
    ),
    "DEVICE_OFFLINE": Refusal(
        409,
        "the device did not answer the dry run of a critical action",
        "the device did not answer a dry run within 5 s",
        "nothing was executed; try again when it is online",
        {"dry_run": "unanswered", "dry_run_id": TRIAL},
    ),
    "INVALID_PARAMS": Refusal(
        409,
        "the device refused the dry run of a critical action; `error` is its own code, this one or another",
        "the device refused the dry run: INVALID_PARAMS (angle)",
        "nothing was executed; change the command, or see what the device's manifest says now",
        {"dry_run": "refused", "dry_run_id": TRIAL},
        any_code=True,
    ),
    "DEVICE_REVOKED": Refusal(409, "the device was ended", "Device is revoked", "register it anew"),
    "IDEMPOTENCY_CONFLICT": Refusal(
        409,
        "the Idempotency-Key was used for another command",
        "this Idempotency-Key was used for another command",
        "take a new key for a new command",
    ),
    "RATE_LIMIT_EXCEEDED.device": Refusal(
        429,
        "too many commands were sent to the device, or wait for it, or for a yes",
        "20 commands were sent to this device already",
        "try again in 21 s",
        headers=_RETRY,
    ),
    "GATEWAY_ERROR.order": Refusal(
        503,
        "the command was not stored; with `command_id`: nobody can say yet whether it was",
        "the command was not stored in time, and may be yet",
        f"GET /commands/{COMMAND}: if it is there it is carried out; if it is 404, try again",
        {"command_id": COMMAND},
        _RETRY,
    ),
    # -- devices and their manifests ----
    "ROTATION_PENDING": Refusal(
        409,
        "the device has not used the secret that was made before",
        "a new secret was made already and the device has not used it yet",
        'give it to the device; if it was lost, {"again": true} shows it once more',
    ),
    "MANIFEST_INVALID": Refusal(
        400,
        "this is no manifest",
        "the id 1 is there twice; each has its own",
        "chapter 8 of the protocol says what a manifest holds",
    ),
    "MANIFEST_EXISTS": Refusal(
        409, "the device has a manifest already", "this device has a manifest", "PUT replaces it"
    ),
    "MANIFEST_VERSION_CONFLICT": Refusal(
        409,
        "somebody else has changed the manifest",
        "the manifest has version 2 by now",
        "GET it, and put your change into that one",
    ),
    "SIGNATURE_INVALID": Refusal(
        401,
        "of a request that a device signs: whatever is wrong with its headers",
        "no device of this cloud signed this",
        "check the device's id and secret, and the form of each header: chapter 13 of the protocol",
        headers=_ASKS,
    ),
    "NONCE_REUSED": Refusal(
        401,
        "of a request that a device signs: it was answered before",
        "this request was answered before",
        "take a new nonce",
        headers=_ASKS,
    ),
    "RATE_LIMIT_EXCEEDED.time": Refusal(
        429,
        "too many requests from an address, or the device was told the time a moment ago",
        "the time was told a moment ago",
        "try again in 5 s",
        headers=_RETRY,
    ),
    # -- what people make ----
    "LIMIT_REACHED": Refusal(
        409,
        "there are as many as there may be",
        "100 homes are the most that a tenant may have",
        "delete one that is not used any more",
    ),
    "TENANT_EXISTS": Refusal(
        409, "the caller has a tenant already", "this user has a tenant already", "GET /auth/me names it"
    ),
    "USER_EXISTS": Refusal(
        409,
        "somebody with this address is known to the cloud",
        "there is a user with this address already",
        "a user belongs to one tenant; take another address",
    ),
    "LAST_OWNER": Refusal(
        409,
        "the tenant would be left without an owner",
        "the tenant needs an owner; make somebody else one first",
        "",
    ),
    "SLUG_TAKEN": Refusal(
        409,
        "a group has this slug already",
        "there is a group with the slug living-room-lights",
        "give another slug, or use that group",
    ),
    "SCENE_EXISTS": Refusal(
        409,
        "a scene has this name already",
        "there is a scene 'Good night' already",
        "choose another name, or change that one",
    ),
    "NOTHING_PROPOSED": Refusal(
        409,
        "no rule proposed anything, or the proposal is settled",
        "nothing is proposed here, or not any more",
        "GET /cognition/proposals?state=proposed lists what is",
    ),
    # -- signing in ----
    "KEY_REVOKED": Refusal(409, "the API key is revoked", "this API key is revoked", "create a new one"),
    "HANDSHAKE_ENDED": Refusal(
        409,
        "the code was approved or refused before, or has expired",
        "this code is expired",
        "start again on the command line",
    ),
    "NOT_FOUND.code": Refusal(
        404,
        "nobody has opened this code yet",
        "nobody has opened this code yet",
        "open /api/v1/auth/cli?code=CODE in a browser",
    ),
    "CSRF_INVALID": Refusal(
        403,
        "of a request with a page's cookie: the proof that it came from that page is missing or old",
        "this did not come from a page of ours, or the page is over an hour old",
        "open the page again; a program sends X-CSRF-Token with what GET /auth/csrf says",
    ),
    # -- firmware ----
    "RELEASE_EXISTS": Refusal(
        409,
        "there is a release of this version for this type of device",
        "there is a release 1.2.0 for esp32 already",
        "GET /firmware lists the releases",
    ),
    "RELEASE_WITHDRAWN": Refusal(
        409, "the release was withdrawn", "release 1.2.0 was withdrawn", "GET /firmware lists the releases"
    ),
    "RELEASE_IN_USE": Refusal(
        409,
        "the release is the one that devices are offered, or the last one that had a number",
        "release 1.2.0 is offered to devices; withdraw it first",
        "GET /firmware lists the releases",
    ),
    "RELEASE_CONFLICT": Refusal(
        409,
        "another release was made at the same moment",
        "another release was made at the same moment",
        "GET /firmware lists the releases",
    ),
    "VERSION_NOT_NEWER": Refusal(
        409,
        "a version that is as high is released already",
        "1.2.0 is not above 1.3.0, which is released already",
        "GET /firmware lists the releases",
    ),
    "RANGE_NOT_SATISFIABLE": Refusal(
        416,
        "the image has no such range of bytes; `Content-Range` says how long it is",
        "the image has 1048576 bytes; one range of them can be had",
        "send Range: bytes=FIRST-LAST, or none",
        headers=("Content-Range",),
    ),
    # -- brokers ----
    "UNAUTHORIZED.broker": Refusal(
        401,
        "this is not the secret that broker and cloud share",
        "this is not the broker's secret",
        "send it as X-HXTP-Broker-Secret",
        headers=_ASKS,
    ),
    "NOT_FOUND.broker": Refusal(
        404,
        "no broker asks this cloud",
        "no broker asks this cloud",
        "set broker_auth_secret, where one shall",
    ),
    "RATE_LIMIT_EXCEEDED.secret": Refusal(
        429,
        "too many requests without the secret from an address",
        "too many requests of this address had no valid token or key",
        "sign in, or try again in 21 s",
        headers=_RETRY,
    ),
}


def code_of(name: str) -> str:
    """What `error` is in the answer of that name."""
    return name.partition(".")[0]
