"""The SQL of a turn: reads links with their locks, writes what changed, many rows at a time.

Every statement names its tenant; on PostgreSQL row-level security says the same again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.links import keyring, records
from host_sim.cloud.links.orders import Content
from host_sim.cloud.links.records import Held
from host_sim.cloud.links.reports import word
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.settings import TENANT_SETTINGS
from host_sim.cloud.storage import bulk, each, many, trips
from host_sim.cloud.storage.tables import (
    agenda,
    commands,
    devices,
    links,
    manifests,
    tenants,
)
from hxtp.cloud import DISPATCHED, FAILED, OUTCOME_UNKNOWN, QUEUED

UNSETTLED = (QUEUED, DISPATCHED)
DEVICE_REVOKED = "DEVICE_REVOKED"
AHEAD_MS = 2000  # by which the clocks of workers may differ
CLAIM_MS = 5000  # that other workers leave a look to the one that took it
_CLAIM = (
    "UPDATE agenda SET due_at = %s WHERE device_id IN (SELECT device_id FROM agenda WHERE due_at <= %s"
    " ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING tenant_id, device_id"
)
# For PostgreSQL, where each wait counts: see storage.trips.
_LOCK = (
    "SELECT device_id, version FROM links WHERE tenant_id = %s AND device_id = ANY(%s)"
    " ORDER BY device_id FOR UPDATE"
)
# For SQLite, where a transaction that writes has locked everything.
_FIND = (
    "SELECT device_id, version FROM links"
    " WHERE tenant_id = ? AND device_id IN (SELECT value FROM json_each(?))"
)


def due_devices(connection: sa.Connection, now: int, most: int) -> list[tuple[str, str]]:
    """(tenant, device) of links that have to be looked at by now, the oldest first.

    Where there may be other workers they are this one's from the commit on, and for the others due again
    only CLAIM_MS later, should it not have looked by then: its look says anew when the next one is.
    """
    if connection.dialect.name != "sqlite":
        return trips.rows(connection, _CLAIM, (now + CLAIM_MS, now, most))
    rows = connection.execute(
        sa.select(agenda.c.tenant_id, agenda.c.device_id)
        .where(agenda.c.due_at <= now)
        .order_by(agenda.c.due_at)
        .limit(most)
    )
    return [(row.tenant_id, row.device_id) for row in rows]


def hold(
    connection: sa.Connection,
    vault: Vault,
    tenant_id: str,
    device_ids: Iterable[str],
    cache: dict[str, Held],
    now: int,
    shut: set[str] | None = None,
) -> dict[str, Held]:
    """The links of these devices, locked for this transaction, less those that are unknown or revoked.

    `shut` gets those whose secrets cannot be opened, and which are left out too; else VaultError is raised.

    `cache` is brought up to date: an entry is used again where the row still has its version, and none of
    its keys has expired.
    """
    wanted = sorted(device_ids)
    found = _locked(connection, tenant_id, wanted)
    for device_id in wanted:
        held = cache.get(device_id)
        if held is None:
            continue
        expired = held.expires is not None and held.expires <= now
        if held.tenant_id != tenant_id or found.get(device_id) != held.version or expired:
            del cache[device_id]
    missing = [device_id for device_id in found if device_id not in cache]
    if missing:
        trips.land(connection)
        cache.update(_load(connection, vault, tenant_id, missing, now, shut))
    return {device_id: cache[device_id] for device_id in found if device_id in cache}


def _locked(connection: sa.Connection, tenant_id: str, wanted: list[str]) -> dict[str, int]:
    """The versions of these devices' links, locked one after the other in the order of their ids."""
    if connection.dialect.name != "sqlite":
        return dict(trips.rows(connection, _LOCK, (tenant_id, wanted)))
    return {
        device_id: version
        for device_id, version in connection.exec_driver_sql(_FIND, (tenant_id, json.dumps(wanted)))
    }


