"""How many messages a second the mock broker passes on, beside others under the same load in the same run.

Brokers and load are processes of their own on the loopback interface. It must never leave one behind.
"""

import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from host_sim import ROOT
from host_sim.bench import peers
from host_sim.bench.programs import running
from host_sim.bench.rows import Row

HERE = Path(__file__).parent
RUNS = 5
PATIENCE = 120  # seconds for one run of a load
STARTING = 20  # seconds for a broker


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _listening(port: int, process: subprocess.Popen) -> int:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return port
        time.sleep(0.05)
    raise OSError("does not start")


@contextlib.contextmanager
def ours() -> Iterator[int]:
    command = [sys.executable, "-m", "host_sim", "broker", "--port", "0", "--allow-anonymous"]
    with running(command, stderr=subprocess.DEVNULL, env=peers.environment()) as process:
        line = process.stdout.readline()
        found = re.search(r":(\d+)$", line.strip())
        if not found:
            raise OSError(f"the broker says {line!r}")
        yield int(found[1])


@contextlib.contextmanager
def _mosquitto() -> Iterator[int]:
    program = shutil.which("mosquitto", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if program is None:
        raise ModuleNotFoundError("mosquitto is not installed (make packages)")
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "mosquitto.conf")
        user = "user root\n" if os.geteuid() == 0 else ""
        settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n{user}"
        )
        with running(
            [program, "-c", str(settings)], stderr=subprocess.DEVNULL, env=peers.environment()
        ) as process:
            yield _listening(port, process)


@contextlib.contextmanager
def _amqtt() -> Iterator[int]:
    if not peers.available("amqtt"):
        raise ModuleNotFoundError("amqtt is not installed")
    port = _free_port()
    with running(
        [sys.executable, str(HERE / "serve_amqtt.py"), str(port)],
        stderr=subprocess.DEVNULL,
        env=peers.environment(),
    ) as process:
        yield _listening(port, process)


# What is measured: a broker, the load, and how many messages take about half a second.
OURS = "host_sim"
LOAD = [sys.executable, "-m", "host_sim.bench.load"]
LOAD_GMQTT = [sys.executable, str(HERE / "load_gmqtt.py")]
SUBJECTS = {
    OURS: (ours, LOAD, 64_000),
    "mosquitto": (_mosquitto, LOAD, 64_000),
    "mosquitto with gmqtt": (_mosquitto, LOAD_GMQTT, 12_800),
    "amqtt": (_amqtt, LOAD, 3_200),
}


def _seconds(load: list[str], port: int, count: int) -> float:
    done = subprocess.run(
        [*load, str(port), str(count)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=peers.environment(),
        cwd=ROOT,
    )
    if done.returncode:
        raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "the load failed")
    return float(done.stdout)


def measure() -> list[Row]:
    """A peer that is not there, or does not do it, is named in the note."""
    speeds: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    notes = []
    with contextlib.ExitStack() as stack:
        ports: dict[str, int] = {}
        for name, (start, _, _) in SUBJECTS.items():
            try:
                ports[name] = stack.enter_context(start())
            except (OSError, ModuleNotFoundError) as problem:
                if name == OURS:
                    raise
                notes.append(f"without {name}: {problem}")
        for turn in range(RUNS + 1):
            for name in list(ports):
                _, load, count = SUBJECTS[name]
                try:
                    spent = _seconds(load, ports[name], count)
                except (OSError, subprocess.TimeoutExpired) as problem:
                    if name == OURS:
                        raise
                    notes.append(f"without {name}: {problem}")
                    del ports[name]
                    continue
                if turn:
                    speeds[name].append(count / spent)
    medians = {name: statistics.median(found) for name, found in speeds.items() if name in ports}
    others = {name: speed for name, speed in medians.items() if name != OURS}
    told = [f"{name} {speed:,.0f}/s" for name, speed in others.items()]
    note = (
        "one publisher, one subscriber, 512 bytes, QoS 0; peer: Mosquitto under the same load; "
        + "; ".join(told + notes)
    )
    return [Row("broker_tcp", medians[OURS], "1/s", None, others.get("mosquitto"), RUNS, note)]
