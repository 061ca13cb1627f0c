"""Where a store's text is kept: in memory, or in a folder of this process.

It must never leave a half-written file behind, nor widen a mode.
"""

import os
from pathlib import Path

from host_sim.files import StoreError, lock_folder, replace_file


class MemoryFile:
    """A store's text in memory: `text` is what a restart would find. For tests and fuzzers."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text

    def __str__(self) -> str:
        return "the store in memory"

    def read(self) -> str | None:
        return self.text

    def write(self, text: str) -> None:
        self.text = text

    def close(self) -> None:
        """Nothing to give back."""


class DiskFile:
    """A store's text in `folder`/devices.json, for one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError where another process uses the folder."""
        self.path = folder / "devices.json"
        self._lock = lock_folder(folder)

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> str | None:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise StoreError(f"{self.path} is not text ({error}); restore it from a copy") from None
        os.chmod(self.path, 0o600)
        return text

    def write(self, text: str) -> None:
        replace_file(self.path, text)

    def close(self) -> None:
        os.close(self._lock)
