"""Who may do what: a row for every route of the API, which `test_access.py` asks as each kind of caller.

A new route needs a row here. `sends` makes a request that is good in the tenant that all `Ids` belong to.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

PUBLIC = "public"
ANY = "any"  # every API key may, whatever its scopes
CODE = "HXT-" + "5a" * 32
SOCKETS = ("/ws/state", "/api/v1/ws/state")  # for a viewer with a tenant, or a key with read:devices


@dataclass(frozen=True)
class Ids:
    """One object of each kind in one tenant, by the name that paths have for it."""

    device_id: str
    home_id: str
    room_id: str
    slug: str
    firmware_id: str
    command_id: str
    client_id: str
    key_id: str
    user_id: str
    scene_id: str
    rule_id: str
    proposal_id: str

    def all(self) -> set[str]:
        return {getattr(self, one.name) for one in fields(self)}


def _nothing(ids: Ids) -> dict[str, Any]:
    return {}


def json(**members: Any) -> Callable[[Ids], dict[str, Any]]:
    """A JSON body; a value that is a function gets the ids."""
    return lambda ids: {"json": {key: one(ids) if callable(one) else one for key, one in members.items()}}


@dataclass(frozen=True)
class Row:
    """`role`: the lowest that may; None: anybody signed in; PUBLIC. `scope`: None where no API key may.

    `foreign`: what an owner of another tenant is answered; by default 404 where the path names something,
    else anything but a refusal.
    """

    role: str | None
    scope: str | None = None
    sends: Callable[[Ids], dict[str, Any]] = _nothing
    foreign: int | None = None


def _device(ids: Ids) -> str:
    return ids.device_id


def _devices(ids: Ids) -> list[str]:
    return [ids.device_id]


_public = Row(PUBLIC)
_keys = Row("admin", "read:devices")
_rotate = Row("admin", "write:devices", json(again=True))
_manifest = Row("viewer", "read:manifest")
_declare = Row("admin", "write:manifest", json(capabilities=[]))
_command = Row("user", "write:devices", json(action="light_on"))
_confirm = Row("user", "write:devices", json(dry_run_token="x" * 43))
_register = Row("admin", "write:devices", json(device_type="esp32", home_id=lambda ids: ids.home_id), 404)
_intent = Row(
    "user",
    "write:devices",
    json(type="device.control", payload=lambda ids: {"device_id": ids.device_id, "action": "light_on"}),
    foreign=200,
)
_scene = Row(
    "user",
    "write:devices",
    json(name="s", steps=lambda ids: [{"device_id": ids.device_id, "action": "light_on"}]),
    foreign=404,
)
_rule = Row(
    "admin",
    sends=json(
        name="r",
        when={"all": [{"member": "x", "op": "==", "value": 1}]},
        intent={"type": "scene.run", "payload": {"scene": "s"}},
    ),
)

TABLE: dict[str, Row] = {
    # system
    "GET /health": _public,
    "GET /health/live": _public,
    "GET /health/ready": _public,
    "GET /changelog": _public,
    "GET /metrics": _public,
    "GET /status": _public,
    "GET /version": _public,
    "GET /ws/state": _public,  # that it is a WebSocket
    # authentication
    "GET /auth/me": Row(None, ANY),
    "GET /auth/csrf": _public,
    "POST /auth/logout": _public,
    "GET /auth/cli": Row(None, sends=lambda ids: {"params": {"code": CODE}}),
    "POST /auth/cli-form": Row(PUBLIC, sends=lambda ids: {"data": {"code": CODE, "do": "approve"}}),
    "GET /auth/handshake/{code}": _public,
    "GET /auth/api-keys": Row("viewer"),
    "POST /auth/api-keys": Row("viewer", sends=json(name="k", scopes=["read:devices"])),
    "POST /auth/api-keys/revoke": Row("viewer", sends=json(key_id=lambda ids: ids.key_id), foreign=404),
    "POST /auth/api-keys/rotate": Row("viewer", sends=json(key_id=lambda ids: ids.key_id), foreign=404),
    "GET /auth/clients": Row("user"),
    "POST /auth/clients": Row("user", sends=json(name="c")),
    "POST /auth/clients/revoke": Row("user", sends=json(client_id=lambda ids: ids.client_id), foreign=404),
    "DELETE /auth/clients/{client_id}": Row("user"),
    # tenant
    "POST /tenant/register": Row(None, sends=json(tenant_name="x"), foreign=409),
    "GET /tenant/settings": Row("owner"),
    "PATCH /tenant/settings": Row("owner", sends=json(max_age_s=299)),
    "GET /tenant/users": Row("admin"),
    "POST /tenant/users": Row("owner", sends=json(email="new@table.example", role="viewer")),
    "PATCH /tenant/users/{user_id}": Row("owner", sends=json(role="viewer")),
    "DELETE /tenant/users/{user_id}": Row("owner"),
    # devices
    "POST /device/register": _register,
    "POST /devices/register": _register,
    "GET /devices": Row("viewer", "read:devices"),
    "GET /devices/{device_id}": Row("viewer", "read:devices"),
    "GET /device/{device_id}": Row("viewer", "read:devices"),
    "PATCH /devices/{device_id}": Row("admin", "write:devices", json(name="lamp")),
    "PATCH /device/{device_id}": Row("admin", "write:devices", json(name="lamp")),
    "GET /devices/{device_id}/state": Row("viewer", "read:devices"),
    "GET /device/{device_id}/state": Row("viewer", "read:devices"),
    "GET /devices/{device_id}/state/history": Row("viewer", "read:devices"),
    "GET /device/{device_id}/state/history": Row("viewer", "read:devices"),
    "GET /devices/{device_id}/telemetry": Row("viewer", "read:devices"),
    "GET /device/{device_id}/telemetry": Row("viewer", "read:devices"),
    "GET /device/{device_id}/key-history": _keys,
    "GET /devices/{device_id}/key-history": _keys,
    "POST /device/{device_id}/rotate-secret": _rotate,
    "POST /devices/{device_id}/rotate-secret": _rotate,
    "POST /mqtt/auth": _public,  # with the broker's own secret
    "POST /mqtt/acl": _public,
    "GET /device/{device_id}/bootstrap": _public,  # the device's own signature lets it in
    "GET /devices/{device_id}/bootstrap": _public,
    # commands
    "POST /device/{device_id}/command": _command,
    "POST /devices/{device_id}/command": _command,
    "POST /device/{device_id}/command/confirm": _confirm,
    "POST /devices/{device_id}/command/confirm": _confirm,
    "POST /devices/command": Row(
        "user", "write:devices", json(device_ids=_devices, action="light_on"), foreign=200
    ),
    "GET /device/{device_id}/commands": Row("user", "read:devices"),
    "GET /devices/{device_id}/commands": Row("user", "read:devices"),
    "GET /commands/{command_id}": Row("user", "read:devices"),
    "POST /rooms/{room_id}/command": _command,
    "POST /groups/{slug}/command": _command,
    # homes and rooms
    "POST /homes": Row("admin", "write:homes", json(home_name="h", timezone="UTC")),
    "GET /homes": Row("viewer", "read:homes"),
    "PATCH /homes/{home_id}": Row("admin", "write:homes", json(home_name="h")),
    "POST /homes/{home_id}/rooms": Row("admin", "write:homes", json(name="r")),
    "GET /homes/{home_id}/rooms": Row("viewer", "read:homes"),
    # groups
    "GET /groups": Row("user", "read:groups"),
    "POST /groups": Row("admin", "write:groups", json(name="g", device_ids=_devices), 404),
    "POST /groups/{slug}/join": Row("user", "write:groups", json(device_id=_device)),
    "POST /groups/{slug}/devices": Row("user", "write:groups", json(device_ids=_devices)),
    # manifests
    "GET /manifest/capabilities": Row("viewer", "read:manifest"),
    "GET /manifest/types": Row("viewer", "read:manifest"),
    "GET /devices/{device_id}/manifest": _manifest,
    "GET /device/{device_id}/manifest": _manifest,
    "GET /devices/{device_id}/capabilities": _manifest,
    "GET /device/{device_id}/capabilities": _manifest,
    "POST /devices/{device_id}/manifest": _declare,
    "POST /device/{device_id}/manifest": _declare,
    "PUT /devices/{device_id}/manifest": _declare,
    "PUT /device/{device_id}/manifest": _declare,
    # firmware
    "POST /firmware/check": Row(
        "user", "read:firmware", json(device_type="esp32", current_version="1.0.0", device_id=_device), 404
    ),
    "GET /firmware/check": Row(
        "user",
        "read:firmware",
        lambda ids: {"params": {"device_type": "esp32", "current_version": "1.0.0"}},
    ),
    "POST /firmware/release": Row(
        "admin",
        "write:firmware",
        json(device_type="esp32", version="2.0.0", url="https://example.org/f", checksum="ab" * 32, size=1),
    ),
    "POST /firmware/upload": Row(
        "admin",
        "write:firmware",
        lambda ids: {
            "data": {"device_type": "esp32", "version": "3.0.0"},
            "files": {"file": ("f", b"image")},
        },
    ),
    "GET /firmware": Row("viewer", "read:firmware"),
    "GET /firmware/{firmware_id}": Row("viewer", "read:firmware"),
    "GET /firmware/{firmware_id}/download": Row("viewer", "read:firmware"),
    "POST /firmware/{firmware_id}/release": Row("admin", "write:firmware"),
    "POST /firmware/{firmware_id}/withdraw": Row("admin", "write:firmware"),
    "DELETE /firmware/{firmware_id}": Row("admin", "write:firmware"),
    # intents, scenes, cognition
    "POST /intent": _intent,
    "POST /api/v1/intent": _intent,
    "GET /scenes": Row("viewer", "read:devices"),
    "POST /scenes": _scene,
    "GET /scenes/{scene_id}": Row("viewer", "read:devices"),
    "PUT /scenes/{scene_id}": _scene,
    "POST /cognition/observation": Row(
        "user", "write:devices", json(device_id=_device, data={"x": 1}), foreign=404
    ),
    "GET /cognition/proposals": Row("user", "read:devices"),
    "GET /cognition/proposals/{proposal_id}": Row("user", "read:devices"),
    "POST /cognition/proposals/{proposal_id}/accept": Row("user", "write:devices"),
    "POST /cognition/proposals/{proposal_id}/dismiss": Row("user", "write:devices"),
    "GET /cognition/rules": Row("viewer", "read:devices"),
    "POST /cognition/rules": _rule,
    "GET /cognition/rules/{rule_id}": Row("viewer", "read:devices"),
    "PUT /cognition/rules/{rule_id}": _rule,
    "DELETE /cognition/rules/{rule_id}": Row("admin"),
    "DELETE /scenes/{scene_id}": Row("user", "write:devices"),
    # what there is not
    "GET /plans": Row("viewer", ANY, foreign=501),
    "POST /plans": Row("viewer", ANY, foreign=501),
    "GET /plans/{plan_id}": Row("viewer", ANY, foreign=501),
    "GET /agents/{agent_id}/memories": Row("viewer", ANY, foreign=501),
    "POST /agents/{agent_id}/memories": Row("viewer", ANY, foreign=501),
    "POST /firmware/build": Row("admin", ANY, foreign=501),
    "POST /device/claim": Row("admin", ANY, foreign=501),
    "GET /state/verification/{verification_id}": Row("viewer", ANY, foreign=501),
    "POST /state/verification/{verification_id}": Row("viewer", ANY, foreign=501),
    # last, since they end what the others ask for
    "POST /device/{device_id}/revoke": Row("admin", "write:devices"),
    "POST /devices/{device_id}/revoke": Row("admin", "write:devices"),
    "DELETE /groups/{slug}/devices/{device_id}": Row("user", "write:groups"),
    "DELETE /groups/{slug}": Row("admin", "write:groups"),
    "DELETE /homes/{home_id}/rooms/{room_id}": Row("admin", "write:homes"),
    "DELETE /homes/{home_id}": Row("admin", "write:homes"),
}
