"""How many device messages a second one core of a cloud takes in: judged, and stored in batches.

The floor judges the same kind of messages with the same fast path and does nothing else.
"""

import os
import statistics
import time
from random import Random

from host_sim import fast
from host_sim.bench.cloud_stage import Stage, stage
from host_sim.bench.rows import Row
from host_sim.bench.timing import interleaved
from host_sim.device import SimDevice
from hxtp import frame
from hxtp.sign import Key as PlainKey
from hxtp.topics import split
from hxtp.window import Window

DEVICES = 16
SAMPLES = 900  # of each device in a run: fewer altogether than may wait in the cloud, which drops the rest
RUNS = 3
PATIENCE = 60  # seconds until all of a run are stored
TOLD = 'hxtp_device_messages_total{kind="telemetry"}'
START = 1_777_200_000_000
FLOOR = 2000  # messages


def _messages() -> tuple[SimDevice, list[tuple[str, bytes]]]:
    random = Random(1)
    device = SimDevice("ab" * 16, "tenant-1", random.randbytes(32), random.randbytes)
    link = fast.Link(device.device_id, "tenant-1", [(PlainKey(device._secret), Window())], random.randbytes)
    device.connected(START)
    now = START
    while (up := device.take(now)) is not None:
        link.receive(split(up[0])[2], up[1], now)
        while (down := link.take(now)) is not None:
            device.receive(f"hxtp/tenant-1/device/{device.device_id}/{down[0]}", down[1], now)
    found = []
    for number in range(FLOOR):
        device.session.telemetry({"temperature_mdeg": 20000 + number, "humidity": 40}, now)
        while (up := device.take(now)) is not None:
            found.append((split(up[0])[2], up[1]))
    return device, found


def _floor() -> float:
    """Messages that are verified in a second of processor time."""
    device, messages = _messages()
    key = fast.Key(device._secret)

    def judge() -> None:
        verifier = fast.verifier(frame.TO_CLOUD, [(key, Window())], device.device_id, "tenant-1")
        for channel, payload in messages:
            message = verifier.judge(payload, START, channel)
            if message.code:
                raise AssertionError(message.code)
            message.params()
            verifier.accept(message)

    return len(messages) / interleaved({"judge": judge}, 7)["judge"]


def _run(one: Stage) -> tuple[float, float]:
    """(messages a second of the cloud's processor time, messages a second)."""
    before, spent = one.metric(TOLD), one.spent()["cloud"]
    began = one.ask_fleet({"telemetry": SAMPLES})["began"]
    end = time.monotonic() + PATIENCE
    while one.metric(TOLD) - before < DEVICES * SAMPLES:
        if time.monotonic() > end:
            raise OSError(f"{one.metric(TOLD) - before:.0f} of {DEVICES * SAMPLES} samples were taken in")
        time.sleep(0.02)
    seconds = time.monotonic() - began
    return DEVICES * SAMPLES / (one.spent()["cloud"] - spent), DEVICES * SAMPLES / seconds


def measure() -> list[Row]:
    """Raises Missing where the system does not tell what a process spends."""
    with stage(DEVICES) as one:
        runs = [_run(one) for _ in range(RUNS + 1)][1:]
    cores = statistics.median(per_core for per_core, _ in runs)
    rate = statistics.median(rate for _, rate in runs)
    note = (
        f"telemetry of {DEVICES} devices over MQTT and TLS into SQLite, for a second of the cloud's "
        f"processor time, its broker's work included; {rate:,.0f} in a second of time, on {os.cpu_count()} "
        "processors with the devices; floor: verifying such messages, nothing else"
    )
    return [Row("ingest", cores, "1/s and core", _floor(), None, RUNS, note)]
