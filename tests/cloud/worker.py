"""The cloud as a process of its own, which can be killed, and people who go on asking whatever happens."""

import random
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx

from host_sim.servers import Process, free_port
from tests.cloud.waiting import WAIT
from tests.conftest import ROOT


class Worker:
    """`python -m host_sim cloud` with these settings, on a port that it keeps when it is started again."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api/v1"
        self._folder = folder
        self._settings = {"log_level": "warning", "plain_http": "true", "port": self.port, **settings}
        self._starts = 0
        self.process: Process | None = None

    def launch(self) -> None:
        """Start it, without waiting."""
        environment = {f"HXTP_CLOUD_{name.upper()}": str(value) for name, value in self._settings.items()}
        environment["PYTHONPATH"] = str(ROOT)
        self._starts += 1
        self._log = self._folder / f"worker-{self.port}-{self._starts}.log"
        command = [sys.executable, "-m", "host_sim", "cloud"]
        self.process = Process(command, self._log, environment=environment)

    def ready(self) -> None:
        """Wait until it serves."""
        assert self.process is not None
        self.process.wait_for(lambda: "a token:" in self.log())

    def start(self) -> None:
        self.launch()
        self.ready()

    def kill(self) -> None:
        """SIGKILL: nothing is said or saved any more."""
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def log(self) -> str:
        return self._log.read_text(errors="replace")


class Crowd:
    """Threads that order commands one after the other. Who gets no answer asks again with the same
    Idempotency-Key, at another worker where there is one.

    `accepted`: command id by key, of all that was answered 202; `refused`: any other answer.
    """

    def __init__(self, urls: list[str], token: str, device_ids: list[str], seed: int, size: int = 3) -> None:
        self.accepted: dict[str, str] = {}
        self.refused: list[str] = []
        self.unanswered = 0
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {token}"}
        self._device_ids = device_ids
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(number, random.Random(seed + number)), daemon=True)
            for number in range(size)
        ]

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(WAIT)

    def _run(self, number: int, chance: random.Random) -> None:
        with httpx.Client(headers=self._headers, timeout=WAIT) as client:
            at = number
            while not self._ending.is_set():
                key = str(uuid.UUID(int=chance.getrandbits(128)))
                device_id = chance.choice(self._device_ids)
                while True:
                    url = self._urls[at % len(self._urls)]
                    try:
                        answer = client.post(
                            f"{url}/device/{device_id}/command",
                            json={"action": "relay_toggle"},
                            headers={"Idempotency-Key": key},
                        )
                        break
                    except httpx.TransportError:
                        with self._lock:
                            self.unanswered += 1
                        at += 1
                        # Nobody waits for an answer of a cloud that is down for ever.
                        if self._ending.wait(0.02):
                            return
                with self._lock:
                    if answer.status_code == 202:
                        self.accepted[key] = answer.json()["command_id"]
                    else:
                        self.refused.append(f"{answer.status_code} {answer.text}")
                # Paced: what is measured is what a crash does, not how much fits.
                self._ending.wait(0.03)


def ended(client: httpx.Client, command_id: str) -> Callable[[], dict | None]:
    """A check whether this command has ended, for `until`."""

    def check() -> dict | None:
        command = client.get(f"/commands/{command_id}").json()
        return command if command["status"] not in ("queued", "dispatched") else None

    return check
