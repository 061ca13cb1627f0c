"""Type-checks firmware/ with pyright against the ESP32's stubs: `python -m tools.typecheck [pyright's
arguments]`.

pyright comes from npm as tests/static/package-lock.json pins it, and is fetched at the first call; the stubs
lie in typings/, where make puts them. The settings are [tool.pyright] in pyproject.toml.
"""

import subprocess
import sys

from host_sim import ROOT, node
from host_sim.fetching import FetchFailed, Unavailable

LOCK = ROOT / "tests" / "static"


def command() -> list[str]:
    """The command that starts pyright. Raises Unavailable or FetchFailed."""
    folder = node.fetch(LOCK)
    found = node.find()
    if found is None:
        raise Unavailable("there is no Node to run pyright (`make setup` brings one)")
    return [found.program, str(folder / "node_modules" / "pyright" / "index.js")]


def main(argv: list[str]) -> int:
    if not (ROOT / "typings" / "machine.pyi").exists():
        print(
            "typecheck: the ESP32's stubs are not in typings/; `make typecheck` fetches them", file=sys.stderr
        )
        return 2
    try:
        start = command()
    except (Unavailable, FetchFailed) as reason:
        print(f"typecheck: {reason}", file=sys.stderr)
        return 2
    return subprocess.run([*start, *argv], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
