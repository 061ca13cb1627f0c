"""What the kit's cloud and the kit's device share: an inbox, waiting for what comes, and whose turn it is.

It must never decide whether a message is right: `_take` of who inherits does. Times are ms.
"""

import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from host_sim.conformance.case import Failed, KitError

ANSWER = 10000  # within this a peer answers what has to be answered
SLICE = 200  # a case that is over ends within that


class Heard(NamedTuple):
    """A message of the peer on `channel`, at the QoS at which it was published; `at` is ms since 1970."""

    channel: str
    payload: bytes
    qos: int
    retain: bool
    at: int


class NoMemory:
    """For a Verifier that is to judge everything but order, which who listens judges itself."""

    def nonce_seen(self, nonce: bytes) -> bool:
        return False

    def sequence_ok(self, sequence: int) -> bool:
        return True


class Message(Protocol):
    """What `_take` makes of it."""

    @property
    def type(self) -> str: ...


Said = TypeVar("Said", bound=Message)


class Listener(Generic[Said]):
    """`line` has `now()` and `receive(until)`, which gives a Heard or None."""

    line: Any
    _owner: int | None = None  # the thread whose case this is

    def _begin_listening(self) -> None:
        self._inbox: list[Said] = []

    def _take(self, heard: Heard) -> Said | None:
        """Judge a message and put it into the inbox; None for one that does not count. Raises Failed."""
        raise NotImplementedError

    # -- whose turn it is -----------------------------------------------------------------------

    def lend(self) -> None:
        """To the thread that speaks or listens next, with an empty inbox."""
        self._owner = None
        self.forget()

    def take_back(self) -> None:
        """From a case that took too long: its thread ends with an error when it next wants something."""
        self._owner = 0

    def _check_turn(self) -> None:
        me = threading.get_ident()
        if self._owner is None:
            self._owner = me
        elif self._owner != me:
            raise KitError("this case is over")

    # -- what comes -----------------------------------------------------------------------------

    def hear(self, until: int) -> Said | None:
        """Take the next message that counts; None if none came by `until` of the line's clock."""
        while True:
            self._check_turn()
            heard = self.line.receive(min(until, self.line.now() + SLICE))
            said = None if heard is None else self._take(heard)
            if said is not None:
                return said
            if heard is None and self.line.now() >= until:
                return None

    def wait(self, ms: int) -> None:
        """Let time pass, and hear what comes in it."""
        until = self.line.now() + ms
        while self.hear(until):
            pass

    def find(self, what: Callable[[Said], bool], within: int = ANSWER) -> Said | None:
        """Take the first message for which `what` holds out of the inbox, waiting for it, or None."""
        until = self.line.now() + within
        while True:
            for said in self._inbox:
                if what(said):
                    self._inbox.remove(said)
                    return said
            if self.hear(until) is None and not any(what(said) for said in self._inbox):
                return None

    def expect(self, kind: str, within: int = ANSWER) -> Said:
        """The next message of that type."""
        said = self.find(lambda said: said.type == kind, within)
        if said is None:
            raise Failed(f"a message of type {kind} within {within / 1000:g} s", self.heard())
        return said

    def heard(self) -> str:
        """What lies in the inbox, for people: the newest."""
        return ", ".join(map(str, self._inbox[-4:])) or "nothing"

    def inbox(self, kind: str) -> list[Said]:
        """What came of that type and was not expected yet."""
        return [said for said in self._inbox if said.type == kind]

    def forget(self) -> None:
        """Empty the inbox."""
        self._inbox.clear()
