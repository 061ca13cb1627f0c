"""The signed mode of a connection: who signed a message, whether it counts, and how that program is answered.

Sans-I/O but for the database. Must never remember anything of a message that is refused, nor verify one with
a key that is not of the program, or the device, that it names.
"""

import os
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from host_sim import fast
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import clients, devices, nonces
from host_sim.cloud.links import keyring
from host_sim.cloud.services import Services
from host_sim.cloud.settings import TENANT_SETTINGS
from host_sim.cloud.storage.patience import patience
from host_sim.profiles import PROFILES, json_full
from host_sim.profiles.auto import progress
from host_sim.profiles.canonical import finite
from hxtp import envelope, frame, jsonscan
from hxtp.errors import FRAME_SCHEMA_INVALID, NONCE_REUSED, HxtpError
from hxtp.jsontext import dumps
from hxtp.replay import Floor
from hxtp.session import uuid4

UNKNOWN = "unknown-client"  # what SDKs call themselves where nobody gave them a name
TRIED = 8  # of a user's clients, for a program that calls itself so
PIPE10 = "pipe10"
SETTINGS = {"json-full": "accept_json_full", "json-header": "accept_json_header"}
DEVICE_SECRETS = "accept_device_secret_from_clients"


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose secret it is. `kind`: "client", or "device" where the tenant takes that risk."""

    kind: str
    id: str
    secret: bytes = field(repr=False, compare=False)

    @property
    def scope(self) -> str:
        """Of nonces, and for histories."""
        return f"{self.kind}:{self.id}"


@dataclass(slots=True)
class Seat:
    """What a connection knows of the program at its other end. `signer`: from its first message on."""

    signer: Signer | None = None
    profile: str = PIPE10
    framed: bool = False
    sent: int = 0
    floor: Floor = field(default_factory=lambda: Floor(-1))  # numbers start anew with each connection


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code` "": the message counts."""

    code: str
    message: envelope.Message
    profile: str = ""
    signer: Signer | None = None


class _Replay:
    """A verifier's memory: the numbers of this connection, the nonces of all of them."""

    def __init__(self, floor: Floor, seen: Callable[[str], bool]) -> None:
        self._floor = floor
        self._seen = seen

    def nonce_seen(self, nonce: bytes) -> bool:
        return self._seen(nonce.decode())

    def sequence_ok(self, sequence: int) -> bool:
        return self._floor.sequence_ok(sequence)

    def accept(self, sequence: int, nonce: bytes) -> None:
        self._floor.accept(sequence, nonce)


def setting(caller: Caller, name: str) -> Any:
    """What the caller's tenant has set."""
    return caller.user.settings.get(name, TENANT_SETTINGS[name])


@patience()
def receive(services: Services, caller: Caller, seat: Seat, data: bytes) -> Verdict:
    """Judge one message in the order of the spec. One that counts has been remembered, in `seat` too."""
    now = services.now()
    try:
        device_id, client_id = _names(data)
    except HxtpError as refusal:
        return Verdict(refusal.code, envelope.Message())
    with services.database.reading(caller.tenant_id) as connection:
        verdict = _judge(services, connection, caller, seat, data, device_id, client_id, now)
    message, signer = verdict.message, verdict.signer
    if verdict.code or signer is None:
        return verdict
    with services.database.writing(caller.tenant_id) as connection:
        if not nonces.take(connection, signer.scope, message.nonce.decode(), now):
            return Verdict(NONCE_REUSED, message)
    message.slot[1].accept(message.sequence, message.nonce)
    if seat.signer is None:
        seat.profile, seat.framed = verdict.profile, message.framed
    seat.signer = signer
    return verdict


def _names(data: bytes) -> tuple[str, str]:
    """The device and the client that a message names, "" where it does not; nothing of it is trusted yet."""
    _, start = frame.open_frame(data)
    members = jsonscan.scan(data, start)
    found = []
    for name in (b"device_id", b"client_id"):
        raw = members.get(name, b'""')
        value = jsonscan.loads(raw) if raw[:1] == b'"' and len(raw) <= 6 * envelope.MAX_ID + 2 else ""
        found.append(value if len(value) <= envelope.MAX_ID and value.isprintable() else "")
    return found[0], found[1]


