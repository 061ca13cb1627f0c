"""What one tenant's part of a turn does and writes.

Must never write a row of another tenant, nor let one device's message end the others' service.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue import manifests, samples
from host_sim.cloud.exchange.work import Outcome
from host_sim.cloud.links import ledger, reports
from host_sim.cloud.links.orders import Content, IdUsed, NewOrder
from host_sim.cloud.links.records import NONE, Held, columns
from host_sim.cloud.notices import Notice
from hxtp.cloud import QUEUED, Event, Link, Order
from hxtp.errors import INTERNAL_ERROR, HxtpError
from hxtp.registry import DRY_RUN

log = logging.getLogger(__name__)

SHUT_MS = 60000  # after which a device whose secret could not be opened is tried again, if it is silent
# By device, command, what somebody said yes to, and manifest: the code that it has to end with, or None.
Refusal = Callable[[str, Order, str, Mapping[str, Any]], str | None]


class Page:
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
        self.samples: list[samples.Run] = []
        self.manifests: dict[str, tuple[str, Mapping]] = {}
        self.named: dict[str, Any] = {}  # the hash of a manifest that is another one than before
        self.firmware: dict[str, str] = {}
        self.added: list[tuple[Held, Order, NewOrder]] = []
        self.ended: list[dict] = []

    def receive(self, one: Held, messages: Iterable[tuple[str, bytes]], outcome: Outcome) -> None:
        link, name, now = one.link, one.link.device_id, self.now
        named, away = link.manifest_hash, link.away
        times: list[int] = []
        texts: list[str] = []
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
                times.append(at)
                texts.append(samples.text_of(event.raw, body))
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
        if times:
            self.samples.append((name, times, texts))
            outcome.taken["telemetry"] += len(times)

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

    def judge(self, connection: sa.Connection, one: Held, refusal: Refusal, outcome: Outcome) -> None:
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
            code = refusal(name, order, one.passed_as.get(order.message_id, "normal"), manifest)
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
