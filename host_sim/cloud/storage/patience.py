"""How long somebody waits for the database, all that he asks of it together: a server that is frozen says
nothing, and no limit of its own holds there.

    with patience():    every request has it: see `app`
        …               from the end on, what waits raises as if the connection were lost

It lies in the context, so that it goes along into the threads of `run_in_threadpool`. On PostgreSQL it bounds
the wait for a place, for a connection and for each answer; on SQLite, which has no server, that for a place.
Must never leave a connection in use on which an answer may still come.
"""

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import psycopg

REQUEST_S = 10.0  # of a request, from when the cloud has all of it: below what clients and proxies wait
# Whoever is late, because it waited for a thread, is served all the same where the database answers at once.
GRACE_S = 0.5

_patience: ContextVar["Patience | None"] = ContextVar("patience", default=None)


class Patience:
    """`begin()` lets it begin anew."""

    __slots__ = ("_end", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.begin()

    def begin(self) -> None:
        self._end = time.monotonic() + self._seconds

    def left(self) -> float:
        """Seconds; 0 where it is over."""
        return max(0.0, self._end - time.monotonic())


@contextlib.contextmanager
def patience(seconds: float | None = None) -> Iterator[Patience]:
    """For what the block, or a function that this decorates, asks of the database; REQUEST_S without
    `seconds`. Within a block that has one already it ends no later than that.
    """
    outer = _patience.get()
    wanted = REQUEST_S if seconds is None else seconds
    mine = Patience(wanted if outer is None else min(wanted, outer.left()))
    token = _patience.set(mine)
    try:
        yield mine
    finally:
        _patience.reset(token)


@contextlib.contextmanager
def nobodys() -> Iterator[None]:
    """The block has none, in whatever context it is run: what comes next over a connection may be read in the
    context of a request that has ended (https://github.com/python/cpython/issues/140947).
    """
    token = _patience.set(None)
    try:
        yield
    finally:
        _patience.reset(token)


def renew() -> None:
    """Somebody waited for something else than the database: his patience with that begins anew."""
    mine = _patience.get()
    if mine is not None:
        mine.begin()


def left(most: float) -> float:
    """Seconds that may be waited now, of `most`."""
    mine = _patience.get()
    return most if mine is None else min(most, mine.left())


class Connection(psycopg.Connection[Any]):
    """Waits for an answer no longer than whoever asks does; then it is closed."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        mine = _patience.get()
        if mine is None:
            return super().wait(gen, interval, timeout)
        seconds = max(mine.left(), GRACE_S)
        try:
            return super().wait(gen, interval, seconds if timeout is None else min(seconds, timeout))
        except psycopg.errors._WaitTimeout:  # what `wait` is described to raise
            if timeout is not None and timeout <= seconds:
                raise  # it is the driver's own
            # What was asked may be done yet, and its answer is nobody's.
            self.close()
            raise psycopg.OperationalError("it does not answer in time") from None
