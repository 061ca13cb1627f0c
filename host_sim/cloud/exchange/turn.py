"""One turn: messages and orders of many devices in one transaction, then what may leave and be told.

Without I/O but for the database's connection that it is given. Must never let anything leave that the
transaction did not commit: what it gives is to be used only after that.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue import manifests, samples
from host_sim.cloud.exchange import keyring, ledger, recheck, reports
from host_sim.cloud.exchange.inbox import Arrivals
from host_sim.cloud.exchange.notices import Notice
from host_sim.cloud.exchange.orders import Acceptance, Content, IdUsed, NewOrder, Unavailable
from host_sim.cloud.exchange.records import NONE, Held, columns, proves
from host_sim.cloud.security.vault import Vault
from hxtp import topics
from hxtp.cloud import QUEUED, Event, Link, Order
from hxtp.errors import DEVICE_NOT_FOUND, INTERNAL_ERROR, HxtpError
from hxtp.registry import DRY_RUN

log = logging.getLogger(__name__)

SHUT_MS = 60000  # after which a device whose secret could not be opened is tried again, if it is silent


@dataclass(frozen=True, slots=True)
class Look:
    """Look at a link: its time has come, or its rows were changed elsewhere."""

    tenant_id: str
    device_id: str


@dataclass(frozen=True, slots=True)
class News:
    """What was committed elsewhere and is to be told with the rest."""

    notice: Notice

    @property
    def tenant_id(self) -> str:
        return self.notice.tenant_id

    @property
    def device_id(self) -> str:
        return self.notice.device_id


Work = Arrivals | NewOrder | Look | News


@dataclass(slots=True)
class Outcome:
    """What a turn gives: to be published, to be told, to be answered; all of it only after the commit.

    `taken`: how many authentic messages there were, by kind. `redeclared`: what a device can do is something
    else now.
    """

    messages: list[tuple[str, bytes]] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    notices: list[Notice] = field(default_factory=list)
    answers: list[tuple[Acceptance, str | Exception]] = field(default_factory=list)
    redeclared: bool = False

    def answer(self) -> None:
        """Tell those who ordered."""
        for future, result in self.answers:
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


class Turn:
    """Runs turns over a cache of links. One thread at a time."""

    def __init__(
        self,
        vault: Vault,
        see: Callable[[sa.Connection, str | None], None],
        heartbeat_s: int,
        states_kept: int,
        wanted: Callable[[str], bool] = lambda tenant_id: True,
    ) -> None:
        """`wanted(tenant_id)`: whether anybody is to be told of a tenant's telemetry and heartbeats."""
        self.cache: dict[str, Held] = {}
        self._vault = vault
        self._see = see
        self._heartbeat_s = heartbeat_s
        self._states_kept = states_kept
        self._wanted = wanted
        self._shut: set[str] = set()  # devices that the operator knows of
        self._note_at = 0

    def run(
        self, connection: sa.Connection, work: list[Work], now: int, connected: bool, again: bool = False
    ) -> Outcome:
        """Do all of `work`. `connected`: whether messages can be published now. `now`: ms since 1970.

        `again`: it was tried before, and may have been committed without anybody learning of it. Then orders
        that are there are not added once more; messages are refused as replays, and what they led to is not
        published and not told. Nothing is lost by that: a device asks again for a hello_ack or manifest
        that does not come, dispatched commands are signed anew when they are due, and how a command ended
        is in the database.
        """
        outcome = Outcome()
        tenants: dict[str, dict[str, list[Work]]] = {}
        whose: tuple[str, str] | None = None
        items: list[Work] = []
        for item in work:
            if whose is None or item.device_id != whose[1] or item.tenant_id != whose[0]:
                whose = item.tenant_id, item.device_id
                items = tenants.setdefault(item.tenant_id, {}).setdefault(item.device_id, [])
            items.append(item)
        # In one order everywhere, so that no two workers wait for each other.
        for tenant_id in sorted(tenants):
            self._see(connection, tenant_id)
            self._tenant(connection, tenant_id, tenants[tenant_id], now, connected, again, outcome)
        return outcome

    def forget(self, work: list[Work]) -> None:
        """The transaction failed: what is remembered of these devices may be wrong."""
        for item in work:
            self.cache.pop(item.device_id, None)

    def _tenant(
        self,
        connection: sa.Connection,
        tenant_id: str,
        work: Mapping[str, list[Work]],
        now: int,
        connected: bool,
        again: bool,
        outcome: Outcome,
    ) -> None:
        shut: set[str] = set()
        held = ledger.hold(connection, self._vault, tenant_id, work, self.cache, now, shut)
        proven = [name for name, one in held.items() if _proven(one, work[name], now)]
        if proven:
            # Before anything is judged or signed: the answer to a proof comes under the key that was proven.
            keyring.promote(connection, tenant_id, proven, now)
            held = ledger.hold(connection, self._vault, tenant_id, work, self.cache, now, shut)
        if shut or self._shut:
            self._note(tenant_id, shut, held, now)
        perhaps = [
            item.message_id
            for items in work.values()
            for item in items
            if isinstance(item, NewOrder) and (again or item.chosen)
        ]
        known = ledger.known_orders(connection, tenant_id, perhaps)
        page = _Page(tenant_id, now, known, self._states_kept, self._wanted(tenant_id))
        for device_id in sorted(work):
            one = held.get(device_id)
            if one is not None:
                one.link.heartbeat_interval = self._heartbeat_s
            for item in work[device_id]:
                if isinstance(item, NewOrder) and not item.future.begin():
                    continue  # whoever asked was told that it is not done
                if isinstance(item, NewOrder) and page.has(item, outcome):
                    continue
                if isinstance(item, News):
                    outcome.notices.append(item.notice)
                elif device_id in shut:
                    _closed(item, now, outcome)
                elif one is None:
                    _unknown(item, now, outcome)
                elif isinstance(item, Arrivals):
                    page.receive(one, item.messages, outcome)
                elif isinstance(item, NewOrder):
                    page.order(one, item, outcome)
                elif one.planned is not None and now < one.planned:
                    one.planned = -1  # somebody else planned this look
            if one is not None:
                page.settle(one, one.link.tick(now), outcome)
                page.judge(connection, one, outcome)
                while connected and (message := one.link.take(now)) is not None:
                    name = topics.topic(tenant_id, device_id, message[0])
                    outcome.messages.append((name, message[1]))
                    one.changed = True
        page.write(connection, work, held, shut)

    def _note(self, tenant_id: str, shut: set[str], held: Mapping[str, Held], now: int) -> None:
        """Tell the operator of devices that cannot be served: each once, and all at most once a minute."""
        self._shut.difference_update(held)
        new = shut - self._shut
        if new and now >= self._note_at:
            log.error(
                "the secrets of %d devices cannot be opened (device %s of tenant %s is one), so these are not"
                " served: they were sealed with a master key that is not given, or have been changed",
                len(new),
                min(new),
                tenant_id,
            )
            self._note_at = now + SHUT_MS
            self._shut |= new


