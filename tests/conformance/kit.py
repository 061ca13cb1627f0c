"""How the tests call the kit: in this process, with small vectors and codecs of a few lines."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

from host_sim.conformance import cli

# Starts in a third of the time that an interpreter with its site packages takes.
PYTHON = f"{shlex.quote(sys.executable)} -S -I"


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


class Kit:
    """`kit("--codec", …)` is the exit status and what was printed."""

    def __init__(self, folder: Path, capsys: Any) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *argv: str) -> Outcome:
        try:
            status = cli.main(list(argv))
        except SystemExit as ended:  # argparse
            status = ended.code
        return Outcome(status, *self._capsys.readouterr())

    def codec(self, body: str) -> str:
        """The command of a codec that runs `body` for each request: `n` counts them from 0, `request` is the
        line, and `say(…)` prints. The first request is the kit's own reset.
        """
        path = self.folder / "codec.py"
        head = "import os, sys, time\nsay = lambda text: print(text, flush=True)\n"
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        path.write_text(f"{head}for n, request in enumerate(sys.stdin):\n{lines}")
        return f"{PYTHON} {shlex.quote(str(path))}"

    def vectors(self, *tests: dict[str, Any], profile: str | None = "pipe10") -> str:
        path = self.folder / "vectors.json"
        group = {"name": "a group", "comment": "for a test", "profile": profile, "tests": list(tests)}
        document = {
            "protocol": "HxTP/3.0",
            "schema": "vectors.schema.json",
            "generator": "a test",
            "numberOfTests": len(tests),
            "notes": {},
            "testGroups": [group],
        }
        path.write_text(json.dumps(document))
        return str(path)

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


def vector(id: str, **changes: Any) -> dict[str, Any]:
    """A test that a codec passes which answers every line by {"ok":true}."""
    test = {
        "id": id,
        "comment": f"about {id}",
        "flags": ["Valid"],
        "clauses": ["HX3-CODEC-01"],
        "request": {"op": "reset", "id": id},
        "expected": {"ok": True},
    }
    return test | changes


YES = "say('{\"ok\":true}')"
