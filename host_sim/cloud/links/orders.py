"""What the gate hands to the exchange: a command, and what whoever ordered it is told.

Must never let one command become two: its id is given once, before anybody tries to store it. Nor tell that
nothing was stored where something may be.
"""

from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any, NamedTuple


class Unavailable(Exception):
    """The order could not be stored. `command_id`: of one that may be stored all the same, or may be yet.

    Without it nothing has left and nothing will.
    """

    def __init__(self, text: str, command_id: str | None = None, hint: str = "try again") -> None:
        super().__init__(text)
        self.command_id = command_id
        self.hint = hint


class Acceptance(Future[str]):
    """Gets the command's id once it is durable. Raises what `Exchange.order` says."""

    def __init__(self, message_id: str) -> None:
        super().__init__()
        self.message_id = message_id

    def begin(self) -> bool:
        """Whether it is wanted still, and not decided; from now on nobody can withdraw it. For a turn."""
        return self.running() or (not self.done() and self.set_running_or_notify_cancel())

    def within(self, seconds: float) -> str:
        """The command's id. What was not stored by then is withdrawn, and is told as Unavailable.

        A turn that has it already cannot give it back; then the exception has its id.
        """
        try:
            return self.result(seconds)
        except (TimeoutError, CancelledError):
            if self.cancel():
                raise Unavailable("the command was not stored in time") from None
        try:
            return self.result(0)  # it may have been decided just now
        except TimeoutError:
            raise Unavailable("the command was not stored in time, and may be yet", self.message_id) from None


class Content(NamedTuple):
    """What has to be the same for two orders with one id to be one command. `life`: ms."""

    device_id: str
    action: str
    params: Mapping[str, Any]
    dry_run: bool
    life: int


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A command that the gate let through. `future` gets its message id once it is durable, or the reason.

    `chosen`: the id was chosen by who asked, who may ask again. Any other is known to nobody else, and can be
    stored already only where a transaction was committed and its answer was lost.
    `passed_as`: what somebody said yes to. `manifest`: the hash of the one that it was judged by.
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
    future: Acceptance
    passed_as: str = "normal"
    manifest: str | None = None

    @property
    def content(self) -> Content:
        return Content(self.device_id, self.action, dict(self.params), self.dry_run, self.life)


class IdUsed(Exception):
    """The message id that was chosen belongs to another command."""
