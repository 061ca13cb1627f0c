"""Orders commands without end, keeps the account of what became of each, and of what the board really ran.

An account never believes the acknowledgements alone: the board tells each run on its console.
"""

import time
from collections import Counter
from collections.abc import Callable

from host_sim.gateway.hub import Ticket
from host_sim.soak.house import House

RAN = "probe: ran "
AT_ONCE = 40  # orders that are open at a time; the device takes eight of them ahead


class Account:
    """`runs`: how often each number ran. `ended`: number → its ticket. `free`: bytes of heap, by each ack."""

    def __init__(self, house: House) -> None:
        self.runs: Counter[int] = Counter()
        self.ended: dict[int, Ticket] = {}
        self.free: list[int] = []
        self.last_ack = time.monotonic()
        self._open: dict[int, Ticket] = {}
        self._number = 0
        self._house = house
        house.board.observe(lambda event: None, self._line)

    def _line(self, line: str) -> None:  # on the board's thread
        if line.startswith(RAN):
            self.runs[int(line[len(RAN) :])] += 1

    @property
    def acknowledged(self) -> int:
        return len(self.free)

    @property
    def open(self) -> int:
        return len(self._open)

    def order(self, life_s: Callable[[int], float]) -> None:
        """Order until AT_ONCE are open. `life_s(number)` is how long each may take."""
        while len(self._open) < AT_ONCE:
            number = self._number = self._number + 1
            self._open[number] = self._house.gateway.command(
                self._house.device, "probe_run", {"n": number}, life_s(number)
            )

    def collect(self) -> None:
        """Take what has ended."""
        for number, ticket in list(self._open.items()):
            if ticket.done():
                del self._open[number]
                self.ended[number] = ticket
                if ticket.executed:
                    self.free.append(ticket.result["result"]["free"])
                    self.last_ack = time.monotonic()

    def states(self) -> Counter:
        """How the ended ones ended: (state, error) → how many."""
        return Counter((ticket.state, ticket.error) for ticket in self.ended.values())

    def lies(self) -> list[str]:
        """Where an outcome does not fit what the board did. Empty, or there is a bug."""
        found = [f"{number} ran {count} times" for number, count in self.runs.items() if count > 1]
        for number, ticket in self.ended.items():
            outcome = (ticket.state, ticket.error)
            if outcome == ("acknowledged", None):
                honest = self.runs[number] == 1
            elif outcome == ("expired", None):  # never left the gateway
                honest = self.runs[number] == 0 and ticket.attempts == 0
            else:  # it may have run, and that is what is said
                honest = outcome == ("expired", "OUTCOME_UNKNOWN")
            if not honest:
                found.append(
                    f"{number} is {outcome} after {ticket.attempts} attempts, ran {self.runs[number]} times"
                )
        return found
