"""The conformance kit against the reference cloud, as processes on this machine and over real time.

    python -m tools.cloud_conformance [--mosquitto] [--postgres] [--workers N] [--slow and others of the kit]

It starts a cloud in a folder of its own, on SQLite or a PostgreSQL of its own, behind its own broker or a
Mosquitto, as one worker or several that take turns at HTTP; restarts it when the kit wants that, and ends
everything. Must never use a port or a folder that somebody else uses.
"""

import argparse
import asyncio
import contextlib
import getpass
import itertools
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from host_sim import ROOT
from host_sim.servers import Postgres, Process, find_program, free_port, mosquitto_process

CALL = [sys.executable, "-m", "host_sim"]
# All workers at once: as a machine that loses its power.
RESTART = """\
old=$(cat pid-*)
kill -KILL $old
for file in pid-*; do
    until ! echo "$old" | grep -qx "$(cat $file)"; do sleep 0.1; done
done
"""


class Supervised:
    """A worker that is started again whenever it ends; the file `pid-NAME` is written when it serves."""

    def __init__(self, folder: Path, name: str, settings: Mapping[str, str], config: Path | None) -> None:
        self._folder = folder
        self._name = name
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
        log = self._folder / f"cloud-{self._name}-{self._started}.log"
        process = Process(self._command, log, environment=self._settings)
        process.wait_for(lambda: "a token:" in process.log())
        part = self._folder / f"part-{self._name}"
        part.write_text(f"{process.pid}\n")
        part.replace(self._folder / f"pid-{self._name}")
        return process

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            if not self._process.alive:
                self._process = self._start()
        self._process.stop()  # here: what a thread started ends with the thread

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


class Distributor:
    """Gives each connection to `port` to the next worker, as a load balancer would; one that is not there is
    passed over. It looks into nothing, so TLS is the workers' own."""

    def __init__(self, port: int, workers: Sequence[int]) -> None:
        self._port = port
        self._workers = itertools.cycle(workers)
        self._count = len(workers)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Distributor":
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        return self

    def __exit__(self, *unused: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.closing(writer):
            for _ in range(self._count):
                with contextlib.suppress(OSError):
                    there, back = await asyncio.open_connection("127.0.0.1", next(self._workers))
                    with contextlib.closing(back):
                        await asyncio.gather(_copy(reader, back), _copy(there, writer))
                    return


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


def main(argv: list[str]) -> int:
    """The kit's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.cloud_conformance",
        description="Run the conformance kit against the reference cloud. Other options are the kit's.",
    )
    parser.add_argument("--mosquitto", action="store_true", help="behind a Mosquitto, not the cloud's broker")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own, not on SQLite")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="share the work (with the two options above)"
    )
    options, kit = parser.parse_known_args(argv)
    if not 1 <= options.workers <= 8:
        parser.error("--workers: 1 to 8")
    if options.workers > 1 and not (options.mosquitto and options.postgres):
        parser.error("several workers need --mosquitto and --postgres")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings, config = {"PYTHONPATH": str(ROOT)}, None
        if options.postgres:
            settings |= _postgres(stack)
        if options.mosquitto:
            config = _mosquitto(stack, folder)
        url = _workers(stack, folder, settings, config, options.workers)
        return subprocess.run(
            [*CALL, "conformance", *_target(folder, url), *kit],
            env={**os.environ, "HXTP_TOKEN": _token(folder, settings)},
        ).returncode


def _workers(
    stack: contextlib.ExitStack, folder: Path, settings: Mapping[str, str], config: Path | None, count: int
) -> str:
    """Start so many workers; the URL of the API."""
    front, ports = free_port(), [free_port() for _ in range(count)]
    url = f"https://127.0.0.1:{front}/api/v1"
    settings = {
        **settings,
        "HXTP_CLOUD_PUBLIC_URL": url,
        "HXTP_CLOUD_BROKER_PORT": str(free_port()),
        "HXTP_CLOUD_SHARED_SUBSCRIPTIONS": str(count > 1),
        "HXTP_CLOUD_DEVICE_PACKETS_S": "0",
        "HXTP_CLOUD_CRITICAL_PER_HOUR": "0",
    }
    for number, port in enumerate(ports, 1):
        own = {**settings, "HXTP_CLOUD_PORT": str(port)}
        stack.callback(Supervised(folder, str(number), own, config).stop)
    stack.enter_context(Distributor(front, ports))
    return url


def _target(folder: Path, url: str) -> list[str]:
    script = folder / "restart.sh"
    script.write_text(f"cd {folder}\n{RESTART}")
    return ["--cloud", url, "--ca", str(folder / "data/pki/ca.pem"), "--restart", f"sh {script}"]


def _token(folder: Path, settings: Mapping[str, str]) -> str:
    call = ["--data", str(folder / "data"), "--tenant", "kit", "--email", "kit@kit.example"]
    done = subprocess.run(
        [*CALL, "cloud", "token", *call, "--tier", "unlimited"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
    )
    return done.stdout.strip()


def _postgres(stack: contextlib.ExitStack) -> dict[str, str]:
    """The settings for a PostgreSQL that is started for this."""
    running = stack.enter_context(Postgres())
    name = running.create("conformance")
    return {
        "HXTP_CLOUD_DATABASE": running.url(running.APP, name),
        "HXTP_CLOUD_DATABASE_OWNER": running.url(running.OWNER, name),
    }


def _mosquitto(stack: contextlib.ExitStack, folder: Path) -> Path:
    """The cloud's settings for a Mosquitto that is started for this."""
    from host_sim.cloud.broker.mosquitto import set_up

    program = find_program("mosquitto")
    if program is None:
        raise SystemExit("there is no Mosquitto on this machine: make packages")
    port = free_port()
    # As whoever runs this: another account could not enter the folder.
    made = set_up(folder / "mosquitto", "127.0.0.1", port, account=getpass.getuser())
    stack.callback(mosquitto_process(program, made.config, port, folder / "mosquitto.log").stop)
    return made.settings


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
