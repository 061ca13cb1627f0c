"""Failed authentications: an address has so many in a minute, and then credentials that it cannot prove.

They are counted as every limit is, for all workers together. That an address has had too many, each worker
then knows by itself until the minute is over: it counts no more of them, and looks up nothing for them. Must
never refuse a credential that is good because of what others sent from the same address, where finding out
that it is good costs no more than a look into this process.
"""

import threading
import time

from host_sim.cloud import logs
from host_sim.cloud.errors import ApiError
from host_sim.cloud.gate.limits import MINUTE, Limits, Taken
from host_sim.cloud.settings import Settings

KEYS = 20000  # that are known to have been good; then the oldest is forgotten
ADDRESSES = 20000  # that are over their bound; then those whose minute is over go first


class Failures:
    """`waits`: whether `count` asks another process, so that no event loop should call it."""

    def __init__(self, limits: Limits, settings: Settings) -> None:
        self._limits = limits
        self._settings = settings
        self._lock = threading.Lock()
        self._over: dict[str, float] = {}  # by address, until when
        self._good: dict[bytes, None] = {}  # the oldest first

    @property
    def waits(self) -> bool:
        return self._limits.waits

    def over(self, address: str) -> ApiError | None:
        """What this address is answered unless its credential is good; None while it is below its bound."""
        until = self._over.get(address)
        if until is None:
            return None
        left, most = until - time.time(), self._settings.failed_auth_per_minute
        if left <= 0 or not most:
            with self._lock:
                self._over.pop(address, None)
            return None
        return _refusal(Taken(False, most, 0, max(1, int(left + 0.999))))

    def count(self, address: str) -> ApiError | None:
        """One more failure of this address: the 429 that it is answered where that was too many."""
        most = self._settings.failed_auth_per_minute
        if not most:
            return None
        refusal = self.over(address)
        if refusal is not None:
            return refusal
        taken = self._limits.take(f"failed-auth:{address}", most, MINUTE)
        if taken.left:
            return None
        # The next one need not be counted to know that it is one too many.
        self._stop(address, taken.reset_s)
        return None if taken.allowed else _refusal(taken)

    def _stop(self, address: str, seconds: int) -> None:
        now = time.time()
        with self._lock:
            if len(self._over) >= ADDRESSES:
                self._over = {one: end for one, end in self._over.items() if end > now}
            if len(self._over) >= ADDRESSES:
                return  # it is counted each time
            self._over[address] = now + seconds
        logs.audit("authentication_limited", risk=True, address=address)

    def known(self, key: bytes) -> bool:
        """Whether this key (its digest) was good when it was last looked up here."""
        return key in self._good

    def found(self, key: bytes, good: bool) -> None:
        """It was looked up."""
        with self._lock:
            self._good.pop(key, None)
            if good:
                if len(self._good) >= KEYS:
                    del self._good[next(iter(self._good))]
                self._good[key] = None


def _refusal(taken: Taken) -> ApiError:
    return ApiError(
        429,
        "RATE_LIMIT_EXCEEDED",
        "too many requests of this address had no valid token or key",
        f"sign in, or try again in {taken.reset_s} s",
        taken.headers(),
    )
