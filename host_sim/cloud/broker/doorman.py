"""Who may connect to the broker as a device: for the embedded broker, and for brokers that ask over HTTP.

Whoever asks waits for the database; an event loop asks by `broker.porter`. Must never keep a secret longer
than a question takes, nor say why somebody was not let in.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from host_sim.broker.authority import Unable
from host_sim.cloud.links.keyring import purpose
from host_sim.cloud.security.vault import Vault, VaultError
from host_sim.cloud.seldom import Seldom
from host_sim.cloud.storage.database import FAILURES, Database, reason_of
from host_sim.cloud.storage.tables import device_keys, devices, directory, tenants
from hxtp.sign import equal, mqtt_password

log = logging.getLogger(__name__)

PASSWORD_LIFE = 30 * 86400  # seconds; the longest that the protocol allows
CLOCK_SLACK = 300  # seconds by which an expiry may lie above that: a device's clock may run ahead
KEPT = 100000  # devices whose tenant is remembered


class Doorman(Mapping[str, str]):
    """Also the mapping from device to tenant that `HxtpAuthority` wants; its answers are remembered.

    Raises Unable while the database does not answer.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._tenants: dict[str, str] = {}
        self._lock = threading.Lock()
        self._seldom = Seldom()

    @contextlib.contextmanager
    def _reading(self, tenant_id: str | None = None) -> Iterator[sa.Connection]:
        try:
            with self._database.reading(tenant_id) as connection:
                yield connection
        except FAILURES as error:
            if self._seldom.now(reason_of(error)):
                log.error("devices that connect cannot be let in: %s", reason_of(error))
            raise Unable("the database does not answer") from None

    @property
    def remembered(self) -> Mapping[str, str]:
        """What it knows without asking, from now on too."""
        return self._tenants

    def __getitem__(self, device_id: str) -> str:
        tenant_id = self._tenants.get(device_id)  # asked for every message: one step, which needs no lock
        if tenant_id is not None:
            return tenant_id
        with self._reading() as connection:
            tenant_id = connection.execute(
                sa.select(directory.c.tenant_id).where(
                    directory.c.kind == "device", directory.c.key == device_id
                )
            ).scalar()
        if tenant_id is None:
            raise KeyError(device_id)
        with self._lock:
            if len(self._tenants) >= KEPT:
                self._tenants.clear()
            self._tenants[device_id] = tenant_id
        return tenant_id

    def __iter__(self) -> Iterator[str]:
        return iter(self._tenants)

    def __len__(self) -> int:
        return len(self._tenants)

    def check_password(self, device_id: str, password: str, now_s: int) -> bool:
        """Whether `1.{expiry}.{hex}` opens this device's connection now, under a key that still holds.

        Or the secret itself, as older devices send it, where the tenant takes that risk (HX3-KEY-06).
        """
        parts = password.split(".")
        if len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit()) or len(parts[1]) > 11:
            return self._is_a_secret(device_id, password, now_s)
        expiry = int(parts[1])
        if not now_s < expiry <= now_s + PASSWORD_LIFE + CLOCK_SLACK:
            return False
        given = password.encode()
        return any(
            equal(mqtt_password(secret, device_id, expiry).encode(), given)
            for secret in self._secrets(device_id, now_s * 1000)
        )

    def _is_a_secret(self, device_id: str, password: str, now_s: int) -> bool:
        with self._reading() as connection:
            found = connection.execute(
                sa.select(tenants.c.settings).where(tenants.c.id == self.get(device_id))
            ).scalar()
        if not (found or {}).get("accept_secret_as_mqtt_password"):
            return False
        given = password.encode()
        return any(equal(secret.hex().encode(), given) for secret in self._secrets(device_id, now_s * 1000))

    def _secrets(self, device_id: str, now: int) -> list[bytes]:
        tenant_id = self.get(device_id)
        with self._reading(tenant_id) as connection:
            rows = connection.execute(
                sa.select(device_keys.c.key_version, device_keys.c.secret_sealed)
                .join(devices, devices.c.id == device_keys.c.device_id)
                .where(
                    device_keys.c.device_id == device_id,
                    device_keys.c.slot.in_(("active", "next", "previous")),
                    sa.or_(device_keys.c.expires_at.is_(None), device_keys.c.expires_at > now),
                    devices.c.revoked_at.is_(None),
                )
            ).all()
        secrets = []
        for row in rows:
            # One that cannot be opened opens no connection; the exchange tells of it.
            with contextlib.suppress(VaultError):
                secrets.append(self._vault.open(row.secret_sealed, purpose(device_id, row.key_version)))
        return secrets
