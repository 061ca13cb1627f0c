"""Where the programs and packages are that `make bench` compares with, and how a process comes to see them.

It must never put them where the project's own programs would find them.
"""

import os
from pathlib import Path

from host_sim import ROOT, fetching

FOLDER: Path = fetching.CACHE / "bench"  # where `make bench` installs what requirements-bench.in names


def environment() -> dict[str, str]:
    """For a process that may import them, and us."""
    folders = [str(ROOT), str(ROOT / "firmware" / "lib"), str(FOLDER), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}


def available(package: str) -> bool:
    """Whether a package of theirs was installed."""
    return (FOLDER / package).is_dir()