def _judge(
    services: Services,
    connection: sa.Connection,
    caller: Caller,
    seat: Seat,
    data: bytes,
    device_id: str,
    client_id: str,
    now: int,
) -> Verdict:
    device = devices.find(connection, caller.tenant_id, device_id) if device_id else None
    signers = _signers(services, connection, caller, seat, device, client_id, now)
    best: Verdict | None = None
    for name, profile in PROFILES.items():
        if name in SETTINGS and not setting(caller, SETTINGS[name]):
            continue
        # A device's key verifies nothing but pipe10 (HX3-CANON-06).
        mine = [one for one in signers if name == PIPE10 or one.kind == "client"]
        slots = [(fast.Key(one.secret), _replay(connection, seat, one, now)) for one in mine]
        # Who is not known here is measured by a key that nobody has, and learns nothing by it.
        judged = slots or [(fast.Key(os.urandom(32)), Floor(-1))]
        # No device has the id "".
        verifier = profile.verifier(
            frame.FROM_CLIENT, judged, device_id if device is not None else "", caller.tenant_id
        )
        verifier.max_age = 1000 * setting(caller, "max_age_s")
        verifier.max_future = 1000 * setting(caller, "future_s")
        message = verifier.judge(data, now)
        if message.code is None:
            if not _finite(message.params()):
                return Verdict(FRAME_SCHEMA_INVALID, message)
            return Verdict("", message, name, mine[[slot is message.slot for slot in slots].index(True)])
        if best is None or progress(message) > progress(best.message):
            best = Verdict(message.code, message)
    assert best is not None  # pipe10 is always tried
    return best


def _replay(connection: sa.Connection, seat: Seat, signer: Signer, now: int) -> _Replay:
    return _Replay(seat.floor, lambda nonce: nonces.seen(connection, signer.scope, nonce, now))


def _signers(
    services: Services,
    connection: sa.Connection,
    caller: Caller,
    seat: Seat,
    device: Any,
    client_id: str,
    now: int,
) -> list[Signer]:
    """Whose secrets may have signed this; of a connection that has a signer already, its own alone."""
    rows: list[Any] = []
    if client_id == UNKNOWN:
        rows = clients.usable(connection, caller.tenant_id, caller.user.id)[:TRIED]
    elif client_id:
        row = clients.find(connection, caller.tenant_id, client_id)
        # A client acts for its maker, and so for nobody else's token.
        rows = [row] if row is not None and row.user_id == caller.user.id and row.revoked_at is None else []
    found = [Signer("client", row.id, clients.secret_of(services.vault, row)) for row in rows]
    if device is not None and device.revoked_at is None and setting(caller, DEVICE_SECRETS):
        keys = keyring.open_keys(connection, services.vault, caller.tenant_id, [device.id], now)
        found += [Signer("device", device.id, key.secret) for key in keys.get(device.id, ())]
    if seat.signer is not None:
        found = [one for one in found if one == seat.signer]
    return found


@patience()
def trusted(services: Services, caller: Caller, seat: Seat) -> bool:
    """Whether the program of this connection may still be told what happens."""
    if seat.signer is None:
        return True
    with services.database.reading(caller.tenant_id) as connection:
        if seat.signer.kind == "client":
            row = clients.find(connection, caller.tenant_id, seat.signer.id)
        else:
            row = devices.find(connection, caller.tenant_id, seat.signer.id)
            if not setting(caller, DEVICE_SECRETS):
                return False
    return row is not None and row.revoked_at is None


def sign(caller: Caller, seat: Seat, kind: str, device_id: str, body: Mapping[str, Any], now: int) -> bytes:
    """A message for the program, in its profile and form (HX3-CANON-09).

    Raises ValueError or TypeError for a body that has no portable JSON form, or that makes it too long.
    """
    assert seat.signer is not None
    message_id = uuid4(os.urandom(16))
    fields = {
        "message_type": kind,
        "device_id": device_id,
        "tenant_id": caller.tenant_id,
        "client_id": "hxtp-cloud",
        "message_id": message_id,
        "request_id": message_id,
        "sequence_number": seat.sent + 1,
        "timestamp": now,
        "nonce": os.urandom(16).hex(),
    }
    key, text = fast.Key(seat.signer.secret), dumps(dict(body)).encode()
    if seat.profile == PIPE10:
        data = envelope.build(key, fields, text, seat.framed)
    else:
        data = json_full.build(key, fields, text, seat.framed, hashed=False)
    if len(data) > frame.MAX_JSON + (frame.HEADER if seat.framed else 0):
        raise ValueError("the message is too long")
    seat.sent += 1
    return data


def normalized(value: Any) -> bool:
    """Whether every string value in it is in Unicode NFC."""
    if isinstance(value, dict):
        return all(map(normalized, value.values()))
    if isinstance(value, list):
        return all(map(normalized, value))
    return not isinstance(value, str) or unicodedata.is_normalized("NFC", value)


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            finite(value)
        except ValueError:
            return False
    return True
