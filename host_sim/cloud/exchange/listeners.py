"""Who is told what was committed.

Must never let one listener's fault reach another, or who tells them.
"""

import logging
from collections.abc import Callable, Sequence

from host_sim.cloud.notices import Notice

log = logging.getLogger(__name__)

Listener = Callable[[Sequence[Notice]], None]


def always(tenant_id: str) -> bool:
    """For who wants the telemetry and heartbeats of every tenant."""
    return True


class Listeners:
    """Each with whether it wants a tenant's telemetry and heartbeats."""

    def __init__(self) -> None:
        self._all: list[tuple[Listener, Callable[[str], bool]]] = []

    def add(self, listener: Listener, quiet: Callable[[str], bool]) -> Callable[[], None]:
        """Returns a function that ends it."""
        entry = listener, quiet
        self._all = [*self._all, entry]

        def end() -> None:
            self._all = [other for other in self._all if other is not entry]

        return end

    def wanted(self, tenant_id: str) -> bool:
        """Whether anybody wants this tenant's telemetry and heartbeats."""
        return any(quiet(tenant_id) for _, quiet in self._all)

    def tell(self, notices: Sequence[Notice]) -> None:
        for listener, _ in self._all:
            try:
                listener(notices)
            except Exception:
                log.exception("a listener failed")


def one_by_one(listener: Callable[[Notice], None]) -> Listener:
    """For who wants to be called for each."""

    def each(notices: Sequence[Notice]) -> None:
        for notice in notices:
            try:
                listener(notice)
            except Exception:
                log.exception("a listener failed")

    return each
