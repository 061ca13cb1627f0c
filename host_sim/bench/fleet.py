"""What a simulated device weighs: thousands of them in one process, each with a session that its cloud
answered and a command behind it.

Counted is what the process grows by, fragments and all; not the connections, and not the cloud's end, which
is made for one device at a time and forgotten.
"""

import gc
import os
import statistics
import subprocess
import sys
import time
from random import Random

from host_sim import ROOT
from host_sim.bench import peers
from host_sim.bench.broker import ours
from host_sim.bench.rows import Missing, Row
from host_sim.device import SimDevice
from hxtp.cloud import Link
from hxtp.session import READY
from hxtp.sign import Key
from hxtp.topics import split
from hxtp.window import Window

DEVICES = 10_000
CONNECTIONS = 1_000  # of those that are measured beside them
RUNS = 3
TENANT = "tenant-1"
START = 1_777_200_000_000


def _exchange(device: SimDevice, link: Link, now: int) -> None:
    """Carry messages both ways until nobody has one."""
    while True:
        up, down = device.take(now), link.take(now)
        if up is None and down is None:
            return
        if up is not None:
            link.receive(split(up[0])[2], up[1], now)
        if down is not None:
            device.receive(f"hxtp/{TENANT}/device/{device.device_id}/{down[0]}", down[1], now)


def _device(number: int, random: Random) -> SimDevice:
    """A device that is READY, told its state and ran one command."""
    secret = random.randbytes(32)
    device = SimDevice(f"{number:032x}", TENANT, secret, random.randbytes)
    link = Link(device.device_id, TENANT, [(Key(secret), Window())], random.randbytes)
    device.connected(START)
    _exchange(device, link, START)
    order = link.submit("light_brightness", {"brightness": number % 100}, START)
    _exchange(device, link, START + 1)
    if device.session.state != READY or order.state != "acknowledged":
        raise AssertionError(f"device {number}: {device.session.state}, {order.state}")
    device.runs.clear()  # the tests' record, which a fleet does not keep
    return device


def grown(devices: int, random: Random, fleet: list[SimDevice]) -> float:
    """Put so many devices into `fleet`. Returns the bytes of resident memory that each made us grow by."""
    _device(0, random)
    gc.collect()
    before = resident()
    for number in range(devices):
        fleet.append(_device(number, random))
    gc.collect()
    return (resident() - before) / devices


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def heartbeats(fleet: list[SimDevice], now: int) -> int:
    """Let every device say what it has to say at `now`; how many did so with a heartbeat."""
    told = 0
    for device in fleet:
        device.tick(now)
        while (message := device.take(now)) is not None:
            told += message[0].endswith("/heartbeat")
    return told


def _apart(*command: str) -> str:
    """What a process of its own prints, which nothing has grown before."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
        cwd=ROOT,
        env=peers.environment(),
    )
    return done.stdout


def _connections(kind: str, port: int) -> float:
    found = [
        float(_apart("host_sim.bench.fleet_clients", kind, str(port), str(CONNECTIONS))) for _ in range(RUNS)
    ]
    return statistics.median(found)


def measure() -> list[Row]:
    """Raises Missing where the system does not tell how large a process is."""
    if not os.path.exists("/proc/self/statm"):
        raise Missing("only Linux tells how large a process is")
    found, seconds = [], []
    for _ in range(RUNS):
        grown_by, spent = map(float, _apart("host_sim.bench.fleet").split())
        found.append(grown_by)
        seconds.append(spent)
    gmqtt = None
    with ours() as port:
        raw = _connections("raw", port)
        if peers.available("gmqtt"):
            gmqtt = _connections("gmqtt", port)
    note = (
        f"{DEVICES:,} of host_sim.device (lamp and relay) in one process, READY, above their connections; "
        f"their heartbeats in {statistics.median(seconds):.2f} s; a bare asyncio connection adds {raw:,.0f}; "
        + ("peer: a gmqtt client with its connection" if gmqtt else "without gmqtt: not installed")
    )
    return [Row("fleet_bytes_per_device", statistics.median(found), "bytes", None, gmqtt, RUNS, note)]


def main() -> None:
    """Prints the bytes for each device, and the seconds in which all of them sign a heartbeat."""
    random = Random(1)
    fleet: list[SimDevice] = []
    grown_by = grown(DEVICES, random, fleet)
    start = time.process_time()
    told = heartbeats(fleet, START + 60_000)
    spent = time.process_time() - start
    if told != DEVICES:
        raise AssertionError(f"{told} of {DEVICES} devices are alive")
    print(grown_by, spent)


if __name__ == "__main__":
    main()
