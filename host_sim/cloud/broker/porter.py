"""Asks the doorman for the embedded broker, whose event loop serves all and must not wait for one login.

A question is put to the database on another thread. Where it is not answered soon, the device is told to come
again (Unable, in MQTT "server unavailable"), as while the database fails; and until it has answered hardly
anybody who comes is kept waiting at all. Must never keep an answer for later: what it says may have changed.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from host_sim.broker.authority import Unable
from host_sim.cloud.broker.doorman import Doorman
from host_sim.cloud.seldom import Seldom
from host_sim.cloud.storage.patience import patience

log = logging.getLogger(__name__)

PATIENCE_S = 0.5  # that everybody waits for one question
AGAIN_S = 2.0  # after one that took longer, for which no other is put
MOST = 4  # questions that may be without an answer; each holds a thread and a connection of the pool


class _Clerk:
    """A thread that answers one question after the other."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        # Nobody waits for it at the end, since it may never come back.
        threading.Thread(target=self._run, name="porter", daemon=True).start()

    def ask(self, question: Callable[[], Any]) -> "Future[Any]":
        answer: Future[Any] = Future()
        self._work.put((answer, question))
        return answer

    def dismiss(self) -> None:
        """It ends after what it is asked."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            self._answer(*work)
            del work  # there is a password in it

    def _answer(self, answer: "Future[Any]", question: Callable[[], Any]) -> None:
        try:
            with patience():
                found = question()
            answer.set_result(found)
        except Exception as error:  # it belongs to whoever asked
            answer.set_exception(error)


class Porter(Mapping[str, str]):
    """What `HxtpAuthority` wants, as `Doorman` is, for one thread that must not wait long. Raises Unable."""

    def __init__(self, doorman: Doorman) -> None:
        self._doorman = doorman
        self._remembered = doorman.remembered
        self._clerk: _Clerk | None = None
        self._late: list[Future[Any]] = []  # questions that have not been answered in time, nor since
        self._again = 0.0  # when another one is put all the same: it may have been for one connection's sake
        self._seldom = Seldom(60)

    def __getitem__(self, device_id: str) -> str:
        known = self._remembered.get(device_id)
        return self._ask(lambda: self._doorman[device_id]) if known is None else known

    def get(self, device_id: str, default: Any = None) -> Any:
        """As of any mapping; in one step where it is known, for it is asked for every message."""
        known = self._remembered.get(device_id)
        return super().get(device_id, default) if known is None else known

    def __iter__(self) -> Iterator[str]:
        return iter(self._doorman)

    def __len__(self) -> int:
        return len(self._doorman)

    def check_password(self, device_id: str, password: str, now_s: int) -> bool:
        """As the doorman's."""
        return self._ask(lambda: self._doorman.check_password(device_id, password, now_s))

    def stop(self) -> None:
        """No more questions come."""
        if self._clerk is not None:
            self._clerk.dismiss()

    def _ask(self, question: Callable[[], Any]) -> Any:
        self._late = [one for one in self._late if not one.done()]
        if self._late and (len(self._late) >= MOST or time.monotonic() < self._again):
            raise Unable("the database does not answer")
        if self._clerk is None:
            self._clerk = _Clerk()
        answer = self._clerk.ask(question)
        try:
            return answer.result(PATIENCE_S)
        except TimeoutError:
            if answer.done():  # just now, or it is the question's own
                return answer.result()
        self._late.append(answer)
        self._again = time.monotonic() + AGAIN_S
        self._clerk.dismiss()
        self._clerk = None  # the next question is another thread's
        if self._seldom.now("late"):
            log.error("devices that connect are told to come again: the database takes over %g s", PATIENCE_S)
        raise Unable("the database does not answer in time")
