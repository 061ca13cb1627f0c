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
from random import Random

from host_sim import ROOT
from host_sim.bench.rows import Missing, Row
from host_sim.device import SimDevice
from hxtp.cloud import Link
from hxtp.session import READY
from hxtp.sign import Key
from hxtp.topics import split
from hxtp.window import Window

DEVICES = 10_000
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


def grown(devices: int) -> float:
    """Bytes of resident memory that this process grew by, for each of so many devices."""
    random = Random(1)
    _device(0, random)
    gc.collect()
    before = _resident()
    fleet = [_device(number, random) for number in range(devices)]
    gc.collect()
    return (_resident() - before) / len(fleet)


def _resident() -> int:
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure() -> list[Row]:
    """Raises Missing where the system does not tell how large a process is."""
    if not os.path.exists("/proc/self/statm"):
        raise Missing("only Linux tells how large a process is")
    found = []
    for _ in range(RUNS):
        # A process of its own, which nothing has grown before.
        command = [sys.executable, "-m", "host_sim.bench.fleet"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True, cwd=ROOT)
        found.append(float(done.stdout))
    note = f"{DEVICES:,} of host_sim.device (lamp and relay), above their connections"
    return [Row("fleet_bytes_per_device", statistics.median(found), "bytes", runs=RUNS, note=note)]


if __name__ == "__main__":
    print(grown(DEVICES))
