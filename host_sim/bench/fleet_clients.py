"""`-m host_sim.bench.fleet_clients raw|gmqtt PORT COUNT`: bytes that this process grows by for each of so
many connections to an MQTT broker on the loopback interface, once all are accepted.

"raw": a bare asyncio protocol that sent CONNECT and got CONNACK; "gmqtt": a client of that library,
subscribed to its commands.
"""

import asyncio
import gc
import resource
import sys
from collections.abc import Awaitable, Callable

from host_sim.bench.fleet import resident
from host_sim.broker.packets import Connect

FEW = 20  # before the count begins: what the first ones bring along is not theirs
TIMEOUT = 60.0


class _Raw(asyncio.Protocol):
    def __init__(self) -> None:
        self.accepted = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.accepted.done():
            self.accepted.set_result(data)


async def _raw(port: int, number: int) -> object:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(_Raw, "127.0.0.1", port)
    transport.write(Connect(f"raw-{number}", True, 0, None, None, None).encode())
    if not (await protocol.accepted).startswith(b"\x20"):
        raise ConnectionError("no CONNACK")
    return protocol


async def _gmqtt(port: int, number: int) -> object:
    import gmqtt
    from gmqtt.mqtt.constants import MQTTv311

    subscribed = asyncio.Event()
    client = gmqtt.Client(f"gmqtt-{number}")
    client.on_subscribe = lambda *unused: subscribed.set()
    await client.connect("127.0.0.1", port, version=MQTTv311)
    client.subscribe(f"hxtp/bench/device/{number:032x}/cmd", qos=1)
    await subscribed.wait()
    return client


async def _grown(make: Callable[[int, int], Awaitable], port: int, count: int) -> float:
    clients = [await make(port, number) for number in range(FEW)]
    gc.collect()
    before = resident()
    for number in range(count):
        clients.append(await make(port, FEW + number))
    gc.collect()
    return (resident() - before) / count


def main() -> None:
    kind, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    make = {"raw": _raw, "gmqtt": _gmqtt}[kind]
    print(asyncio.run(asyncio.wait_for(_grown(make, port, count), TIMEOUT)))


if __name__ == "__main__":
    main()
