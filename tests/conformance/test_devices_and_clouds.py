"""Our device and gateway pass every case in virtual time, every broken one is caught, cases stay readable."""

import asyncio
import inspect
from dataclasses import replace

import pytest

from host_sim.conformance import clauses, cloud, device, running
from host_sim.conformance.case import Case, Outcome
from host_sim.conformance.cloud import simulated as simulated_cloud
from host_sim.conformance.device import simulated as simulated_device
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.memory_line import MemoryLine
from host_sim.conformance.mutants import cloud as broken_clouds
from host_sim.conformance.mutants import device as broken_devices
from host_sim.conformance.virtual import Random
from host_sim.device import Lamp, SimDevice
from hxtp.sign import Key

DEVICE_CASES = {case.id: case for case in device.cases()}
CLOUD_CASES = {case.id: case for case in cloud.cases()}
EVERY = {**DEVICE_CASES, **CLOUD_CASES}

NOT_FOR_IT = {"telemetry"}  # it has nothing to measure
# What the gateway has no place for, and the reference cloud has: tests/cloud/test_conformance.py.
OVER_HTTP = {id for id in CLOUD_CASES if id.startswith(("cloud-check-", "cloud-critical-", "cloud-confirm-"))}


def outcomes(cases, target):
    """Every case's id with what became of it, and why."""
    found = asyncio.run(running.run(list(cases), target, running.Silent()))
    assert found.stopped is None
    return {result.case.id: (result.status, result.message) for result in found.results}


def but_passed(found):
    return {id: each for id, each in found.items() if each[0] is not Outcome.PASSED}


def test_our_device_passes_every_case():
    """HX3-TERM-01."""
    found = but_passed(outcomes(DEVICE_CASES.values(), simulated_device.target()))
    assert set(found) == NOT_FOR_IT
    assert {status for status, _ in found.values()} == {Outcome.SKIPPED}


def test_the_gateway_passes_every_case():
    """HX3-TERM-02."""
    found = but_passed(outcomes(CLOUD_CASES.values(), simulated_cloud.target()))
    assert set(found) == OVER_HTTP
    assert set(found.values()) <= {(Outcome.SKIPPED, "the gateway has no HTTP API")}


@pytest.mark.parametrize("row", broken_devices.TABLE, ids=lambda row: row.name)
def test_a_broken_device_is_caught_by_its_case(row):
    target = simulated_device.target(lambda: broken_devices.BrokenDevice(row.spoil), connect=row.connect)
    ((status, message),) = outcomes([DEVICE_CASES[row.case]], target).values()
    assert status is Outcome.FAILED
    assert "could not go on" not in message  # it was judged, and did not just stumble


@pytest.mark.parametrize("row", broken_clouds.TABLE, ids=lambda row: row.name)
def test_a_broken_cloud_is_caught_by_its_case(row):
    ((status, message),) = outcomes([CLOUD_CASES[row.case]], simulated_cloud.target(row.spoil)).values()
    assert status is Outcome.FAILED
    assert "could not go on" not in message


def test_the_unbroken_devices_of_the_mutants_pass():
    target = simulated_device.target(lambda: broken_devices.BrokenDevice(lambda session: None))
    assert set(but_passed(outcomes(DEVICE_CASES.values(), target))) == NOT_FOR_IT


def test_a_device_without_a_toggle_is_tried_with_what_it_has():
    target = simulated_device.target(lambda: simulated_device.simulated(parts=lambda: [Lamp()]))
    assert set(but_passed(outcomes(DEVICE_CASES.values(), target))) == NOT_FOR_IT


class Thermometer(SimDevice):
    """Measures every second."""

    def tick(self, now):
        if self.session.serving() and now % 1000 < 250:
            self.session.telemetry({"temperature_mdeg": 21500}, now)
        return super().tick(now)


def test_a_device_that_measures_declares_it():
    who = simulated_device
    target = who.target(lambda: Thermometer(who.DEVICE, who.TENANT, who.SECRET, Random(b"device")))
    target = replace(target, features=target.features | {"telemetry"})
    found = outcomes([DEVICE_CASES["telemetry"], DEVICE_CASES["quality-of-service"]], target)
    assert but_passed(found) == {}


def one_device():
    """(SimDevice, what all cases share of it)"""
    who = simulated_device
    simulated = who.simulated()
    cloud = Cloud(MemoryLine(simulated), who.TENANT, who.DEVICE, Key(who.SECRET), Random(b"cloud"))
    device.meet(cloud)
    return simulated, running.Target("one device for all", device.shared(cloud))


