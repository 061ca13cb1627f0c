"""Deletes what has become too old: a thread in every worker, of which one at a time does it.

Must never hold others up: it deletes a few rows in a transaction, waits, and goes on. Nor may it delete what
counts: what it may is in `OF_DEVICES`, `OF_TENANTS` and `SHARED`, and docs/cloud-operations.md says for every
table what bounds it.
"""

import logging
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.handshakes import KEPT_MS as HANDSHAKE_MS
from host_sim.cloud.catalogue.pages import Page, rows_of
from host_sim.cloud.links.ledger import UNSETTLED
from host_sim.cloud.settings import NUMBERS, Settings
from host_sim.cloud.storage import chores
from host_sim.cloud.storage.database import FAILURES, Database
from host_sim.cloud.storage.locks import forget, hold_links
from host_sim.cloud.storage.tables import (
    agenda,
    api_keys,
    broker_logins,
    clients,
    commands,
    confirmations,
    counts,
    device_keys,
    devices,
    directory,
    handshakes,
    links,
    nonces,
    observations,
    signing_keys,
    state_history,
    telemetry,
    tenants,
)

log = logging.getLogger(__name__)

CHORE = "sweep"
EVERY_MS = 3600 * 1000  # between two passes, whoever does them
LEASE_MS = 5 * 60 * 1000  # after which another worker goes on where one has died
LONGEST_MS = 2 * max(EVERY_MS, LEASE_MS)  # that anybody claims: clocks of workers differ a little
LOOK_S = 60.0  # how soon a worker notices that it is time
ROWS = 500  # of a transaction
AT_ONCE = 100  # devices that are looked at together
STEP_MS = 60 * 1000  # by which the clock may be put right without a pause of
STEADY_S = 3600.0
PAUSE_S = 0.02  # between two transactions, in which others can write
DAY_MS = 24 * 3600 * 1000
TOKEN_MS = NUMBERS["token_life_s"][1] * 1000  # the longest that a token may hold


@dataclass(frozen=True, slots=True)
class Bounds:
    """What was before these times (ms since 1970; None: nothing) is too old."""

    now: int
    telemetry: int | None
    history: int | None
    states_kept: int

    @property
    def both(self) -> int | None:
        """Before which nothing of a device is kept any more."""
        return None if self.telemetry is None or self.history is None else min(self.telemetry, self.history)


Which = Callable[[Bounds], Any]  # the rows that are too old, or None for none

_KEY_ENDED = sa.func.coalesce(device_keys.c.expires_at, device_keys.c.promoted_at, device_keys.c.created_at)


def _before(column: Any, bound: int | None, *which: Any) -> Any:
    return None if bound is None else sa.and_(column < bound, *which)


