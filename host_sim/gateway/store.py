"""The gateway's memory: who is registered and what each link must know after a crash, as one JSON file.

The file holds the devices' secrets, so it is made with mode 0600, replaced atomically and synced before
`write` returns. This module must never print a secret, nor give one to anything but its Registration.
"""

import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from host_sim import fast
from host_sim.files import StoreError
from host_sim.gateway.places import DiskFile, MemoryFile
from hxtp.cloud import Link, Order
from hxtp.sign import equal, mqtt_password
from hxtp.topics import topic
from hxtp.window import Window

__all__ = ["MemoryFile", "Registration", "Store", "StoreError"]

FORMAT = 1
PASSWORD_LIFE = 30 * 86400  # seconds; the longest that the protocol allows
CLOCK_SLACK = 300  # seconds by which an expiry may lie above that: the device's clock may run ahead
NUMBERS_AHEAD = 1024  # outgoing numbers reserved per write

# What a link has to find again after its process was killed, besides its numbers.
LINK = (
    "framed",
    "session",
    "boot_count",
    "results_kept",
    "hello",
    "manifest_hash",
    "manifest",
    "state",
    "last_seen",
    "away",
    "awaits",
    "hurried",
)
_ORDER = ("message_id", "number", "action", "expires_at", "state", "boot_count", "attempts", "due")


@dataclass(frozen=True, slots=True)
class Registration:
    """What a new board is told. `secret`: 32 bytes; `password_expiry`: Unix seconds."""

    device_id: str
    tenant_id: str
    device_type: str
    secret: bytes = field(repr=False)
    password_expiry: int


@dataclass(slots=True)
class _Record:
    registration: Registration
    link: Link
    window: Window
    reserved: int = 0  # outgoing numbers up to this one may have been used, says the file
    text: str = ""  # the record as it stands in the file


