"""How often something may happen: counted in windows, in this process, in Redis, or in the database.

Must never let a request through because the counter cannot be reached: then it counts in this process.
"""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Protocol

import redis
from sqlalchemy.dialects import postgresql, sqlite

from host_sim.cloud.seldom import Seldom
from host_sim.cloud.shared_redis import connect
from host_sim.cloud.storage.database import FAILURES, Database, reason_of
from host_sim.cloud.storage.locks import forget
from host_sim.cloud.storage.patience import patience
from host_sim.cloud.storage.tables import counts

log = logging.getLogger(__name__)

MINUTE = 60  # seconds
HOUR = 3600
AWAY_S = 2  # for which a counter that failed is not asked


@dataclass(frozen=True, slots=True)
class Taken:
    """`most` in a window, `left` of them, and the seconds until the window ends."""

    allowed: bool
    most: int
    left: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """RateLimit-* as in the IETF's draft, and Retry-After for one that was refused."""
        found = {
            "RateLimit-Limit": str(self.most),
            "RateLimit-Remaining": str(self.left),
            "RateLimit-Reset": str(self.reset_s),
        }
        if not self.allowed:
            found["Retry-After"] = str(self.reset_s)
        return found


class Counter(Protocol):
    """Counts `name` in the window that began `window` windows after 1970."""

    def add(self, name: str, window: int, length_s: int) -> int:
        """The count, this one among them."""


class ProcessCounter:
    """For a cloud of one process. Windows that are over are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int, int], int] = {}
        self._swept = 0.0

    def add(self, name: str, window: int, length_s: int) -> int:
        with self._lock:
            if time.monotonic() - self._swept > MINUTE:
                self._swept = time.monotonic()
                now = time.time()
                self._counts = {
                    key: count for key, count in self._counts.items() if (key[1] + 1) * key[2] > now
                }
            key = (name, window, length_s)
            self._counts[key] = self._counts.get(key, 0) + 1
            return self._counts[key]


class RedisCounter:
    """For several workers. `url`: redis[s]://HOST; `ca`: see `shared_redis.connect`."""

    def __init__(self, url: str, ca: str = "") -> None:
        self._redis = connect(url, ca, limit_s=1)

    def add(self, name: str, window: int, length_s: int) -> int:
        with self._redis.pipeline() as pipe:
            pipe.incr(f"hxtp:count:{name}:{window}")
            pipe.expire(f"hxtp:count:{name}:{window}", 2 * length_s)
            return int(pipe.execute()[0])


class DatabaseCounter:
    """For several workers without Redis."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._swept = 0.0

    @patience()  # whoever connects by WebSocket is counted too
    def add(self, name: str, window: int, length_s: int) -> int:
        with self._database.writing(quiet=True) as connection:
            if time.monotonic() - self._swept > HOUR:
                self._swept = time.monotonic()
                forget(connection, counts, counts.c.ends_at < time.time())
            insert = (sqlite if self._database.is_sqlite else postgresql).insert(counts)
            return connection.execute(
                insert.values(name=name, window=window, count=1, ends_at=int((window + 1) * length_s))
                .on_conflict_do_update(index_elements=["name", "window"], set_={"count": counts.c.count + 1})
                .returning(counts.c.count)
            ).scalar_one()


class Limits:
    """`take` counts one, and says whether it was one too many. `waits`: for another process, that is."""

    def __init__(self, counter: Counter) -> None:
        self.waits = not isinstance(counter, ProcessCounter)
        self._counter = counter
        self._own = ProcessCounter()
        self._again = 0.0  # when the counter is asked again
        self._seldom = Seldom(MINUTE)

    def take(self, name: str, most: int, length_s: int = MINUTE) -> Taken:
        """One more of `name`, of which there may be `most` in `length_s` seconds."""
        now = time.time()
        window = int(now // length_s)
        count = None
        if time.monotonic() >= self._again:
            try:
                count = self._counter.add(name, window, length_s)
            except (redis.RedisError, *FAILURES) as error:
                if self._seldom.now(reason_of(error)):
                    log.warning("limits are counted by this worker alone: %s", reason_of(error))
                # Or every request would wait for one that does not answer.
                self._again = time.monotonic() + AWAY_S
        if count is None:
            count = self._own.add(name, window, length_s)
        reset_s = max(1, int((window + 1) * length_s - now + 0.999))
        return Taken(count <= most, most, max(0, most - count), reset_s)
