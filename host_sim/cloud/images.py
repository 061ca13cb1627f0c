"""Firmware images as files of the cloud: DATA/firmware/RELEASE.bin, complete or not there.

Must never use a name that a client chose, nor keep more of an upload in memory than a block.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = 256 * 1024  # bytes
_ID = re.compile(r"[0-9a-f-]{36}")


class TooLarge(Exception):
    """The image has more bytes than it may."""


@dataclass(frozen=True, slots=True)
class Stored:
    size: int
    sha256: str


class Images:
    """The files in `folder`, which is made when the first one comes."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most

    def path(self, release_id: str) -> Path:
        if not _ID.fullmatch(release_id):
            raise ValueError("no id of a release")
        return self._folder / f"{release_id}.bin"

    def store(self, release_id: str, source: BinaryIO) -> Stored:
        """Copy `source` to its end. Raises TooLarge, OSError; then nothing is left."""
        path = self.path(release_id)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        digest, size = hashlib.sha256(), 0
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                while block := source.read(BLOCK):
                    size += len(block)
                    if size > self._most:
                        raise TooLarge
                    digest.update(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return Stored(size, digest.hexdigest())

    def drop(self, release_id: str) -> None:
        self.path(release_id).unlink(missing_ok=True)
