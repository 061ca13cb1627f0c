"""How many may do something costly at the same time: a few in this process, and one of a tenant.

Must never let anybody wait for a place: who waits would hold a thread that the others need.
"""

import contextlib
import threading
from collections.abc import Iterator

from host_sim.cloud.errors import ApiError

RETRY_S = 1


class AtOnce:
    """`place` is one of `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    @contextlib.contextmanager
    def place(self, tenant_id: str) -> Iterator[None]:
        """The tenant's while the block runs. Raises ApiError 429 where it has one, or all are taken."""
        with self._lock:
            if tenant_id in self._busy or len(self._busy) >= self._most:
                raise ApiError(
                    429,
                    "RATE_LIMIT_EXCEEDED",
                    "another request of this kind is under way",
                    f"ask one after the other; try again in {RETRY_S} s",
                    {"Retry-After": str(RETRY_S)},
                )
            self._busy.add(tenant_id)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(tenant_id)
