"""A cloud with simulated devices for a benchmark, each in processes of its own, and what each of them spends.

Must never leave a process or a folder behind, nor listen anywhere but on the loopback interface.
"""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from ssl import create_default_context
from typing import Any
from urllib.parse import urlsplit

from host_sim import ROOT
from host_sim.bench import peers
from host_sim.bench.programs import running
from host_sim.bench.rows import Missing
from host_sim.servers import Postgres, postgres_programs

PATIENCE = 180  # seconds for one run of a load


@dataclass
class Stage:
    """A running cloud and its devices. `devices`: [id, tenant, secret in hex]."""

    url: str
    port: int
    ca: Path
    token: str
    devices: list[list[str]]
    cloud: subprocess.Popen
    fleet: subprocess.Popen
    database: Path | None  # PostgreSQL's folder
    place: dict[str, str] = field(default_factory=dict)
    _asking: HTTPSConnection | None = None

    def ask_fleet(self, question: dict[str, Any], meanwhile: Callable[[], object] = bool) -> Any:
        """What the devices' process answers; `meanwhile()` is called while it works at that."""
        self.fleet.stdin.write(json.dumps(question) + "\n")
        self.fleet.stdin.flush()
        meanwhile()
        line = self.fleet.stdout.readline()
        if not line:
            raise OSError("the devices' process has ended")
        return json.loads(line)

    def load(self, requests: list[tuple[str, dict]], connections: int) -> dict[str, Any]:
        """What host_sim.bench.cloud_load tells of these requests."""
        given = {
            "host": "127.0.0.1",
            "port": self.port,
            "ca": str(self.ca),
            "token": self.token,
            "connections": connections,
            "requests": requests,
        }
        done = subprocess.run(
            [sys.executable, "-m", "host_sim.bench.cloud_load"],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=ROOT,
            env=peers.environment(),
        )
        if done.returncode:
            raise OSError((done.stderr.strip().splitlines() or ["the load failed"])[-1])
        return json.loads(done.stdout)

    def spent(self) -> dict[str, float]:
        """Seconds of processor time so far, by program."""
        told = {"cloud": _cpu(self.cloud.pid), "devices": _cpu(self.fleet.pid)}
        if self.database is not None:
            told["database"] = database_cpu(self.database)
        return told

    def metrics(self, *lines: str) -> tuple[float, ...]:
        """The values of these lines of the cloud's Prometheus metrics, 0 where there is none yet.

        On one connection for all questions: a TLS handshake for each would be a part of what is measured.
        """
        if self._asking is None:
            tls = create_default_context(cafile=str(self.ca))
            self._asking = HTTPSConnection("127.0.0.1", self.port, timeout=30, context=tls)
        path = urlsplit(self.url).path + "/metrics"
        try:
            answer = self._get(path)
        except OSError:  # it was idle for long
            self._asking.close()
            answer = self._get(path)
        text = answer.read().decode()
        if answer.status != 200:
            raise OSError(f"the cloud does not tell its metrics: {answer.status}")
        told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return tuple(float(told.get(line, 0)) for line in lines)

    def _get(self, path: str) -> HTTPResponse:
        self._asking.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        return self._asking.getresponse()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask(path, json.dumps(body).encode())

    def get(self, path: str) -> dict[str, Any]:
        return self._ask(path, None)

    def _ask(self, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers)
        tls = create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(request, timeout=30, context=tls) as answer:
            return json.load(answer)


def _cpu(pid: int) -> float:
    # Linux's clock of another process (clock_getcpuclockid(3)): /proc tells hundredths of a second alone.
    with contextlib.suppress(OSError):
        return time.clock_gettime(~pid << 3 | 2)
    return 0.0


def database_cpu(folder: Path) -> float:
    """Seconds of processor time that the PostgreSQL of this folder has taken so far."""
    return sum(map(_cpu, _children(folder)))


def _children(folder: Path) -> list[int]:
    # PostgreSQL's first process, and those that it has made: one for each connection.
    first = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    listed = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, listed)]


@contextlib.contextmanager
def postgres() -> Iterator[tuple[dict[str, str], Path]]:
    """The settings for a cloud on a PostgreSQL of one's own, and its folder. Raises Missing."""
    if postgres_programs() is None:
        raise Missing("PostgreSQL is not installed: make packages")
    with Postgres() as server:
        name = server.create("bench")
        yield (
            {
                "HXTP_CLOUD_DATABASE": server.url(server.APP, name),
                "HXTP_CLOUD_DATABASE_OWNER": server.url(server.OWNER, name),
            },
            server.folder,
        )


@contextlib.contextmanager
def stage(
    devices: int,
    settings: dict[str, str] | None = None,
    database: Path | None = None,
    place: Callable[["Stage"], dict[str, str]] | None = None,
) -> Iterator[Stage]:
    """A cloud with its embedded broker and so many devices, connected. `settings`: environment besides.

    `place` makes what the devices are to be registered in, and returns its ids.
    """
    if not Path("/proc/self/stat").exists():
        raise Missing("only Linux tells what another process spends")
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="hxtp-bench-"))
        environment = {
            **peers.environment(),
            "HXTP_CLOUD_DATA": data,
            "HXTP_CLOUD_PORT": "0",
            "HXTP_CLOUD_BROKER_PORT": "0",
            "HXTP_CLOUD_LOG_LEVEL": "error",
            "HXTP_CLOUD_DEVICE_PACKETS_S": "0",
            **(settings or {}),
        }
        command = [sys.executable, "-m", "host_sim", "cloud"]
        cloud = stack.enter_context(running(command, cwd=ROOT, env=environment))
        line = cloud.stdout.readline()
        found = re.match(r"API (https://\S+:(\d+)\S*), broker mqtts://\S+:(\d+),", line)
        if not found:
            raise OSError(f"the cloud says {line!r}")
        token = subprocess.run(
            [*command, "token", "--tenant", "bench", "--email", "bench@example.org", "--tier", "unlimited"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            cwd=ROOT,
            env=environment,
        ).stdout.strip()
        fleet = stack.enter_context(
            running([sys.executable, "-m", "host_sim.bench.cloud_fleet"], cwd=ROOT, env=environment)
        )
        one = Stage(found[1], int(found[2]), Path(data, "pki", "ca.pem"), token, [], cloud, fleet, database)
        one.place = place(one) if place is not None else {}
        for _ in range(devices):
            made = one.post("/device/register", {"device_type": "simulated", **one.place})
            one.devices.append([made["device_id"], made["tenant_id"], made["device_secret"]])
        given = {"port": int(found[3]), "ca": str(one.ca), "devices": one.devices}
        ready = one.ask_fleet(given)
        if ready != "ready":
            raise OSError(f"the devices say {ready!r}")
        yield one
