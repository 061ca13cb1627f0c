"""How long a newcomer's programs take from nothing to a command that a device has executed.

What docs/cloud.md tells in "From nothing to a light that obeys", one after the other, as processes in an
empty folder: the cloud, a device that registers itself and runs the firmware, and one command to it, which
ends when the device's answer is there. Keys, CA, database and token are made on the way, and nothing is
compiled beforehand; reading and typing are not counted. Must never use a folder or a cloud of somebody's.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from host_sim import ROOT
from host_sim.bench.programs import running
from host_sim.bench.rows import Row

RUNS = 3
PATIENCE_S = 180  # for one run
CLOUD = "cloud"
DEVICE = "device --board demo-light"
COMMAND = "client command demo-light light_brightness brightness=40 transition=2000"
PARTS = ("the cloud serves", "the board is ready", "the command is executed")
PROGRAM = [sys.executable, "-m", "host_sim"]


class _Run:
    """One run, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Nobody's cloud or token: whoever begins has none.
        own = {name: value for name, value in os.environ.items() if not name.startswith("HXTP_")}
        self._environment = {
            **own,
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        }

    def times(self) -> list[float]:
        """Seconds from the first process's start to the end of each of PARTS. Raises OSError."""
        began = time.monotonic()
        found = []
        with contextlib.ExitStack() as stack:
            # Only the ports are not those that the page names: somebody may use them.
            cloud = stack.enter_context(self._started(f"{CLOUD} --port 0 --broker-port 0"))
            self._read(cloud, "API https://")
            found.append(time.monotonic() - began)
            device = stack.enter_context(self._started(DEVICE))
            self._read(device, "READY")
            found.append(time.monotonic() - began)
            with self._started(COMMAND) as client:
                self._read(client, "executed")
                if client.wait(PATIENCE_S):
                    raise OSError(self._said(client))
            found.append(time.monotonic() - began)
        return found

    @contextlib.contextmanager
    def _started(self, words: str) -> Iterator[subprocess.Popen]:
        with (self._folder / f"{words.split()[0]}.log").open("w") as log:
            given = {
                "stdin": subprocess.DEVNULL,
                "stderr": log,
                "cwd": self._folder,
                "env": self._environment,
            }
            with running([*PROGRAM, *words.split()], **given) as process:
                guard = threading.Timer(PATIENCE_S, process.kill)
                guard.start()
                try:
                    yield process
                finally:
                    guard.cancel()

    def _read(self, process: subprocess.Popen, wanted: str) -> None:
        """Read what it says up to this."""
        for line in process.stdout:
            if wanted in line:
                return
        raise OSError(self._said(process))

    def _said(self, process: subprocess.Popen) -> str:
        name = process.args[len(PROGRAM)]
        lines = (self._folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return f"host_sim {name} ended too early: {lines[-1] if lines else 'it says nothing'}"


def measure() -> list[Row]:
    """Raises OSError where one of the programs fails."""
    runs = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="hxtp-bench-") as folder:
            runs.append(_Run(Path(folder)).times())
    after = [statistics.median(times) for times in zip(*runs, strict=True)]
    parts = ", ".join(f"{part} after {seconds:.1f} s" for part, seconds in zip(PARTS, after, strict=True))
    return [Row("first_command", after[-1], "s", runs=RUNS, note=parts)]