class Store:
    """Devices and their links, in a folder (one process at a time: a second gets StoreError) or a MemoryFile.

    All but `tenants` and `check_password` belong to one thread, the one that owns the links.
    """

    def __init__(
        self,
        place: str | Path | MemoryFile,
        tenant_id: str = "home",
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Open or begin a store. A store that exists keeps the tenant that it was begun with."""
        self._random = random
        self._records: dict[str, _Record] = {}
        self._tenants: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._open = True
        self.tenants: Mapping[str, str] = MappingProxyType(self._tenants)
        self._file = place if isinstance(place, MemoryFile) else DiskFile(Path(place))
        try:
            self.tenant_id = self._load(tenant_id)
            topic(self.tenant_id, "any", "cmd")
            if len(self.tenant_id) > 36 or any(not " " < c < "\x7f" or c == "|" for c in self.tenant_id):
                raise ValueError("1 to 36 letters, digits and signs, without space / + # |")
        except ValueError as error:
            self._file.close()
            raise StoreError(f"the tenant's id cannot be used: {error}") from None
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Write what is not written yet and let another process use the folder. May be called twice."""
        if self._open:
            self._open = False
            try:
                self.write()
            finally:
                self._file.close()

    # -- devices --------------------------------------------------------------------------------

    def register(self, device_type: str, now_s: int) -> Registration:
        """Make a device: a new id (a UUID as 32 hex digits) and secret, in the file before this returns."""
        registration = Registration(
            uuid.UUID(bytes=self._random(16), version=4).hex,
            self.tenant_id,
            device_type,
            self._random(32),
            now_s + PASSWORD_LIFE,
        )
        self._add(registration, {})
        self.write()
        return registration

    def link(self, device_id: str) -> Link | None:
        record = self._records.get(device_id)
        return record and record.link

    def links(self) -> list[Link]:
        return [record.link for record in self._records.values()]

    def registration(self, device_id: str) -> Registration:
        """Raises KeyError."""
        return self._records[device_id].registration

    def check_password(self, device_id: str, password: str, now_s: int) -> bool:
        """Whether `1.{expiry}.{hex}` opens this device's MQTT connection now. Any thread may ask."""
        record = self._records.get(device_id)
        parts = password.split(".")
        if record is None or len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit()):
            return False
        if len(parts[1]) > 11 or not now_s < int(parts[1]) <= now_s + PASSWORD_LIFE + CLOCK_SLACK:
            return False
        right = mqtt_password(record.registration.secret, device_id, int(parts[1]))
        return equal(right.encode(), password.encode())

    # -- durability -----------------------------------------------------------------------------

    def reserve(self, link: Link) -> None:
        """To be called after a link signed something: its number must lie under the limit in the file."""
        record = self._records[link.device_id]
        if link.sent > record.reserved:
            record.reserved = link.sent + NUMBERS_AHEAD
            self._dirty.add(link.device_id)

    def write(self) -> None:
        """Make all that was committed durable. Raises OSError, and then it is still to be written."""
        if not self._dirty:
            return
        for device_id in self._dirty:
            record = self._records[device_id]
            record.text = json.dumps(_dump(record), separators=(",", ":"))
        devices = ",\n".join(f"{json.dumps(name)}:{record.text}" for name, record in self._records.items())
        text = f'{{"format":{FORMAT},"tenant_id":{json.dumps(self.tenant_id)},"devices":{{\n{devices}\n}}}}\n'
        self._file.write(text)
        self._dirty.clear()

    def _commit(self, link: Link) -> None:
        # The link says that it changed. Nothing that depends on it leaves before `write`.
        self._dirty.add(link.device_id)

    def _load(self, tenant_id: str) -> str:
        text = self._file.read()
        if text is None:
            return tenant_id
        try:
            data = json.loads(text)
        except ValueError as error:
            raise StoreError(f"{self._file} is not JSON ({error}); restore it from a copy") from None
        try:
            if data["format"] != FORMAT:
                raise StoreError(f"{self._file} has format {data['format']}, this program reads {FORMAT}")
            for device_id, entry in data["devices"].items():
                registration = Registration(
                    device_id,
                    data["tenant_id"],
                    entry["device_type"],
                    bytes.fromhex(entry["secret"]),
                    entry["password_expiry"],
                )
                self._add(registration, entry["link"])
            return data["tenant_id"]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise StoreError(f"{self._file} was not written by this program ({error!r})") from None

    def _add(self, registration: Registration, saved: dict) -> None:
        window = Window(saved.get("highest", 0), saved.get("taken", 1))
        link = fast.Link(
            registration.device_id,
            registration.tenant_id,
            [(fast.Key(registration.secret), window)],
            self._random,
            self._commit,
        )
        for name in LINK:
            setattr(link, name, saved.get(name, getattr(link, name)))
        link.sent = saved.get("reserved", 0)
        link.orders = [_order(entry) for entry in saved.get("orders", ())]
        # Numbers of orders only matter beside those of other unsettled ones.
        link.submitted = max((order.number for order in link.orders), default=0)
        record = _Record(registration, link, window, link.sent)
        record.text = json.dumps(_dump(record), separators=(",", ":"))
        self._records[registration.device_id] = record
        self._tenants[registration.device_id] = registration.tenant_id
        if not saved:
            self._dirty.add(registration.device_id)


def _dump(record: _Record) -> dict:
    registration, link = record.registration, record.link
    saved = {name: getattr(link, name) for name in LINK}
    saved["highest"] = record.window.highest
    saved["taken"] = record.window.taken
    saved["reserved"] = record.reserved
    saved["orders"] = [
        {name: getattr(order, name) for name in _ORDER} | {"body": order.body.decode()}
        for order in link.orders
    ]
    return {
        "device_type": registration.device_type,
        "secret": registration.secret.hex(),
        "password_expiry": registration.password_expiry,
        "link": saved,
    }


def _order(entry: dict) -> Order:
    order = Order(
        entry["message_id"], entry["number"], entry["action"], entry["body"].encode(), entry["expires_at"]
    )
    for name in _ORDER:
        setattr(order, name, entry[name])
    return order
