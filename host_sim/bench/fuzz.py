"""What a step of the stateful fuzzer costs, with device, cloud and broker in it, beside Hypothesis itself.

The floor is the same machine with the same rules and choices, whose world does nothing.
"""

import importlib
import statistics
import time
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from host_sim.bench.rows import Missing, Row

SUBJECT = "tests.property.test_device_and_cloud_under_faults"
RUNS = 5
EXAMPLES = 60
STEPS = 30


class _Nothing:
    """Takes any call and holds what the rules look at: a message to replay, an order that waits."""

    message_id = "nothing"
    state = "READY"
    now = 0
    published = (("cmd", bytes(600)),)

    def __init__(self, *arguments: Any) -> None:
        self.orders: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        return self

    def receive(self, *arguments: Any) -> None:
        pass

    def executed(self) -> list[str]:
        return []


class _Waiting(_Nothing):
    def __init__(self, *arguments: Any) -> None:
        super().__init__()
        self.link = _Nothing()
        self.link.orders = [self.link]


def measure() -> list[Row]:
    """Microseconds of processor time. Raises Missing where the fuzzer is not in this checkout."""
    try:
        subject = importlib.import_module(SUBJECT)
    except ModuleNotFoundError as missing:
        raise Missing(f"no {missing.name}") from None
    world, empty = [], []
    for turn in range(RUNS + 1):
        real = _step(subject, subject.Rig, {})
        floor = _step(subject, _Waiting, {"envelope": _Nothing(), "jsontext": _Nothing(), "Key": _Nothing()})
        if turn:
            world.append(real)
            empty.append(floor)
    note = f"{EXAMPLES} examples of {STEPS} steps, healing and checking included; floor: Hypothesis alone"
    return [Row("fuzz_step_us", statistics.median(world), "us", statistics.median(empty), None, RUNS, note)]


def _step(subject: Any, rig: type, nothing: dict[str, Any]) -> float:
    steps = 0

    class Counted(rig):
        def check(self) -> None:
            nonlocal steps
            steps += 1
            if rig is not _Waiting:
                super().check()

    start = time.process_time()
    with mock.patch.multiple(subject, Rig=Counted, **nothing):
        run_state_machine_as_test(subject.DeviceAndCloud, settings=_settings())
    return (time.process_time() - start) / steps * 1e6


def _settings() -> settings:
    return settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
