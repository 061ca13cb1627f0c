"""The gateway in virtual time as a target: each case gets a new one, with a session of the kit's device."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from host_sim.conformance.case import Case, Failed, KitError
from host_sim.conformance.cloud.device import Device
from host_sim.conformance.cloud.memory_line import MemoryLine
from host_sim.conformance.running import Target
from host_sim.conformance.virtual import Random


def target(spoil: Callable[[Any], None] | None = None, subject: str = "the gateway") -> Target:
    """`spoil(link)` breaks the cloud of each case."""

    @asynccontextmanager
    async def open_peer(case: Case) -> AsyncIterator[Device]:
        line = MemoryLine(Random(b"gateway"), spoil)
        who = line.identity
        device = Device(line, who.tenant_id, who.device_id, who.secret, Random(b"kit"))
        try:
            device.meet()
        except KitError as error:  # of a cloud that cannot even be met
            raise Failed(str(error)) from None
        device.lend()
        yield device

    return Target(subject, open_peer, frozenset({"slow"}))
