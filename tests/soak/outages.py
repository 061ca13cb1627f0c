"""What goes wrong during a long run, one after the other, each for a stated time.

The firmware's time limits are 15 s for an answer to a PUBLISH and 60 s of keepalive, so that a broker drops a
silent device after 90 s; the lengths here lie on both sides of each.
"""

from collections.abc import Callable
from dataclasses import dataclass

from host_sim.soak.house import House


@dataclass(frozen=True)
class Outage:
    """`begin` and `end` are called `seconds` apart, while commands go on being ordered."""

    name: str
    seconds: float
    begin: Callable[[House], None]
    end: Callable[[House], None]


def _nothing(house: House) -> None:
    pass


def wifi(seconds: float) -> Outage:
    """The access point is away: nothing passes, no connection is closed, and the board knows."""
    return Outage(
        "Wi-Fi lost", seconds, lambda house: house.board.wifi(False), lambda house: house.board.wifi(True)
    )


def restart(seconds: float) -> Outage:
    """The broker ends, connections are refused for a while, and a new one knows nothing of the old."""
    return Outage(
        "broker down", seconds, lambda house: house.broker.stop(), lambda house: house.broker.start()
    )


def silence(seconds: float) -> Outage:
    """Packets vanish: the broker's process stands still, and neither end is told."""
    return Outage("silence", seconds, lambda house: house.broker.pause(), lambda house: house.broker.resume())


def reset() -> Outage:
    """A router starts anew: the board's connections are reset."""
    return Outage("connections reset", 0, lambda house: house.board.reset_connections(), _nothing)


# The back-off doubles with each and begins anew after a session of a minute, which lies between the two
# halves: otherwise most of the run would be waiting.
SHORT = (reset(), wifi(0.5), restart(0), silence(1), wifi(3), silence(6), restart(2))
LONG = (
    wifi(12),
    silence(18),  # above the time for a PUBACK
    restart(0),
    wifi(95),  # above the keepalive, and what a broker grants beyond it
    restart(20),
)