class _Page:
    """What one tenant's part of a turn writes."""

    def __init__(
        self, tenant_id: str, now: int, known: dict[str, Content], states_kept: int, all_told: bool
    ) -> None:
        self.tenant_id = tenant_id
        self.all_told = all_told  # telemetry and heartbeats too
        self.states_kept = states_kept
        self.known = known  # by message id
        self.now = now
        self.states: dict[str, Mapping] = {}
        self.samples: list[tuple[str, int, str]] = []
        self.manifests: dict[str, tuple[str, Mapping]] = {}
        self.named: dict[str, Any] = {}  # the hash of a manifest that is another one than before
        self.firmware: dict[str, str] = {}
        self.added: list[tuple[Held, Order, NewOrder]] = []
        self.ended: list[dict] = []

    def receive(self, one: Held, messages: Iterable[tuple[str, bytes]], outcome: Outcome) -> None:
        link, name, now = one.link, one.link.device_id, self.now
        named, away, sampled = link.manifest_hash, link.away, len(self.samples)
        for channel, payload in messages:
            if not payload and channel == "heartbeat":
                self._hint(link, outcome)
                away = True
                continue
            try:
                event = link.receive(channel, payload, now)
            except Exception:
                # A fault of ours, not a refusal. One device's message must not end the others' service.
                log.exception("fault while receiving on %s of %s", channel, name)
                self._tell(outcome, "refused", name, INTERNAL_ERROR)
                continue
            if event is None:
                self._tell(outcome, "refused", name, link.refusal or "")
                continue
            if away:
                self._lost(outcome, name, False)
                away = False
            kind, body = event.type, event.body
            if kind == "telemetry":  # of which there are tens of thousands a second
                at = body.get("sampled_at", now)
                if type(at) is not int or not 0 < at <= now:
                    at = now
                self.samples.append((name, at, samples.text_of(event.raw, body)))
                if self.all_told:
                    self._tell(outcome, kind, name, "", body)
                continue
            outcome.taken[kind] += 1
            if kind == "heartbeat":
                if self.all_told:
                    self._tell(outcome, kind, name, "", body)
                continue
            if link.manifest_hash != named:
                named = link.manifest_hash
                self._renamed(one, outcome)
            self._keep(one, event, outcome)
            self._tell(outcome, kind, name, "", body)
            if event.ended:
                self.settle(one, event.ended, outcome)
        outcome.taken["telemetry"] += len(self.samples) - sampled

    def _hint(self, link: Link, outcome: Outcome) -> None:
        if not link.away:
            self._lost(outcome, link.device_id, True)
        link.hint()
        self._tell(outcome, "will", link.device_id)

    def _renamed(self, one: Held, outcome: Outcome) -> None:
        """The device named another manifest."""
        link = one.link
        self.named[link.device_id] = link.manifest_hash
        if one.manifest is not None and one.manifest == link.manifest_hash:
            link.awaits = False  # somebody gave it over the API
        elif one.manifest is not None:
            one.knows(NONE)
        self.manifests.pop(link.device_id, None)
        outcome.redeclared = True

    def _lost(self, outcome: Outcome, device_id: str, away: bool) -> None:
        outcome.notices.append(Notice("presence", self.tenant_id, device_id, self.now, "", {"away": away}))

    def _keep(self, one: Held, event: Event, outcome: Outcome) -> None:
        name, body = one.link.device_id, event.body
        if event.type == "state":
            self.states[name] = body
        elif event.type == "manifest":
            self.manifests[name] = (one.link.manifest_hash, body)
            one.knows(one.link.manifest_hash)
            outcome.redeclared = True
        elif event.type == "hello" and isinstance(body.get("firmware_version"), str):
            self.firmware[name] = body["firmware_version"]

    def has(self, item: NewOrder, outcome: Outcome) -> bool:
        """Whether the id is that of a command that is stored; then whoever asked is answered."""
        if item.message_id not in self.known:
            return False
        same = self.known[item.message_id] == item.content
        outcome.answers.append((item.future, item.message_id if same else IdUsed()))
        return True

    def order(self, one: Held, item: NewOrder, outcome: Outcome) -> None:
        params = dict(item.params)
        if item.dry_run:
            params[DRY_RUN] = True
        try:
            order = one.link.submit(item.action, params, self.now, item.life)
        except (HxtpError, TypeError, ValueError) as error:
            outcome.answers.append((item.future, error))
            return
        order.message_id = item.message_id
        self.known[item.message_id] = item.content
        one.passed_as[item.message_id] = item.passed_as
        if item.manifest is not None and item.manifest == one.manifest:
            one.judged.add(item.message_id)
        one.changed = True
        self.added.append((one, order, item))
        outcome.answers.append((item.future, order.message_id))

    def judge(self, connection: sa.Connection, one: Held, outcome: Outcome) -> None:
        """End those that would leave now and must not, because the device can do something else by now."""
        link = one.link
        if not link.orders or not link.session or one.manifest in (None, NONE) or link.holds(self.now):
            return
        doubtful = [
            order for order in link.orders if order.state == QUEUED and order.message_id not in one.judged
        ]
        if not doubtful:
            return
        name = link.device_id
        told = self.manifests.get(name)
        manifest = ledger.manifest_of(connection, self.tenant_id, name) if told is None else told[1]
        for order in doubtful:
            code = recheck.refusal(name, order, one.passed_as.get(order.message_id, "normal"), manifest)
            if code is None:
                one.judged.add(order.message_id)
            else:
                link.withdraw(order, code)
                self.settle(one, [order], outcome)

    def settle(self, one: Held, orders: list[Order], outcome: Outcome) -> None:
        for order in orders:
            one.changed = True
            one.stored.pop(order.message_id, None)
            one.passed_as.pop(order.message_id, None)
            one.judged.discard(order.message_id)
            self.ended.append(ledger.settled_row(order, self.now))
            body = {
                "id": order.message_id,
                "action": order.action,
                "state": order.state,
                "error": order.error,
                "result": order.result,
            }
            self._tell(outcome, "command", one.link.device_id, "", body)

    def write(
        self, connection: sa.Connection, looked: Iterable[str], held: Mapping[str, Held], shut: set[str]
    ) -> None:
        # As they are after all that this turn did: most are sent at once, and need no update then.
        rows = [ledger.added_row(self.tenant_id, order, item, self.now) for _, order, item in self.added]
        ledger.add_orders(connection, rows)
        for one, order, _ in self.added:
            if not order.settled():
                one.stored[order.message_id] = columns(order)
        ledger.save_orders(connection, self.tenant_id, self.ended)
        later, never = ledger.plan(
            self.tenant_id, [name for name in looked if name not in shut], held, self.now
        )
        again = self.now + SHUT_MS
        later += [{"device_id": name, "tenant_id": self.tenant_id, "due_at": again} for name in sorted(shut)]
        changed = [one for one in held.values() if one.changed]
        ledger.save_links(connection, changed)
        for one in changed:
            one.changed = False
        ledger.save_plan(connection, self.tenant_id, later, never)
        for name, named in self.named.items():
            manifests.forget(connection, self.tenant_id, name, named)
        for name, (hash, body) in self.manifests.items():
            reports.save_manifest(connection, self.tenant_id, name, hash, body, self.now)
        reports.save_firmware(connection, self.tenant_id, self.firmware)
        reports.save_states(connection, self.tenant_id, self.states, self.now, self.states_kept)
        samples.add(connection, self.tenant_id, self.now, self.samples)

    def _tell(
        self, outcome: Outcome, kind: str, device_id: str, code: str = "", body: Mapping | None = None
    ) -> None:
        outcome.notices.append(Notice(kind, self.tenant_id, device_id, self.now, code, body or {}))