def _load(
    connection: sa.Connection,
    vault: Vault,
    tenant_id: str,
    device_ids: list[str],
    now: int,
    shut: set[str] | None,
) -> dict[str, Held]:
    keyring.erase_expired(connection, tenant_id, device_ids, now)
    keys = keyring.open_keys(connection, vault, tenant_id, device_ids, now, shut)
    orders: dict[str, list] = {}
    for row in _unsettled(connection, tenant_id, device_ids, now):
        orders.setdefault(row.device_id, []).append((records.order_of(row, now), row.passed_as))
    chosen = connection.execute(sa.select(tenants.c.settings).where(tenants.c.id == tenant_id)).scalar()
    limits = {**TENANT_SETTINGS, **(chosen or {})}
    loaded = {}
    for row in connection.execute(
        sa.select(
            links.c.device_id,
            links.c.version,
            links.c.last_seen,
            links.c.record,
            links.c.numbers,
            manifests.c.hash.label("manifest_hash"),
        )
        .join(devices, devices.c.id == links.c.device_id)
        .outerjoin(manifests, manifests.c.device_id == links.c.device_id)
        .where(
            links.c.tenant_id == tenant_id,
            links.c.device_id.in_(device_ids),
            devices.c.revoked_at.is_(None),
        )
    ):
        name = row.device_id
        if name not in keys or (shut and name in shut):
            continue
        loaded[name] = records.build(
            name,
            tenant_id,
            row.version,
            row.record,
            row.numbers,
            row.last_seen,
            keys[name],
            row.manifest_hash,
            orders.get(name, ()),
            limits["max_age_s"],
            limits["future_s"],
        )
    return loaded


def _unsettled(connection: sa.Connection, tenant_id: str, device_ids: list[str], now: int) -> list[Any]:
    """The rows of commands that have not ended, in the order of their numbers.

    What was ordered in the future was ordered by a clock that was ahead: its life begins now.
    """
    theirs = (
        commands.c.tenant_id == tenant_id,
        commands.c.device_id.in_(device_ids),
        commands.c.state.in_(UNSETTLED),
    )
    query = sa.select(commands).where(*theirs).order_by(commands.c.number)
    rows = list(connection.execute(query))
    if all(row.created_at <= now + AHEAD_MS for row in rows):
        return rows
    life = commands.c.expires_at - commands.c.created_at
    connection.execute(
        commands.update()
        .where(*theirs, commands.c.created_at > now + AHEAD_MS)
        .values(created_at=now, expires_at=now + life)
    )
    return list(connection.execute(query))


def end_all(connection: sa.Connection, tenant_id: str, device_id: str, now: int) -> list[dict[str, Any]]:
    """End what has not ended, because the device is revoked (HX3-CMD-35); whoever calls has locked its link.

    The bodies of the notices to be told after the commit.
    """
    ended = []
    for row in _unsettled(connection, tenant_id, [device_id], now):
        error = OUTCOME_UNKNOWN if row.attempts else DEVICE_REVOKED
        connection.execute(
            commands.update()
            .where(commands.c.id == row.id, commands.c.tenant_id == tenant_id)
            .values(state=FAILED, error=error, settled_at=now)
        )
        body = {"id": row.id, "action": row.action, "state": FAILED, "error": error, "result": None}
        ended.append(body)
    return ended


def manifest_of(connection: sa.Connection, tenant_id: str, device_id: str) -> Mapping[str, Any]:
    """The body of a device's manifest; an empty one where there is none."""
    trips.land(connection)
    found = connection.execute(
        sa.select(manifests.c.body).where(
            manifests.c.device_id == device_id, manifests.c.tenant_id == tenant_id
        )
    ).scalar()
    return found or {}


def look_at_all(connection: sa.Connection, now: int) -> None:
    """The clock was put back: whatever was planned for later may be due before that."""
    connection.execute(agenda.update().where(agenda.c.due_at > now).values(due_at=now))


