"""Outgoing sequence numbers that survive power loss: reserved ahead in flash, never used twice."""

FIRST_CHUNK = 1024
MAX_CHUNK = 65536


class Counter:
    """Gives rising numbers; `reserve(limit)` must store `limit` durably before it returns.

    After a reset the numbers go on from the stored limit, so what was reserved and not
    used is lost, never repeated. Chunks double: under one write per 1,000 numbers.
    """

    def __init__(self, last, reserve, limit=None):
        """`last`: the highest number that may have been used, which is the limit stored before this boot.

        `limit`: what this boot has stored already, so that one write covers the boot count as well.
        """
        self.last = last
        self._limit = last if limit is None else limit
        self._chunk = FIRST_CHUNK
        self._reserve = reserve

    def next(self):
        """The next number. What `reserve` raises goes through, and then no number was taken."""
        if self.last >= self._limit:
            limit = self.last + self._chunk
            self._reserve(limit)
            self._limit = limit
            self._chunk = min(self._chunk * 2, MAX_CHUNK)
        self.last += 1
        return self.last

    def raise_to(self, last):
        """Go on above `last`, if that is higher: the peer has seen it."""
        self.last = max(self.last, last)
