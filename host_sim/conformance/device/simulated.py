"""A simulated device in virtual time as a target: each case gets a new one, which has met the kit's cloud."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from host_sim.broker.packets import Connect
from host_sim.conformance.case import Case, Failed, KitError
from host_sim.conformance.device import meet
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.memory_line import MemoryLine, as_it_is
from host_sim.conformance.running import Target
from host_sim.conformance.virtual import Random
from host_sim.device import SimDevice
from hxtp.sign import Key

TENANT, DEVICE, SECRET = "tenant-1", "d0" * 16, b"\xab" * 32


def simulated(**options: Any) -> SimDevice:
    return SimDevice(DEVICE, TENANT, SECRET, Random(b"device"), **options)


def target(
    make: Callable[[], SimDevice] = simulated,
    subject: str = "a simulated device",
    named: str | None = None,
    connect: Callable[[Connect], None] = as_it_is,
) -> Target:
    """`make` makes the device of each case; `named` is the user's --action; `connect` spoils its CONNECT."""

    @asynccontextmanager
    async def open_peer(case: Case) -> AsyncIterator[Cloud]:
        cloud = Cloud(MemoryLine(make(), connect), TENANT, DEVICE, Key(SECRET), Random(b"cloud"))
        try:
            meet(cloud, named)
        except KitError as error:  # of a device that cannot even be met
            raise Failed(str(error)) from None
        cloud.lend()
        yield cloud

    return Target(subject, open_peer, frozenset({"slow"}))
