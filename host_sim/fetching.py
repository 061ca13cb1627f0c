"""Getting things into `.cache/`: whole or not at all, and by one process at a time.

Must never write anywhere else, and knows nothing of what it is that is fetched.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from host_sim import ROOT

CACHE = Path(os.environ.get("HXTP_CACHE") or ROOT / ".cache").resolve()


class Unavailable(Exception):
    """This kind of machine cannot have the thing."""


class FetchFailed(Exception):
    """It could be had here, but getting it went wrong."""


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """One fetcher at a time over all processes; the system lets go of the lock when its holder ends,
    however it ends.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "fetch.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that is fetching")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the cache's own file system: what is finished leaves it by one rename, the rest goes
    with it.
    """
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=CACHE) as name:
        yield Path(name)


def run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchFailed(f"{command[0]}: {error}") from error
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise FetchFailed(
            f"{Path(command[0]).name} ended with {done.returncode}:\n  " + "\n  ".join(lines[-12:])
        )


def say(text: str) -> None:
    print(f"fetch: {text}", file=sys.stderr, flush=True)
