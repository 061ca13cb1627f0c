"""Files that hold secrets: mode 0600, replaced atomically, synced; folders that one process has at a time.

It must never leave a half-written file behind, nor let others read one that it was not told is public.
"""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from host_sim.trouble import Trouble

PUBLIC = 0o644  # the mode of a file that all may read


class StoreError(Trouble):
    """The store cannot be used; the text says why and what to do."""


def lock_folder(folder: Path, *, shared: bool = False, instead: str = "folder") -> int:
    """Make `folder` (mode 0700) and keep it for this process until the returned descriptor is closed.

    `shared`: with others who share it. `instead`: what to name another one with. Raises StoreError where
    another process has it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StoreError(f"{folder} is used by another process; stop it, or use another {instead}") from None
    return lock


@contextlib.contextmanager
def turn(folder: Path, seconds: float = 30) -> Iterator[None]:
    """Let nobody else into the block who takes turns at this folder; waits for whoever is in it.

    Raises StoreError where that takes too long.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "turn", os.O_RDWR | os.O_CREAT, 0o600)
    end = time.monotonic() + seconds
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    raise StoreError(f"another process has been busy in {folder} for {seconds} s") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(lock)


def create_file(path: Path, text: str) -> bool:
    """Make a file of mode 0600, whole, unless there is one; of several who try, one does. Whether it did."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    replace_file(beside, text)
    try:
        os.link(beside, path)
        return True
    except FileExistsError:
        return False
    finally:
        beside.unlink()


def replace_file(path: Path, text: str, public: bool = False) -> None:
    """Replace a file by one of mode 0600; after a crash either the old or the new one is there, whole.

    `public`: mode 0644, whatever the umask says, for what everybody is to read.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if public:
                os.fchmod(file.fileno(), PUBLIC)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
