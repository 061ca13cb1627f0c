"""`python -m host_sim.bench.cloud_fleet`: simulated devices of a cloud, over MQTT and TLS, in one process.

It answers a line of JSON on stdin by one on stdout. First {"port", "ca", "devices": [[id, tenant, secret in
hex] …]}: "ready" once all have a session. Then {"sign": N}, when N samples of each device are signed: how
many that are. {"send": true}, when these were sent: the second in which that began. {}: {"commands":
{message id: [received, answered]}} since the last such question.
Seconds are of the monotonic clock, which all processes of a machine share.

Bare asyncio: a client library would cost more than what is measured.
"""

import asyncio
import json
import os
import ssl
import sys
import time

from host_sim.broker.framing import Framer
from host_sim.broker.packets import Connect, Publish, Subscribe, decode
from host_sim.device import SimDevice, qos_of
from hxtp.session import READY

PATIENCE = 60  # seconds until all have a session
TICK = 0.05  # seconds between looks at a device's timers
EXPIRY = 86400  # seconds that their passwords hold
STEP = 64  # samples that are handed over before the connections have their turn


class Client(asyncio.Protocol):
    """One device's connection."""

    def __init__(self, device: SimDevice, times: dict[str, list[float]]) -> None:
        self.device = device
        self.behind = False  # the broker, so that more would only wait here
        self._times = times
        self._framer = Framer()
        self._packet_id = 0
        self._lines: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        login = self.device.login(int(time.time()) + EXPIRY)
        self._filters = login.subscribe
        will = Publish(login.will_topic, b"")
        self._send(
            Connect(login.client_id, True, 300, login.username, login.password.encode(), will).encode()
        )
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._framer.feed(data)
        while (frame := self._framer.next_frame()) is not None:
            kind = frame[0] >> 4
            if kind == 3:
                self._message(frame)
            elif kind == 2:
                if frame[3]:
                    raise SystemExit(f"the broker refuses {self.device.device_id}: {frame[3]}")
                self._send(Subscribe(1, [(name, 1) for name in self._filters]).encode())
            elif kind == 9:
                self.device.connected(_now())
        self.pump()

    def _message(self, frame: bytes) -> None:
        arrived = time.monotonic()
        packet = decode(frame)
        if packet.qos:
            self._send(b"\x40\x02" + packet.packet_id.to_bytes(2, "big"))
        runs = self.device.runs
        before = len(runs)
        self.device.receive(packet.topic, packet.payload, _now())
        for run in runs[before:]:
            self._times[run.message_id] = [arrived, 0.0]
        ran = [run.message_id for run in runs[before:]]
        if ran:
            runs.clear()
            self.pump()
            for message_id in ran:
                self._times[message_id][1] = time.monotonic()

    def pause_writing(self) -> None:
        self.behind = True

    def resume_writing(self) -> None:
        self.behind = False

    def packets(self) -> list[bytes]:
        """What the device has to say."""
        now = _now()
        found = []
        while (message := self.device.take(now)) is not None:
            qos = qos_of(message[0])
            self._packet_id = self._packet_id % 65535 + 1
            found.append(Publish(*message, qos, packet_id=self._packet_id if qos else 0).encode())
        return found

    def pump(self) -> None:
        """Send what the device has to say."""
        self._lines += self.packets()
        self._flush()

    def _send(self, data: bytes) -> None:
        self._lines.append(data)

    def _flush(self) -> None:
        if self._lines:
            self.transport.write(b"".join(self._lines))
            self._lines.clear()

    def connection_lost(self, error: Exception | None) -> None:
        self.device.disconnected(_now())


def _now() -> int:
    return time.monotonic_ns() // 1000000


async def _signed(clients: list[Client], count: int) -> list[tuple[Client, bytes]]:
    """So many samples of each device in turn, as the packets that carry them."""
    packets = []
    for number in range(count):
        for client in clients:
            client.device.session.telemetry({"temperature_mdeg": 20000 + number, "humidity": 40}, _now())
            packets += [(client, packet) for packet in client.packets()]
        await asyncio.sleep(0)
    return packets


async def _send(packets: list[tuple[Client, bytes]]) -> None:
    """Each as a write, and so a TLS record, of its own, as soon as its connection takes it."""
    for first in range(0, len(packets), STEP):
        for client, packet in packets[first : first + STEP]:
            while client.behind:
                await asyncio.sleep(0.001)
            client.transport.write(packet)
        await asyncio.sleep(0)


async def _run() -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    given = json.loads(await lines.readline())
    tls = ssl.create_default_context(cafile=given["ca"])
    times: dict[str, list[float]] = {}
    signed: list[tuple[Client, bytes]] = []
    clients = []
    for device_id, tenant_id, secret in given["devices"]:
        device = SimDevice(device_id, tenant_id, bytes.fromhex(secret), os.urandom)
        client = Client(device, times)
        clients.append(client)
        await loop.create_connection(
            lambda client=client: client, "127.0.0.1", given["port"], ssl=tls, server_hostname="127.0.0.1"
        )
    end = time.monotonic() + PATIENCE
    while not all(client.device.session.state == READY for client in clients):
        if time.monotonic() > end:
            raise SystemExit("not every device has a session")
        await asyncio.sleep(TICK)
        _tick(clients)
    print(json.dumps("ready"), flush=True)

    async def alive() -> None:
        while True:
            await asyncio.sleep(TICK)
            _tick(clients)

    ticking = asyncio.create_task(alive())
    while line := await lines.readline():
        asked = json.loads(line)
        if "sign" in asked:
            signed = await _signed(clients, asked["sign"])
            told = len(signed)
        elif "send" in asked:
            told = time.monotonic()
            await _send(signed)
        else:
            told = {"commands": times}
        print(json.dumps(told), flush=True)
        times.clear()
    ticking.cancel()


def _tick(clients: list[Client]) -> None:
    now = _now()
    for client in clients:
        if client.device.tick(now):
            raise SystemExit("a device wants to connect anew")
        client.pump()


if __name__ == "__main__":
    asyncio.run(_run())
