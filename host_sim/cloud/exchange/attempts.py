"""Work that has to be stored: tried again where it failed, and by tenant where one tenant's part spoils it.

Must never let one tenant's fault keep the others' work from being stored, nor leave anybody who ordered
something without an answer.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable

from host_sim.cloud.exchange.failure import Failed
from host_sim.cloud.exchange.work import Work
from host_sim.cloud.links.orders import NewOrder, Unavailable
from host_sim.cloud.seldom import Seldom

log = logging.getLogger(__name__)

TRIES = 5  # of a turn whose transaction failed
APART_S = 30  # for the parts of one that went on failing


class Attempts:
    """`transaction(work, again)` does work as a whole or raises Failed; `again`: some of it may be done
    already. `due()`: what is to be done besides, or Failed.
    """

    def __init__(
        self, transaction: Callable[[list[Work], bool], None], due: Callable[[], list[Work]]
    ) -> None:
        self.unstored = -math.inf  # when the last turn could not be stored; not so since another was
        self._transaction = transaction
        self._due = due
        self._spoilers: set[str] = set()  # tenants whose part of a turn has failed by itself
        self._seldom, self._rarely = Seldom(), Seldom(60)

    def do(self, work: list[Work]) -> None:
        """Do it, or let those know who ordered something that it failed."""
        due: list[Work] = []  # stays with this worker when the transaction fails
        begun = doubt = False  # the latter: some of it may be stored though its transaction failed
        for attempt in range(TRIES):
            try:
                due = due or self._due()
                together, aside = self._parted(work + due)
                if together:
                    self._transaction(together, attempt > 0)
                    self.unstored = -math.inf
            except Failed as failure:
                begun, doubt = failure.begun, doubt or failure.doubt
                if self._seldom.now(str(failure)):
                    log.error("a turn failed (%s), attempt %d", failure, attempt + 1, exc_info=failure.ours)
                if failure.ours or attempt + 1 == TRIES:
                    break
                time.sleep(0.05 * 2**attempt)
            else:
                if aside and not self._apart(aside) and not together:
                    self.unstored = time.monotonic()
                return
        if not begun or not self._apart(work + due, doubt):
            self.unstored = time.monotonic()
        if not begun:
            fail(work, doubt)

    def _parted(self, work: list[Work]) -> tuple[list[Work], list[Work]]:
        """What shares a transaction, and what belongs to tenants that would spoil it."""
        if not self._spoilers:
            return work, []
        aside = [item for item in work if item.tenant_id in self._spoilers]
        return [item for item in work if item.tenant_id not in self._spoilers], aside

    def _apart(self, work: list[Work], doubt: bool = False) -> bool:
        """Try each tenant's part by itself, once, so that nobody goes without for another's sake.

        Those that fail are not put together with others until they succeed. Whether the database did any of
        it, or refused what it was given.
        """
        fine = False
        parts: dict[str, list[Work]] = {}
        for item in work:
            parts.setdefault(item.tenant_id, []).append(item)
        end = time.monotonic() + APART_S
        for tenant_id, part in parts.items():
            if time.monotonic() > end:
                fail(part, doubt)
                continue
            try:
                self._transaction(part, True)
            except Failed as failure:
                if self._rarely.now(f"{tenant_id} {failure}") or tenant_id not in self._spoilers:
                    log.error("the turn of tenant %s failed (%s)", tenant_id, failure, exc_info=failure.ours)
                    self._spoilers.add(tenant_id)
                fail(part, doubt or failure.doubt)
                fine |= not failure.away
            else:
                self._spoilers.discard(tenant_id)
                self.unstored = -math.inf
                fine = True
        return fine


def fail(work: Iterable[Work], doubt: bool) -> None:
    """Tell those who ordered something. `doubt`: whether some of it may be stored all the same."""
    for item in work:
        if isinstance(item, NewOrder) and item.future.begin():
            command_id = item.message_id if doubt else None
            text = "the command could not be stored"
            if doubt:
                text = "the database failed, and perhaps the command is stored"
            item.future.set_exception(Unavailable(text, command_id))
