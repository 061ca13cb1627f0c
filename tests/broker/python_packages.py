"""Python packages that must not be in the tests' own environment: fetched beside it when a test needs them.

What vouches for them are the hashes in the lock file. They go to the cache, whole or not at all, and never
into the checkout; their dependencies are not taken along.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from host_sim import fetching


def fetch(lock: Path) -> Path:
    """Installs what `lock` pins into a folder named after its contents unless it is there; that folder.

    Raises FetchFailed, with a sentence to show.
    """
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    home = fetching.CACHE / "python" / f"{lock.stem}-{digest[:16]}-{sys.implementation.cache_tag}"
    with fetching.locked():
        if home.is_dir():
            return home
        fetching.say(f"fetching with pip what {lock.name} pins")
        with fetching.scratch() as scratch:
            quiet = ("-qq", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:")
            target = scratch / "packages"
            pip = [
                sys.executable,
                "-m",
                "pip",
                "install",
                *quiet,
                "--require-hashes",
                "--target",
                str(target),
            ]
            fetching.run([*pip, "-r", str(lock)], scratch)
            shutil.rmtree(
                target / "tests", ignore_errors=True
            )  # some wheels bring theirs, and would hide ours
            home.parent.mkdir(parents=True, exist_ok=True)
            target.rename(home)
    return home