def save_links(connection: sa.Connection, changed: Sequence[Held]) -> None:
    """Write the links of one tenant that changed, and the orders that did."""
    if not changed:
        return
    tenant_id = changed[0].tenant_id
    rows, anew, orders = [], [], []  # the second: those whose session is another one
    for held in changed:
        link = held.link
        held.version += 1
        row = {
            "of": link.device_id,
            "version": held.version,
            "last_seen": link.last_seen,
            "numbers": records.numbers(held),
        }
        record = records.another_record(held)
        if record is None:
            rows.append(row)
        else:
            anew.append({**row, "record": record})
        for order in link.orders:
            columns = records.columns(order)
            if held.stored.get(order.message_id) != columns:
                held.stored[order.message_id] = columns
                orders.append(_order_row(order, None))
    for some in (rows, anew):
        many.change(connection, links, "device_id", tenant_id, some)
    save_orders(connection, tenant_id, orders)


def plan(
    tenant_id: str, looked: Iterable[str], held: Mapping[str, Held], now: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """When these devices have to be looked at again: the rows that must be written, and who must not be.

    A look that is planned already and comes sooner than it must is left as it is: the next plan is made then.
    Whoever's plan is written counts as changed, so that no other worker goes on believing in the one before.
    """
    later, never = [], []
    for name in looked:
        one = held.get(name)
        if one is None:
            never.append(name)
            continue
        at = records.due(one, now)
        planned = one.planned
        if at == planned or (planned is not None and now < planned and (at is None or planned <= at)):
            continue
        one.planned, one.changed = at, True
        if at is None:
            never.append(name)
        else:
            later.append({"device_id": name, "tenant_id": tenant_id, "due_at": at})
    return later, never


def save_plan(
    connection: sa.Connection, tenant_id: str, later: Sequence[Mapping[str, Any]], never: Sequence[str]
) -> None:
    """What `plan` gave."""
    many.upsert(connection, agenda, later, ["device_id"])
    if never:
        connection.execute(
            agenda.delete().where(agenda.c.device_id.in_(never), agenda.c.tenant_id == tenant_id)
        )


def added_row(tenant_id: str, order: Any, item: Any, now: int) -> dict[str, Any]:
    """The row of a new order, as it is now."""
    return {
        "id": order.message_id,
        "tenant_id": tenant_id,
        "device_id": item.device_id,
        "number": order.number,
        "action": item.action,
        "params": dict(item.params),
        "dry_run": item.dry_run,
        "passed_as": item.passed_as,
        "state": order.state,
        "boot_count": order.boot_count,
        "attempts": order.attempts,
        "due_at": order.due,
        "actor": item.actor,
        "created_at": now,
        "expires_at": order.expires_at,
    }


def _order_row(order: Any, settled_at: int | None) -> dict[str, Any]:
    return {
        "of": order.message_id,
        "state": order.state,
        "error": None if order.error is None else word(order.error),
        "result": order.result,
        "boot_count": order.boot_count,
        "attempts": order.attempts,
        "due_at": order.due,
        "settled_at": settled_at,
    }


def settled_row(order: Any, now: int) -> dict[str, Any]:
    """The columns of an order that has ended."""
    return _order_row(order, now)


def save_orders(connection: sa.Connection, tenant_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the columns that change in a command's life."""
    many.change(connection, commands, "id", tenant_id, rows)


def known_orders(connection: sa.Connection, tenant_id: str, message_ids: Sequence[str]) -> dict[str, Content]:
    """Those of these commands that are there, by id."""
    if not message_ids:
        return {}
    trips.land(connection)
    rows = connection.execute(
        sa.select(
            commands.c.id,
            commands.c.device_id,
            commands.c.action,
            commands.c.params,
            commands.c.dry_run,
            (commands.c.expires_at - commands.c.created_at).label("life"),
        ).where(commands.c.tenant_id == tenant_id, commands.c.id.in_(message_ids))
    )
    return {id: Content(*content) for id, *content in rows}


def add_orders(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """New commands."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        each.insert(connection, commands, rows)
    else:
        trips.send(connection, bulk.insert(commands, tuple(rows[0])), (bulk.rows_text(rows),))
