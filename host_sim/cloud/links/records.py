"""A device's link as rows, and back: what the protocol must know of a device after a crash.

Must never hold a message back or let one go: it only turns `hxtp.cloud.Link` into what a database keeps.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from host_sim import fast
from hxtp import frame, jsontext
from hxtp.cloud import RETRY, Link, Order
from hxtp.envelope import Verifier
from hxtp.window import Window

_LINK = (
    "framed",
    "session",
    "boot_count",
    "results_kept",
    "hello",
    "manifest_hash",
    "submitted",
    "away",
    "hurried",
)
NONE = ""  # the hash of a manifest that is another one than the device named
_KNOWN: Mapping[str, Any] = {}  # stands for a manifest that lies in its own table


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A secret of a device. `slot`: active, next or previous, which ends at `expires_at`."""

    version: int
    slot: str
    secret: bytes = field(repr=False)
    expires_at: int | None = None


@dataclass(slots=True)
class Held:
    """A link in memory, good while its row has `version`. `stored`: the columns of each order's row.

    `proof`: judges by the key in the slot `next` alone, where there is one. `expires`: when a key ends.
    `manifest`: the hash of the one that is known, NONE where it is not the one that the device named; None
    where there never was one. `passed_as`: by message id, what somebody said yes to. `judged`: the ids of
    those that this manifest allows.
    """

    tenant_id: str
    link: Link
    version: int
    signing: int  # the version of the key that signs
    windows: dict[int, Window]
    sent: dict[int, int]  # the last number given out under each key
    proof: Verifier | None = None
    expires: int | None = None
    changed: bool = False
    planned: int | None = -1  # what the agenda says; -1: not known
    stored: dict[str, tuple] = field(default_factory=dict)
    record: tuple | None = None  # what its row says of the session
    manifest: str | None = None
    passed_as: dict[str, str] = field(default_factory=dict)
    judged: set[str] = field(default_factory=set)

    def knows(self, manifest: str | None) -> None:
        """From now on that is the manifest's hash."""
        if manifest != self.manifest:
            self.manifest = manifest
            self.judged.clear()


def build(
    device_id: str,
    tenant_id: str,
    version: int,
    record: Mapping[str, Any],
    numbers: Mapping[str, Any],
    last_seen: int | None,
    keys: Sequence[DeviceKey],
    manifest: str | None,
    orders: Sequence[tuple[Order, str]],
    max_age_s: int,
    future_s: int,
) -> Held:
    """A link from what was kept. `keys`: the one that signs first. `manifest`: as in Held. `orders`: with
    what somebody said yes to. The limits are the tenant's.
    """
    windows, sent, slots = {}, {}, []
    for key in keys:
        kept = numbers.get(str(key.version), {})
        windows[key.version] = Window(kept.get("highest", 0), kept.get("taken", 1))
        sent[key.version] = kept.get("sent", 0)
        slots.append((fast.Key(key.secret), windows[key.version]))
    held: Held

    def changed(link: Link) -> None:
        held.changed = True

    link = fast.Link(device_id, tenant_id, slots, os.urandom, changed)
    for name in _LINK:
        if name in record:
            setattr(link, name, record[name])
    link.limit(max_age_s, future_s)
    link.last_seen = last_seen
    named = link.manifest_hash
    link.manifest = _KNOWN if manifest is not None and manifest == named else None
    # One that came over the API is as good as the one that the device named.
    link.awaits = manifest == NONE or (manifest is None and named is not None)
    link.sent = sent[keys[0].version]
    link.stale_answered = numbers.get(str(keys[0].version), {}).get("stale_answered")
    link.orders = [order for order, _ in orders]
    held = Held(tenant_id, link, version, keys[0].version, windows, sent)
    held.record = tuple(record[name] for name in _LINK) if set(_LINK) <= record.keys() else None
    held.stored = {order.message_id: columns(order) for order in link.orders}
    held.manifest = manifest
    held.passed_as = {order.message_id: passed_as for order, passed_as in orders}
    held.expires = min((key.expires_at for key in keys if key.expires_at is not None), default=None)
    for key, slot in zip(keys, slots, strict=True):
        if key.slot == "next":
            held.proof = fast.verifier(frame.TO_CLOUD, [slot], device_id, tenant_id)
            held.proof.max_age, held.proof.max_future = 1000 * max_age_s, 1000 * future_s
    return held


def proves(held: Held, channel: str, payload: bytes, now: int) -> bool:
    """Whether the device signed this message with the key that waits for that, be it timely or not."""
    return held.proof is not None and held.proof.judge(payload, now, channel).slot is not None


def numbers(held: Held) -> dict[str, Any]:
    """Those of a link, by the version of the key."""
    held.sent[held.signing] = held.link.sent
    found: dict[str, Any] = {
        str(version): {"highest": window.highest, "taken": window.taken, "sent": held.sent[version]}
        for version, window in held.windows.items()
    }
    # So that several workers answer together no more than one would. A new key begins anew in this as well.
    found[str(held.signing)]["stale_answered"] = held.link.stale_answered
    return found


_session = attrgetter(*_LINK)


def another_record(held: Held) -> dict[str, Any] | None:
    """What has to be kept of the session from now on; None where that is what is kept."""
    session = _session(held.link)
    if session == held.record:
        return None
    held.record = session
    return dict(zip(_LINK, session, strict=True))


def columns(order: Order) -> tuple:
    """What can change in an order's row."""
    return order.state, order.error, order.result, order.boot_count, order.attempts, order.due


def order_of(row: Any, now: int) -> Order:
    """An order from its row in `commands`.

    It is never due later than it can be: a time beyond that was written by a clock that was ahead.
    """
    body = dict(row.params)
    body["action"] = row.action
    if row.dry_run:
        body["dry_run"] = True
    text = jsontext.dumps(body).encode()
    order = Order(row.id, row.number, row.action, text, row.expires_at)
    order.state, order.error, order.result = row.state, row.error, row.result
    order.boot_count, order.attempts, order.due = row.boot_count, row.attempts, row.due_at
    if order.due > now + (RETRY << min(max(order.attempts - 1, 0), 5)):
        order.due = now
    return order


def due(held: Held, now: int) -> int | None:
    """When this link has to be looked at again though nothing arrives, in ms since 1970; None: never."""
    link = held.link
    times = [order.expires_at for order in link.orders]
    if held.expires is not None:
        times.append(held.expires)
    if link.session:
        # Of the ones that may leave; the others wait for these.
        ahead = link.orders[0].number + link.results_kept if link.orders else 0
        held = link.holds(now)
        for order in link.orders:
            # What is held goes with the device's next word.
            leaves = not held if order.state == "queued" else order.boot_count == link.boot_count
            if order.number < ahead and leaves:
                # Not at once: what could not leave in this turn waits for the broker.
                times.append(max(order.due, now + 200))
    return min(times, default=None)
