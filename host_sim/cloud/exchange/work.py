"""What goes into a turn of the exchange and what comes out of it."""

from collections import Counter
from dataclasses import dataclass, field

from host_sim.cloud.exchange.inbox import Arrivals
from host_sim.cloud.links.orders import Acceptance, NewOrder
from host_sim.cloud.notices import Notice


@dataclass(frozen=True, slots=True)
class Look:
    """Look at a link: its time has come, or its rows were changed elsewhere."""

    tenant_id: str
    device_id: str


@dataclass(frozen=True, slots=True)
class News:
    """What was committed elsewhere and is to be told with the rest."""

    notice: Notice

    @property
    def tenant_id(self) -> str:
        return self.notice.tenant_id

    @property
    def device_id(self) -> str:
        return self.notice.device_id


Work = Arrivals | NewOrder | Look | News


@dataclass(slots=True)
class Outcome:
    """What a turn gives: to be published, to be told, to be answered; all of it only after the commit.

    `taken`: how many authentic messages there were, by kind. `redeclared`: what a device can do is something
    else now.
    """

    messages: list[tuple[str, bytes]] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    notices: list[Notice] = field(default_factory=list)
    answers: list[tuple[Acceptance, str | Exception]] = field(default_factory=list)
    redeclared: bool = False

    def answer(self) -> None:
        """Tell those who ordered."""
        for future, result in self.answers:
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
