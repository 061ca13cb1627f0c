"""The conformance kit against the reference cloud, as processes on this machine and over real time.

    python -m tools.cloud_conformance [--mosquitto] [--slow and other options of the kit]

It starts a cloud on SQLite in a folder of its own, behind its own broker or a Mosquitto, restarts it when the
kit wants that, and ends everything. Must never use a port or a folder that somebody else uses.
"""

import argparse
import getpass
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from host_sim import ROOT
from host_sim.servers import Process, find_program, free_port, mosquitto_process

CALL = [sys.executable, "-m", "host_sim"]
RESTART = """\
old=$(cat pid)
kill -KILL "$old"
until [ "$(cat pid)" != "$old" ]; do sleep 0.1; done
"""


class Supervised:
    """A cloud that is started again whenever it ends; the file `pid` is written when it serves."""

    def __init__(self, folder: Path, settings: dict[str, str], config: Path | None) -> None:
        self._folder = folder
        more = [] if config is None else ["--config", str(config)]
        self._command = [*CALL, "cloud", "--data", str(folder / "data"), *more]
        self._settings = settings
        self._over = threading.Event()
        self._started = 0
        self._process = self._start()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _start(self) -> Process:
        self._started += 1
        log = self._folder / f"cloud-{self._started}.log"
        process = Process(self._command, log, environment=self._settings)
        process.wait_for(lambda: "a token:" in process.log())
        part = self._folder / "pid.part"
        part.write_text(str(process.pid))
        part.replace(self._folder / "pid")
        return process

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            if not self._process.alive:
                self._process = self._start()
        self._process.stop()  # here: what a thread started ends with the thread

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def main(argv: list[str]) -> int:
    """The kit's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.cloud_conformance",
        description="Run the conformance kit against the reference cloud. Other options are the kit's.",
    )
    parser.add_argument("--mosquitto", action="store_true", help="behind a Mosquitto, not the cloud's broker")
    options, kit = parser.parse_known_args(argv)
    with tempfile.TemporaryDirectory() as name:
        return _run(Path(name), options.mosquitto, kit)


def _run(folder: Path, mosquitto: bool, kit: list[str]) -> int:
    broker, config = None, None
    settings = {
        "HXTP_CLOUD_PORT": str(free_port()),
        "HXTP_CLOUD_BROKER_PORT": str(free_port()),
        "PYTHONPATH": str(ROOT),
    }
    try:
        if mosquitto:
            broker, config = _mosquitto(folder)
        cloud = Supervised(folder, settings, config)
        try:
            return subprocess.run(
                [*CALL, "conformance", *_target(folder, settings, config), *kit],
                env={**os.environ, "HXTP_TOKEN": _token(folder)},
            ).returncode
        finally:
            cloud.stop()
    finally:
        if broker is not None:
            broker.stop()


def _target(folder: Path, settings: dict[str, str], config: Path | None) -> list[str]:
    script = folder / "restart.sh"
    script.write_text(f"cd {folder}\n{RESTART}")
    url = f"https://127.0.0.1:{settings['HXTP_CLOUD_PORT']}/api/v1"
    return ["--cloud", url, "--ca", str(folder / "data/pki/ca.pem"), "--restart", f"sh {script}"]


def _token(folder: Path) -> str:
    call = ["--data", str(folder / "data"), "--tenant", "kit", "--email", "kit@kit.example"]
    done = subprocess.run(
        [*CALL, "cloud", "token", *call, "--tier", "unlimited"], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def _mosquitto(folder: Path) -> tuple[Process, Path]:
    """A running Mosquitto, and the cloud's settings for it."""
    from host_sim.cloud.broker.mosquitto import set_up

    program = find_program("mosquitto")
    if program is None:
        raise SystemExit("there is no Mosquitto on this machine: make packages")
    port = free_port()
    # As whoever runs this: another account could not enter the folder.
    made = set_up(folder / "mosquitto", "127.0.0.1", port, account=getpass.getuser())
    return mosquitto_process(program, made.config, port, folder / "mosquitto.log"), made.settings


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
