"""The flash of a board that is thrown away with it; and what boards left of theirs that were killed.

It must never remove a folder that a living process may use, of another user, or made by anything else.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "virtual-board-"
MARK = ".thrown-away"  # a file that is locked as long as the folder's process lives


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A new folder, which goes with the block; what killed processes left behind goes now."""
    _sweep()
    with contextlib.ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        stack.callback(os.close, _marked(Path(folder.name)))  # after the folder has gone
        yield Path(stack.enter_context(folder))


def _marked(folder: Path) -> int:
    # Locked before it has its name, or it would look for a moment as if its process had gone.
    unnamed = folder / f"{MARK}.new"
    mark = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(mark, fcntl.LOCK_EX)
    unnamed.rename(folder / MARK)
    return mark


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # What cannot be removed today can be another time: another process may be at it, too.
        with contextlib.suppress(OSError):
            _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        return
    mark = os.open(folder / MARK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in folder.iterdir():
            if path.name == MARK:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        # Last, so that a folder of which something is left can still be told by it.
        (folder / MARK).unlink()
        folder.rmdir()
    finally:
        os.close(mark)
