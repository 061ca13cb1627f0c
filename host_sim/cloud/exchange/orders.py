"""What the gate hands to the exchange: a command, and what whoever ordered it is told.

Must never let one command become two: its id is given once, before anybody tries to store it.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A command that the gate let through. `future` gets its message id once it is durable, or the reason.

    `chosen`: the id was chosen by who asked, who may ask again. Any other is known to nobody else, and can be
    stored already only where a transaction was committed and its answer was lost.
    """

    tenant_id: str
    device_id: str
    action: str
    params: Mapping[str, Any]
    life: int
    actor: str
    dry_run: bool
    message_id: str
    chosen: bool
    future: "Future[str]"


class IdUsed(Exception):
    """The message id that was chosen belongs to another command."""


class Unavailable(Exception):
    """The order could not be stored, and nothing has left; it may be tried again."""
