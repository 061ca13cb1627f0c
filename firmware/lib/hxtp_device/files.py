"""What a part keeps in flash: small values by name, each in a file of its own.

A value is there whole or not at all, whatever a write was doing when the power went: it is written beside,
closed, and only then renamed to where it is read, which is one step on littlefs, the stock file system. What
a cut left beside is removed when the files are next listed. This module must never know what a value means,
nor touch a file of anybody else.
"""

from hashlib import sha256

_CHECK = 8  # bytes of SHA-256 before each value
_NEW = ".new"


class Files:
    """Names are those of `capabilities`: a-z, 0-9 and _. Raises OSError where flash is full or fails.

    `folder` is made when it is needed; `os` and `open` are the stock ones.
    """

    def __init__(self, folder, os, open):
        self._folder = folder
        self._os = os
        self._open = open

    def _path(self, name):
        return self._folder + "/" + name

    def names(self):
        """The names that are there, sorted."""
        try:
            found = self._os.listdir(self._folder)
        except OSError:  # nothing was ever kept
            return []
        for name in found:
            if name.endswith(_NEW):
                self._os.remove(self._path(name))
        return sorted([name for name in found if not name.endswith(_NEW)])

    def read(self, name, most):
        """The value (bytes), or None where it is spoilt or has more than `most` bytes."""
        with self._open(self._path(name), "rb") as file:
            check = file.read(_CHECK)
            value = file.read(most + 1)
        if len(value) > most or sha256(value).digest()[:_CHECK] != check:
            return None
        return value

    def write(self, name, value):
        """Make `value` durable; after a power cut there is this one or the one before."""
        folder = ""
        for step in self._folder.split("/"):
            folder += step
            try:
                self._os.mkdir(folder)
            except OSError:  # it is there; where it is not, opening the file says so
                pass
            folder += "/"
        path = self._path(name)
        try:
            with self._open(path + _NEW, "wb") as file:
                file.write(sha256(value).digest()[:_CHECK])
                file.write(value)
            self._os.rename(path + _NEW, path)
        except OSError:
            self.names()  # a full flash gets its room back
            raise

    def rename(self, old, new):
        """One step: after a power cut the value has the old name or the new one, never both or none."""
        self._os.rename(self._path(old), self._path(new))

    def remove(self, name):
        self._os.remove(self._path(name))