OF_DEVICES: tuple[tuple[sa.Table, Which], ...] = (
    (telemetry, lambda at: _before(telemetry.c.last_at, at.telemetry)),
    (commands, lambda at: _before(commands.c.created_at, at.history, commands.c.state.not_in(UNSETTLED))),
    (device_keys, lambda at: _before(_KEY_ENDED, at.history, device_keys.c.slot == "retired")),
    (state_history, lambda at: state_history.c.slot >= at.states_kept),
)
OF_TENANTS: tuple[tuple[sa.Table, Which], ...] = (
    (observations, lambda at: _before(observations.c.created_at, at.history)),
    (api_keys, lambda at: _before(api_keys.c.revoked_at, at.history)),
    (clients, lambda at: _before(clients.c.revoked_at, at.history)),
    (confirmations, lambda at: confirmations.c.expires_at < at.now),
)
SHARED: tuple[tuple[sa.Table, Which], ...] = (
    (handshakes, lambda at: handshakes.c.expires_at < at.now - HANDSHAKE_MS),
    (nonces, lambda at: nonces.c.expires_at <= at.now),
    (counts, lambda at: counts.c.ends_at < at.now // 1000),
    # Of tenants that were deleted: the broker had to be told first.
    (
        broker_logins,
        lambda at: sa.and_(
            broker_logins.c.written >= broker_logins.c.wanted,
            broker_logins.c.tenant_id.not_in(sa.select(tenants.c.id)),
        ),
    ),
    (signing_keys, lambda at: signing_keys.c.retired_at < at.now - TOKEN_MS),
)


class _Over(Exception):
    """Somebody else goes on, or nobody."""


class Sweeper:
    """`sweep()` is one pass; the thread makes one whenever it is time, and none while the clock jumps.

    `clock`: ms since 1970. `steady`: seconds, of a clock that nobody sets.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000000,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._name = os.urandom(8).hex()
        self._steady = steady
        self._looked = clock(), steady()  # when the thread last did
        self._trusts_from = -math.inf  # by the steady clock
        self._renew_at = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> "Sweeper":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(30)

    def sweep(self) -> Counter[str] | None:
        """Delete what is too old; how many rows of which table. None where it is not this worker's turn."""
        now = self._clock()
        if not chores.take(self._database, CHORE, self._name, now, now + LEASE_MS, LONGEST_MS):
            return None
        self._renew_at = now + LEASE_MS // 2
        swept: Counter[str] = Counter()
        try:
            self._pass(self._bounds(now), swept)
        except _Over:
            return swept
        chores.leave(self._database, CHORE, self._name, now + EVERY_MS)
        return swept

    def look(self) -> Counter[str] | None:
        """`sweep`, unless the clock was set within the last hour: it may be wrong, and what is deleted by a
        wrong one does not come back when it is right.
        """
        before, self._looked = self._looked, (self._clock(), self._steady())
        step = self._looked[0] - before[0] - 1000 * (self._looked[1] - before[1])
        if abs(step) > STEP_MS:
            self._trusts_from = self._looked[1] + STEADY_S
            log.warning(
                "the clock was set by %d s: nothing is deleted for an hour, in case it is wrong", step / 1000
            )
        return self.sweep() if self._looked[1] >= self._trusts_from else None

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            try:
                swept = self.look()
            except FAILURES as error:
                log.error("too old rows stay for now: %s", type(error).__name__)
            except Exception:  # a fault of ours; the thread must live
                log.exception("deleting too old rows failed")
            else:
                if swept:
                    told = ", ".join(f"{count} of {name}" for name, count in sorted(swept.items()))
                    log.info("deleted rows that were too old: %s", told)

    def _bounds(self, now: int) -> Bounds:
        def before(days: int) -> int | None:
            return now - days * DAY_MS if days else None

        settings = self._settings
        return Bounds(
            now, before(settings.telemetry_days), before(settings.history_days), settings.states_kept
        )

    def _pass(self, at: Bounds, swept: Counter[str]) -> None:
        for tenant_id in self._tenants():
            for device_ids in self._devices(tenant_id):
                for table, which in OF_DEVICES:
                    mine = table.c.tenant_id == tenant_id, table.c.device_id.in_(device_ids)
                    self._clear(tenant_id, table, which(at), mine, swept)
            for table, which in OF_TENANTS:
                self._clear(tenant_id, table, which(at), (table.c.tenant_id == tenant_id,), swept)
            self._forget(tenant_id, at, swept)
        for table, which in SHARED:
            self._clear(None, table, which(at), (), swept)

    def _tenants(self) -> Iterator[str]:
        last = ""
        while True:
            with self._database.reading() as connection:
                query = (
                    sa.select(tenants.c.id).where(tenants.c.id > last).order_by(tenants.c.id).limit(AT_ONCE)
                )
                found = connection.execute(query).scalars().all()
            yield from found
            if len(found) < AT_ONCE:
                return
            last = found[-1]

    def _devices(self, tenant_id: str) -> Iterator[list[str]]:
        page = Page(AT_ONCE)
        query = sa.select(devices.c.id, devices.c.created_at).where(devices.c.tenant_id == tenant_id)
        while True:
            self._still_mine()
            with self._database.reading(tenant_id) as connection:
                found = rows_of(connection, query, devices.c.created_at, devices.c.id, page)
            rows = found[: page.limit]
            if rows:
                yield [row.id for row in rows]
            if len(found) <= page.limit:
                return
            page = Page(AT_ONCE, (rows[-1].created_at, rows[-1].id))

    def _clear(
        self, tenant_id: str | None, table: sa.Table, which: Any, mine: Sequence[Any], swept: Counter[str]
    ) -> None:
        """Delete those of these rows that are too old, ROWS in a transaction."""
        if which is None:
            return
        with self._database.reading(tenant_id) as connection:
            # To look is cheap, and keeps nobody from writing.
            one = sa.select(sa.literal(1)).select_from(table).where(*mine, which).limit(1)
            if connection.execute(one).first() is None:
                return
        while True:
            self._still_mine()
            with self._database.writing(tenant_id, quiet=True) as connection:
                count = forget(connection, table, *mine, which, most=ROWS)
            swept[table.name] += count
            if count < ROWS:
                return
            self._pause()

    def _forget(self, tenant_id: str, at: Bounds, swept: Counter[str]) -> None:
        """Delete devices that were revoked so long ago that nothing else of them is there."""
        if at.both is None:
            return
        rest = [
            sa.exists().where(table.c.device_id == devices.c.id)
            for table in (telemetry, commands, observations)
        ]
        if self._settings.dynamic_security:  # the broker has to be told first
            rest.append(
                sa.exists().where(
                    broker_logins.c.device_id == devices.c.id,
                    broker_logins.c.written < broker_logins.c.wanted,
                )
            )
        over = (
            sa.select(devices.c.id)
            .where(
                devices.c.tenant_id == tenant_id,
                devices.c.revoked_at < at.both,
                *(sa.not_(one) for one in rest),
            )
            .limit(AT_ONCE)
        )
        while True:
            self._still_mine()
            with self._database.reading(tenant_id) as connection:
                ids = list(connection.execute(over).scalars())
            if not ids:
                return
            with self._database.writing(tenant_id, quiet=True) as connection:
                hold_links(connection, tenant_id, links.c.device_id.in_(ids))
                named = directory.c.kind == "device", directory.c.tenant_id == tenant_id
                connection.execute(directory.delete().where(*named, directory.c.key.in_(ids)))
                for table in (agenda, broker_logins):
                    connection.execute(
                        table.delete().where(table.c.device_id.in_(ids), table.c.tenant_id == tenant_id)
                    )
                gone = devices.delete().where(devices.c.id.in_(ids), devices.c.tenant_id == tenant_id)
                swept[devices.name] += connection.execute(gone).rowcount
            self._pause()

    def _pause(self) -> None:
        if self._ended.wait(PAUSE_S):
            raise _Over

    def _still_mine(self) -> None:
        """Take the chore on. Raises _Over where another worker has it by now."""
        if self._ended.is_set():
            raise _Over
        now = self._clock()
        if now < self._renew_at:
            return
        if not chores.take(self._database, CHORE, self._name, now, now + LEASE_MS, LONGEST_MS):
            raise _Over
        self._renew_at = now + LEASE_MS // 2
