"""How many connections there are, in all and of one address, and what was refused before it was a request.

On the event loop only, but for reading the counts. Must never keep anything of an address that has left.
"""

import contextlib
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import Callable

log = logging.getLogger(__name__)

TELL_S = 60.0  # between two lines of the log about connections that were refused


class Seats:
    """`most` connections in all and `each` of one address; 0: any number. The counters are for `/metrics`."""

    def __init__(self, most: int = 0, each: int = 0) -> None:
        self.most = most
        self.each = each
        self.open = 0
        self.turned_away: Counter[str] = Counter()  # connections, by which bound it was: all, address
        self.refused: Counter[str] = Counter()  # what was no request, or too much of one, by code
        self._by_address: Counter[str] = Counter()
        self._told = -TELL_S

    def enter(self, host: str) -> Callable[[], None] | None:
        """One more connection from there: what to call when it has ended, or None where it may not be."""
        address = counted_as(host)
        full = self.most and self.open >= self.most
        if full or (self.each and self._by_address[address] >= self.each):
            self._turn_away("all" if full else "address", address)
            return None
        self.open += 1
        self._by_address[address] += 1
        left = False

        def leave() -> None:
            nonlocal left
            if not left:
                left = True
                self.open -= 1
                self._by_address[address] -= 1
                self._forget(address)

        return leave

    def _turn_away(self, bound: str, address: str) -> None:
        self.turned_away[bound] += 1
        self._forget(address)
        now = time.monotonic()
        if now - self._told >= TELL_S:
            self._told = now
            setting, most = (
                ("connections", self.most) if bound == "all" else ("connections_per_address", self.each)
            )
            log.warning("a connection from %s was refused: %s is %d", address, setting, most)

    def _forget(self, address: str) -> None:
        with contextlib.suppress(KeyError):  # asking a Counter alone adds nothing
            if not self._by_address[address]:
                del self._by_address[address]


def counted_as(host: str) -> str:
    """What an address counts as: itself, or of IPv6 the /64 that one subscriber has."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
