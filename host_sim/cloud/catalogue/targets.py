"""What the gate has to know of a device that is to be commanded."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.manifests import capability
from host_sim.cloud.links.records import NONE
from host_sim.cloud.storage.database import FAILURES, Database, one_of
from host_sim.cloud.storage.patience import patience
from host_sim.cloud.storage.remembered import ALONE_S, HOLD_S
from host_sim.cloud.storage.tables import devices, manifests

log = logging.getLogger(__name__)

BODIES = 1000  # different manifests in memory
TENANTS = 1000  # whose devices are read again before they have to be


@dataclass(frozen=True, slots=True)
class Target:
    """A device of the tenant's. `manifest`: its body, None where it has told none. `awaited`: it has named
    another one than it told last, which has not come yet. `hash`: of the manifest.
    """

    revoked: bool
    manifest: Mapping[str, Any] | None
    awaited: bool
    hash: str | None = None

    def has(self, action: str) -> bool:
        """Whether its manifest lists this action."""
        return capability(self.manifest or {}, action) is not None


class Targets:
    """Devices as they were up to a second ago where another worker may have changed them.

    Those that are in use are read again, all in one query, before that second is over: a thread for each of
    them would cost more than the command.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # On SQLite there is one worker, and the tools that share its file change no device.
        self._hold_s = ALONE_S if database.is_sqlite else HOLD_S
        self._lock = threading.Lock()
        self._used: dict[str, tuple[float, set[str]]] = {}  # by tenant: when to read them again
        self._bodies: dict[str, dict[str, Any]] = {}  # by tenant and hash

    def known(self, tenant_id: str, device_id: str) -> Target | None:
        """What is remembered of a device, without asking the database."""
        found = self._database.remembered.find(("target", tenant_id, device_id))
        if found is not None:
            used = self._used.get(tenant_id)
            if used is None:
                with self._lock:
                    if len(self._used) >= TENANTS:
                        self._used = {}
                    used = self._used.setdefault(tenant_id, (time.monotonic() + self._hold_s / 2, set()))
            used[1].add(device_id)
        return found

    def due(self, tenant_id: str) -> set[str]:
        """The devices to `renew` now: those that were used since the last time, once it is time."""
        used = self._used.get(tenant_id)
        if used is None or time.monotonic() < used[0]:
            return set()
        with self._lock:
            if self._used.get(tenant_id) is not used:
                return set()  # somebody else does it
            del self._used[tenant_id]
        return used[1]

    @patience()
    def renew(self, tenant_id: str, names: set[str]) -> None:
        """Read them again, so that they go on being known."""
        try:
            self._read(tenant_id, sorted(names))
        except FAILURES as error:  # then they are forgotten, and whoever needs one is told
            log.warning("devices could not be read again: %s", type(error).__name__)

    def read(self, tenant_id: str, device_ids: Sequence[str]) -> dict[str, Target]:
        """Those of these devices that are the tenant's."""
        found = {name: target for name in device_ids if (target := self.known(tenant_id, name)) is not None}
        missing = [name for name in device_ids if name not in found]
        if missing:
            found |= self._read(tenant_id, missing)
        return found

    def _read(self, tenant_id: str, device_ids: Sequence[str]) -> dict[str, Target]:
        known = self._bodies.get(tenant_id, {})
        mark = self._database.remembered.mark()
        with self._database.reading(tenant_id) as connection:
            # A body only where the hash does not say already what is in it.
            body = sa.case((one_of(connection, manifests.c.hash, known), None), else_=manifests.c.body)
            rows = connection.execute(
                sa.select(devices.c.id, devices.c.revoked_at, manifests.c.hash, body.label("body"))
                .outerjoin(manifests, manifests.c.device_id == devices.c.id)
                .where(devices.c.tenant_id == tenant_id, one_of(connection, devices.c.id, device_ids))
            ).all()
        new = {row.hash: row.body for row in rows if row.hash is not None and row.hash not in known}
        if new:
            self._keep(tenant_id, known := {**known, **new})
        found = {}
        for row in rows:
            body = None if row.hash is None else known[row.hash]
            found[row.id] = Target(row.revoked_at is not None, body, row.hash == NONE, row.hash)
            self._database.remembered.keep(("target", tenant_id, row.id), found[row.id], mark, self._hold_s)
        return found

    def _keep(self, tenant_id: str, bodies: dict[str, Any]) -> None:
        with self._lock:
            if sum(map(len, self._bodies.values())) >= BODIES:
                self._bodies = {}
            self._bodies[tenant_id] = bodies