def test_a_device_that_goes_away_for_good_ends_the_run():
    simulated, target = one_device()
    simulated.power_off()
    cases = [DEVICE_CASES[id] for id in ("hello-retry", "session-false", "signature")]
    found = asyncio.run(running.run(cases, target, running.Silent()))
    assert [result.case.id for result in found.results] == ["hello-retry"]
    assert "does not come back" in found.stopped and found.exit_status == 2


def test_a_case_that_takes_too_long_leaves_the_device_to_the_next():
    waiting = Case("waits", "waits for ever", (), (), lambda cloud: cloud.wait(10**12), limit=0.1)
    _, target = one_device()
    found = outcomes([waiting, DEVICE_CASES["signature"], DEVICE_CASES["command-executed"]], target)
    assert found["waits"] == (Outcome.FAILED, "not done within 0.1 s")
    assert set(but_passed(found)) == {"waits"}


class Plotter:
    """A part with an action that needs two numbers, so that the kit does not guess any."""

    KIND = "plotter"

    def __init__(self):
        self.name = "plotter"
        number = {"type": "integer", "minimum": 0, "maximum": 9, "required": True}
        self.actions = {"plotter_draw": (500, "Draw a line", {"from": number, "to": number})}

    def plotter_draw(self, params):
        return None

    def state(self):
        return {"plotter": True}


def test_a_device_that_shows_nothing_is_tried_as_far_as_that_goes():
    target = simulated_device.target(lambda: simulated_device.simulated(parts=lambda: [Plotter()]))
    found = outcomes(DEVICE_CASES.values(), target)
    assert [id for id, (status, _) in found.items() if status is Outcome.FAILED] == []
    assert found["signature"][0] is Outcome.PASSED
    assert "name one with --action" in found["command-executed"][1]


class Deaf(SimDevice):
    """Subscribes to no commands."""

    def login(self, password_expiry):
        login = super().login(password_expiry)
        return replace(login, subscribe=login.subscribe[1:])


class Unheard(SimDevice):
    """Tells what it has to tell on another channel than the right one."""

    def take(self, now):
        message = super().take(now)
        return message and (message[0].replace("/hello", "/state"), message[1])


class Mute(SimDevice):
    """Executes, acks, and tells no state of it."""

    def _receive(self, *what):
        before = len(self.runs)
        super()._receive(*what)
        if len(self.runs) > before:
            self.session.outbox.state = False


@pytest.mark.parametrize(
    "kind, says",
    [
        (Deaf, ("it has not subscribed to hxtp/tenant-1/device/", "/cmd, but to hxtp/")),
        (Unheard, ("a hello on the device's topic hello; got one on state",)),
        (Mute, ("to be acked, and the state to tell its effect; got the ack, and no state",)),
    ],
)
def test_it_says_what_a_device_left_out(kind, says):
    who = simulated_device
    target = who.target(lambda: kind(who.DEVICE, who.TENANT, who.SECRET, Random(b"device")))
    ((status, message),) = outcomes([DEVICE_CASES["command-executed"]], target).values()
    assert status is Outcome.FAILED
    assert all(part in message for part in says), message


def test_it_says_that_puback_is_missing():
    def many(cloud):
        cloud.ready()
        cloud.line._peer.client.acknowledge = False
        for _ in range(70):  # a broker waits after 64
            cloud.probe()

    _, target = one_device()
    status, message = outcomes([Case("many", "sends many commands", (), (), many)], target)["many"]
    assert status is Outcome.FAILED
    assert "PUBACK is missing: 64 messages" in message


@pytest.mark.parametrize("case", EVERY.values(), ids=lambda case: case.id)
def test_a_case_is_readable(case):
    lines = inspect.getsource(case.run).splitlines()
    assert len(lines) < 40, "as long as that, nobody reads it"
    assert case.clauses and case.group


def test_every_case_names_clauses_of_the_specification():
    named = {clause for case in EVERY.values() for clause in case.clauses}
    assert named <= clauses.texts().keys()


def test_every_case_can_be_told_from_the_others():
    assert len(DEVICE_CASES) + len(CLOUD_CASES) == len(EVERY)
    assert len({case.title for case in EVERY.values()}) == len(EVERY)
