"""How many device messages a second one core of a cloud takes in: judged, and stored in batches.

`ingest` is all that the cloud's process does, with its embedded broker: TLS, MQTT, who may publish what, and
the exchange. `ingest_exchange` is the exchange alone, from what the broker hands over to what is committed.
The floor judges the same kind of messages with the same fast path and does nothing else, in turns with the
runs, while the devices sign on the other core what they are going to send.
"""

import os
import statistics
import time
from collections.abc import Callable
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
SAMPLES = 1200  # of each device in a run: fewer altogether than may wait in the cloud, which drops the rest
RUNS = 7
PATIENCE = 60  # seconds until all of a run are stored
LOOK = 0.1  # seconds between looks whether they are, each of which costs the cloud some milliseconds
TOLD = 'hxtp_device_messages_total{kind="telemetry"}'
EXCHANGE = "hxtp_exchange_processor_seconds_total"
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


def _judging() -> Callable[[], None]:
    """Verifies FLOOR messages and does nothing else."""
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

    return judge


def _run(one: Stage, floor: Callable[[], object] = bool, usual: float = 0.0) -> tuple[float, float, float]:
    """Of one message: seconds of the cloud's processor time, of that the exchange's, and of time.

    `floor()` is called while the devices sign what they are going to send. `usual`: seconds of time that a
    message took before; nobody looks whether all are stored before that is nearly over.
    """
    count = one.ask_fleet({"sign": SAMPLES}, floor)
    told, exchange = one.metrics(TOLD, EXCHANGE)
    spent = one.spent()["cloud"]
    began = one.ask_fleet({"send": True})
    end = time.monotonic() + PATIENCE
    time.sleep(0.8 * usual * count)
    while (now := one.metrics(TOLD, EXCHANGE))[0] - told < count:
        if time.monotonic() > end:
            raise OSError(f"{now[0] - told:.0f} of {count} samples were taken in")
        time.sleep(LOOK)
    seconds = time.monotonic() - began
    spent = one.spent()["cloud"] - spent
    return spent / count, (now[1] - exchange) / count, seconds / count


def measure() -> list[Row]:
    """Raises Missing where the system does not tell what a process spends."""
    judge = _judging()
    runs, floors = [], []

    def floor() -> None:
        floors.append(interleaved({"judge": judge}, 3)["judge"] / FLOOR)

    with stage(DEVICES) as one:
        _, _, usual = _run(one)
        for _ in range(RUNS):
            runs.append(_run(one, floor, usual))
            usual = min(usual, runs[-1][2])
    cloud, exchange, passed = (statistics.median(part) for part in zip(*runs, strict=True))
    least = statistics.median(floors)
    note = (
        f"telemetry of {DEVICES} devices over MQTT and TLS into SQLite, for a second of the cloud's "
        f"processor time; of the {1e6 * cloud:.1f} µs for a message {1e6 * (cloud - exchange):.1f} are the "
        f"broker's and the API's; {1 / passed:,.0f} in a second of time, on {os.cpu_count()} processors with "
        "the devices; floor: verifying such messages, nothing else"
    )
    share = (
        f"of the exchange's thread: {1e6 * exchange:.1f} µs for a message, of which verifying it would be "
        f"{1e6 * least:.1f}"
    )
    return [
        Row("ingest", 1 / cloud, "1/s and core", 1 / least, None, RUNS, note),
        Row("ingest_exchange", 1 / exchange, "1/s and core", 1 / least, None, RUNS, share),
    ]
