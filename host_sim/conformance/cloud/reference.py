"""Our reference cloud in this process as a cloud under test: for what the gateway has no place for (HTTP, the
yes to a critical action), and for mutants of that.

It listens on loopback alone, in a folder of its own. Its clock, and the kit's, are set forward where a case
waits for long. Nothing else in this process may run a reference cloud meanwhile.
"""

import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_sim.cloud import signed
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.provisioning import token_for
from host_sim.cloud.server import Cloud
from host_sim.cloud.services import Services
from host_sim.cloud.settings import load
from host_sim.cloud_client.options import Place
from host_sim.conformance.case import Case, Failed, KitError
from host_sim.conformance.cloud.by_api import CloudApi
from host_sim.conformance.cloud.device import Device
from host_sim.conformance.cloud.mqtt_line import MqttLine
from host_sim.conformance.mutants import Swap, applied
from host_sim.conformance.running import Target

LONG = 2000  # ms: a case that waits for longer does so on the clock alone
MANY = 1 << 30  # requests a minute


class Clock:
    """ms since 1970, for the cloud and for the kit; `skip` sets it forward."""

    def __init__(self) -> None:
        self._ahead = 0

    def now(self) -> int:
        return time.time_ns() // 1000000 + self._ahead

    def skip(self, ms: int) -> None:
        self._ahead += ms

    def reset(self) -> None:
        """For the next device, whose broker goes by the real time."""
        self._ahead = 0


class HastyLine(MqttLine):
    """A line whose time is that of a Clock."""

    clock: Clock

    def now(self) -> int:
        return self.clock.now()


@dataclass
class HastyDevice(Device):
    """The kit's device, which does not wait for long."""

    clock: Clock

    def wait(self, ms: int) -> None:
        if ms > LONG:
            self.clock.skip(ms - LONG // 10)
            ms = LONG // 10
        super().wait(ms)

    def settle_all(self) -> None:
        """It is new: nothing waits for it."""


@dataclass(frozen=True)
class Reference:
    """A reference cloud that runs, and how the kit gets in."""

    clock: Clock
    place: Place
    token: str


@contextmanager
def running() -> Iterator[Reference]:
    """Start one, and end it."""
    clock = Clock()
    edits = (
        Swap(Exchange, "now", lambda self: clock.now()),
        Swap(Services, "now", lambda self: clock.now()),
        Swap(signed, "REQUESTS", MANY),
    )
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(applied(edits))
        given = {
            **{"data": folder, "port": 0, "plain_http": True, "broker_port": 0, "log_level": "error"},
            **{"tier": "unlimited", "critical_per_hour": 0},
        }
        cloud = stack.enter_context(Cloud(load(given, environment={})))
        vars(cloud.services.exchange)["_clock"] = clock.now
        assert cloud.pki is not None
        token = token_for(cloud.settings, "kit@kit.example", "kit", "admin")
        yield Reference(clock, Place(cloud.settings.base_url(), Path(cloud.pki.ca)), token)


@contextmanager
def device_at(reference: Reference, connected: bool = True) -> Iterator[HastyDevice]:
    """A device of its own, with a session if it is to be connected. Raises Failed where the cloud cannot even
    be met.
    """
    reference.clock.reset()
    try:
        api = CloudApi(reference.place, reference.token)
    except KitError as error:
        raise Failed(str(error)) from None
    who = api.who
    line = HastyLine(api.broker, who, api)
    line.clock = reference.clock
    device = HastyDevice(line, who.tenant_id, who.device_id, who.secret, os.urandom, reference.clock)
    try:
        if connected:
            _meet(device)
        device.lend()
        yield device
    finally:
        line.close()


def _meet(device: Device) -> None:
    try:
        device.meet()
    except KitError as error:
        raise Failed(str(error)) from None


def target(reference: Reference, subject: str = "the reference cloud") -> Target:
    """Each case gets a device of its own; those about firmware checks alone need no session."""

    @asynccontextmanager
    async def open_peer(case: Case) -> AsyncIterator[Any]:
        with device_at(reference, not case.id.startswith("cloud-check-")) as device:
            yield device

    return Target(subject, open_peer, frozenset({"slow"}))
