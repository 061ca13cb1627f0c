"""What a cloud answers, in words for a terminal. Whatever a device or a cloud said is shown without control
characters, which could steer the terminal.
"""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from host_sim.cloud_client.api import CloudError, Refused, Unreachable
from host_sim.params import declared, describe, plain

MOST = 32768  # characters of a state or a result that are shown; a message has up to 16 KB
SHOWS = "`python -m host_sim client device DEVICE` shows what it can do"
# What to do, where the cloud's own hint is for those who write requests by hand.
HINTS = {
    # Of one that was given: in the place of one that is made here another is made.
    "UNAUTHORIZED": "make a token: python -m host_sim cloud token --tenant NAME --email E; or leave out "
    "HXTP_TOKEN and --token-file where the cloud's data are at hand, and one is made of them",
    "ACTION_NOT_IN_MANIFEST": SHOWS,
    "PARAMS_INVALID": SHOWS,
    "MANIFEST_NOT_FOUND": "let it connect once: what it can do is not known before",
    "RESTRICTED_ACTION": SHOWS,
}


def refused(error: CloudError) -> dict[str, Any]:
    """An error, for programs. `status`: "refused", or "unreachable" where the cloud did not answer."""
    body = error.body if isinstance(error, Refused) else {}
    told: dict[str, Any] = {
        "status": "unreachable" if isinstance(error, Unreachable) else "refused",
        "error": error.code or "FAILED",
        "message": str(body.get("message") or error),
    }
    if hint := HINTS.get(error.code) or body.get("hint"):
        told["hint"] = str(hint)
    if choices := getattr(error, "choices", ()):
        told["choices"] = list(choices)
    return told


def refusal(error: Exception) -> str:
    """An error, in one line, and a line for each thing that would have been possible."""
    if not isinstance(error, Refused):
        return "\n".join([plain(error), *_choices(getattr(error, "choices", ()))])
    message = str(error.body.get("message", "")) or f"HTTP {error.status}"
    hint = "" if error.choices else HINTS.get(error.code) or str(error.body.get("hint", ""))
    asked = message.partition("no action '")[2].rstrip("'")
    near = get_close_matches(asked, error.choices, 1) if asked else []
    parts = [message[:300], *(f"did you mean {one}?" for one in near), *([hint[:300]] if hint else [])]
    told = f"{error.code}: {'; '.join(parts)}" if error.code else "; ".join(parts)
    return "\n".join([plain(told), *_choices(error.choices)])


def _choices(choices: Iterable[str]) -> list[str]:
    return [f"    {plain(one)}" for one in choices]


def devices(found: list[dict[str, Any]]) -> str:
    """A line a device."""
    rows = [("ID", "NAME", "TYPE", "", "LAST SEEN")]
    rows += [
        (one["id"], one["name"] or "-", one["device_type"], _presence(one), _moment(one.get("last_seen")))
        for one in sorted(found, key=lambda one: (one["name"] or "", one["id"]))
    ]
    shown = [tuple(map(plain, row)) for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(rows[0]))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in shown)


def device(one: Mapping[str, Any], state: Mapping[str, Any], manifest: Mapping[str, Any] | None) -> str:
    """A device, its state and its actions with what each parameter may be."""
    lines = [
        plain(f"{one['id']}  {one['name'] or '-'} ({one['device_type']}), {presence(one)}"),
        f"    last seen  {plain(_moment(one.get('last_seen')))}",
        f"    state      {body(state.get('state') or {})}",
    ]
    if manifest is None:
        return "\n".join([*lines, "    what it can do is not known yet: it tells when it connects"])
    entries = [entry for entry in manifest.get("capabilities") or () if isinstance(entry, dict)]
    known = {str(entry.get("action")): entry for entry in entries}
    for action, properties in declared(manifest).items():
        entry = known[action]
        safety = entry.get("safetyClass", "normal")
        asks = "" if safety == "normal" else f" ({safety})"
        lines.append(plain(f"    {action}{asks}: {str(entry.get('description', ''))[:120]}"))
        lines += [plain(f"        {name}: {describe(rule)}") for name, rule in properties.items()]
    return "\n".join(lines)


UNKNOWN = "it may have run or not: the device was away or restarted before it could say"


def ended(command: Mapping[str, Any], online: bool | None) -> str:
    """What became of a command. `online`: of its device, None where that is not known."""
    action, status = command.get("action"), command.get("status")
    if status == "acknowledged":
        if command.get("dry_run"):
            return plain(f"{action}: would be executed; nothing moved")
        result = _result(command)
        return f"{plain(action)}: executed{f' {body(result)}' if result else ''}"
    if status in ("queued", "dispatched"):
        away = "; the device is offline" if online is False else ""
        waits = f"; it waits until {_moment(command.get('expires_at'))}"
        return plain(f"{action}: no answer yet, still {status}{away}{waits}; {later(command.get('id'))}")
    told = command.get("result")
    member = (told.get("member") or told.get("detail")) if isinstance(told, Mapping) else None
    reason = command.get("error") or "it was never sent"
    more = f"; {UNKNOWN}" if reason == "OUTCOME_UNKNOWN" else ""
    return plain(f"{action}: {status}, {reason}{f' ({member})' if member else ''}{more}")


def interrupted(command: Mapping[str, Any]) -> str:
    """Of a command that somebody stopped waiting for."""
    until = f" until {_moment(command['expires_at'])}" if command.get("expires_at") else ""
    command_id = command.get("id")
    return plain(f"not answered yet: command {command_id} goes on waiting{until}; {later(command_id)}")


def later(command_id: object) -> str:
    """How to ask again."""
    return f"`python -m host_sim client result {command_id}` tells what became of it"


def _result(command: Mapping[str, Any]) -> Any:
    told = command.get("result")
    return told.get("result") if isinstance(told, Mapping) else None


def body(value: Any) -> str:
    """A JSON value on one line; json.dumps escapes every control character."""
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= MOST else text[:MOST] + " …"


def _presence(one: Mapping[str, Any]) -> str:
    if one.get("online") is True:
        return "online?" if one.get("away") is True else "online"
    return "offline" if one.get("last_seen") else "never seen"


LOST = "online by its last heartbeat, but the broker has lost it: commands wait"


def presence(one: Mapping[str, Any]) -> str:
    """Whether a device is there, in a sentence."""
    return LOST if _presence(one) == "online?" else _presence(one)


def _moment(iso: object) -> str:
    """2026-01-01T00:00:00.000Z as 2026-01-01 00:00:00 UTC."""
    return str(iso)[:19].replace("T", " ") + " UTC" if iso else "never"