def _proven(one: Held, items: list[Work], now: int) -> bool:
    # Any authentic message under the waiting key (HX3-KEY-13), also one that is late: a device whose clock is
    # wrong learns the time from an answer that it can verify.
    return one.proof is not None and any(
        proves(one, channel, payload, now)
        for item in items
        if isinstance(item, Arrivals)
        for channel, payload in item.messages
    )


def _unknown(item: Work, now: int, outcome: Outcome) -> None:
    if isinstance(item, NewOrder):
        outcome.answers.append((item.future, HxtpError(DEVICE_NOT_FOUND, item.device_id)))
    elif isinstance(item, Arrivals):
        _refuse(item, DEVICE_NOT_FOUND, now, outcome)


def _closed(item: Work, now: int, outcome: Outcome) -> None:
    if isinstance(item, NewOrder):
        text = "this device's secret cannot be opened, so nothing can be signed for it"
        hint = "the cloud's operator has to give the master key that it was sealed with; its log tells more"
        outcome.answers.append((item.future, Unavailable(text, hint=hint)))
    elif isinstance(item, Arrivals):
        _refuse(item, INTERNAL_ERROR, now, outcome)


def _refuse(item: Arrivals, code: str, now: int, outcome: Outcome) -> None:
    for _ in item.messages:
        outcome.notices.append(Notice("refused", item.tenant_id, item.device_id, now, code))
