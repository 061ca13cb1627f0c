"""What devices report of themselves, as rows: states, manifests, firmware versions.

Every statement names its tenant; on PostgreSQL row-level security says the same again.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from host_sim.cloud.storage import bulk, many, trips
from host_sim.cloud.storage.tables import devices, manifests, state_history, states

_STATE = ("device_id", "tenant_id", "version", "body", "updated_at")
_SAVE_STATES = (
    f"{bulk.insert(states, _STATE)} ON CONFLICT (device_id) DO UPDATE"
    " SET version = states.version + 1, body = excluded.body, updated_at = excluded.updated_at"
)
_SAVE_AND_KEEP_STATES = (
    f"WITH told AS ({_SAVE_STATES} RETURNING {', '.join(_STATE)})"
    " INSERT INTO state_history (device_id, tenant_id, slot, version, body, updated_at)"
    " SELECT device_id, tenant_id, (version %% %s)::integer, version, body, updated_at FROM told"
    " ON CONFLICT (device_id, slot) DO UPDATE"
    " SET version = excluded.version, body = excluded.body, updated_at = excluded.updated_at"
)


@cache
def _save_states() -> Any:
    insert = sqlite.insert(states)
    return insert.on_conflict_do_update(
        index_elements=["device_id"],
        set_={
            "version": states.c.version + 1,
            "body": insert.excluded.body,
            "updated_at": insert.excluded.updated_at,
        },
    )


@cache
def _keep_states() -> Any:
    """Copies the states of devices into their rings, each over the one that is `kept` versions older."""
    insert = sqlite.insert(state_history)
    names = ("device_id", "tenant_id", "slot", "version", "body", "updated_at")
    told = sa.select(
        states.c.device_id,
        states.c.tenant_id,
        sa.cast(states.c.version % sa.bindparam("kept", type_=sa.BigInteger), sa.Integer),
        states.c.version,
        states.c.body,
        states.c.updated_at,
    ).where(
        states.c.tenant_id == sa.bindparam("tenant"),
        states.c.device_id.in_(sa.bindparam("devices", expanding=True)),
    )
    new = {name: insert.excluded[name] for name in ("version", "body", "updated_at")}
    return insert.from_select(list(names), told).on_conflict_do_update(
        index_elements=["device_id", "slot"], set_=new
    )


def save_states(
    connection: sa.Connection, tenant_id: str, told: Mapping[str, Mapping], now: int, kept: int
) -> None:
    """The last state of each device; its version rises by one, and the last `kept` versions stay."""
    if not told:
        return
    new = [
        {"device_id": name, "tenant_id": tenant_id, "version": 1, "body": dict(body), "updated_at": now}
        for name, body in told.items()
    ]
    if connection.dialect.name != "sqlite":
        text = bulk.rows_text(new)
        trips.send(connection, *((_SAVE_AND_KEEP_STATES, (text, kept)) if kept else (_SAVE_STATES, (text,))))
        return
    connection.execute(_save_states(), new)
    if kept:
        connection.execute(_keep_states(), {"kept": kept, "tenant": tenant_id, "devices": list(told)})


def save_manifest(
    connection: sa.Connection, tenant_id: str, device_id: str, hash: str, body: Mapping[str, Any], now: int
) -> None:
    """The manifest that a device told."""
    trips.land(connection)
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(manifests)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["device_id"],
            set_={
                "version": manifests.c.version + 1,
                "hash": insert.excluded.hash,
                "source": insert.excluded.source,
                "body": insert.excluded.body,
                "updated_at": insert.excluded.updated_at,
            },
        ),
        {
            "device_id": device_id,
            "tenant_id": tenant_id,
            "version": 1,
            "hash": hash,
            "source": "device",
            "body": dict(body),
            "updated_at": now,
        },
    )


def save_firmware(connection: sa.Connection, tenant_id: str, told: Mapping[str, str]) -> None:
    """The firmware version that a device's hello told."""
    new = [{"of": name, "firmware_version": word(version)} for name, version in told.items()]
    many.change(connection, devices, "id", tenant_id, new)


def word(text: str) -> str:
    """What a device said, as a column of 64 characters holds it on both databases."""
    return text.replace("\0", "\ufffd")[:64]
