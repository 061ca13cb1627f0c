"""Who has not said who he is yet, and how fast a client may go on.

It knows opaque connections, addresses and milliseconds. It must never close or serve anybody: it
answers, and the core acts.
"""

from collections.abc import Hashable

FEW = 1000  # clients that left, of whom it is not worth to look who may be forgotten


class HalfOpen:
    """Connections whose CONNECT has not been accepted, oldest first, all together and by address.

    Where there are too many the oldest makes room, not the newest: whoever means it says CONNECT within
    a round trip, and so gets in however many others only hold a place.
    """

    def __init__(self, limit: int, limit_per_address: int) -> None:
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._all: dict[Hashable, str] = {}  # connection -> address
        self._by_address: dict[str, dict[Hashable, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Hashable, address: str) -> Hashable | None:
        """Who has to go for it, if anybody: the oldest of its address before the oldest of all. It is
        `remove`d by who closes it. An empty address is an unknown one, and counts among all only.
        """
        neighbours = self._by_address.setdefault(address, {}) if address else {}
        self._all[connection] = address
        neighbours[connection] = None
        if len(neighbours) > self._limit_per_address:
            return next(iter(neighbours))
        if len(self._all) > self._limit:
            return next(iter(self._all))
        return None

    def remove(self, connection: Hashable) -> None:
        """It has been accepted or is gone. No harm if it was not there."""
        address = self._all.pop(connection, "")
        if address:
            neighbours = self._by_address[address]
            del neighbours[connection]
            if not neighbours:
                del self._by_address[address]


class Rate:
    """At most `burst` at once and `per_second` on average: the generic cell rate algorithm, in whole µs."""

    __slots__ = ("_interval", "_slack", "_theoretical")

    def __init__(self, per_second: int, burst: int) -> None:
        self._interval = 1_000_000 // per_second or 1
        self._slack = (burst - 1) * self._interval
        self._theoretical: int | None = None  # when a client that keeps exactly to the rate would be here

    def full(self, now: int) -> bool:
        """Whether it is as a new one: the whole burst may come."""
        return self._theoretical is None or self._theoretical <= now * 1000

    def room(self, now: int) -> int:
        """How many may be spent together: one at least, and with the last of them there is a wait."""
        at = now * 1000
        reached = at if self._theoretical is None else max(self._theoretical, at)
        return max(0, at + self._slack - reached) // self._interval + 1

    def spend(self, now: int, count: int = 1) -> int:
        """Count so many; the ms to wait before the next one, 0 for none."""
        at = now * 1000
        reached = at if self._theoretical is None else max(self._theoretical, at)
        self._theoretical = reached + count * self._interval
        ahead = self._theoretical - self._slack - at
        return 0 if ahead <= 0 else -(-ahead // 1000)


class Rates:
    """A Rate for each client, however often it comes back: what it spent before it left counts on.

    What is kept of those who left is forgotten once their whole burst may come again, so there are never
    more than left within that time.
    """

    def __init__(self, per_second: int, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left: dict[str, Rate] = {}
        self._most = FEW

    def __len__(self) -> int:
        return len(self._left)

    def enter(self, client_id: str) -> Rate:
        """The rate of a client whose CONNECT is accepted."""
        return self._left.pop(client_id, None) or Rate(self._per_second, self._burst)

    def leave(self, client_id: str, rate: Rate, now: int) -> None:
        """Its connection has ended."""
        self._left[client_id] = rate
        if len(self._left) > self._most:
            self._left = {name: one for name, one in self._left.items() if not one.full(now)}
            self._most = max(FEW, 2 * len(self._left))
