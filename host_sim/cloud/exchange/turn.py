"""One turn: messages and orders of many devices in one transaction, then what may leave and be told.

Without I/O but for the database's connection that it is given. Must never let anything leave that the
transaction did not commit: what it gives is to be used only after that.
"""

import logging
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from host_sim.cloud.exchange.inbox import Arrivals
from host_sim.cloud.exchange.listeners import always
from host_sim.cloud.exchange.page import SHUT_MS, Page, Refusal
from host_sim.cloud.exchange.work import News, Outcome, Work
from host_sim.cloud.links import keyring, ledger
from host_sim.cloud.links.orders import NewOrder, Unavailable
from host_sim.cloud.links.records import Held, proves
from host_sim.cloud.notices import Notice
from host_sim.cloud.security.vault import Vault
from hxtp import topics
from hxtp.errors import DEVICE_NOT_FOUND, INTERNAL_ERROR, HxtpError

log = logging.getLogger(__name__)


class Turn:
    """Runs turns over a cache of links. One thread at a time."""

    def __init__(
        self,
        vault: Vault,
        see: Callable[[sa.Connection, str | None], None],
        refusal: Refusal,
        heartbeat_s: int,
        states_kept: int,
        wanted: Callable[[str], bool] = always,
    ) -> None:
        """`refusal`: see Exchange. `wanted(tenant_id)`: whether anybody is to be told of a tenant's telemetry
        and heartbeats.
        """
        self.cache: dict[str, Held] = {}
        self._vault = vault
        self._see = see
        self._refusal = refusal
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
        page = Page(tenant_id, now, known, self._states_kept, self._wanted(tenant_id))
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
                page.judge(connection, one, self._refusal, outcome)
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
