"""A cloud for one device: `hxtp.cloud.Link` behind a paho client, and the broker and board that go with it.

Nothing here is a product; it keeps every number the device used, so that a test can see that none came twice.
"""

import json
import os
import ssl
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho

from host_sim import FIRMWARE
from host_sim.board import VirtualBoard
from host_sim.broker.authority import HxtpAuthority
from host_sim.broker.server import ThreadedBroker
from host_sim.pki import Pki, make_pki
from hxtp import topics
from hxtp.cloud import Link
from hxtp.envelope import Message, parse
from hxtp.errors import HxtpError
from hxtp.sign import Key, mqtt_password
from hxtp.window import Window

TENANT = "tenant-1"
DEVICE = "d0" * 16
SECRET = b"\xab" * 32
EXPIRY = 4000000000
SERVICE = ("cloud", "of-the-test")
TIMEOUT = 60


def check_password(device_id: str, password: str, now_s: int) -> bool:
    return device_id == DEVICE and password == mqtt_password(SECRET, DEVICE, EXPIRY)


def make_broker(pki: Pki | None = None, host: str = "127.0.0.1") -> ThreadedBroker:
    tls = None
    if pki is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pki.certificate, pki.key)
    return ThreadedBroker(
        host=host, tls=tls, authority=HxtpAuthority({DEVICE: TENANT}, check_password, dict([SERVICE]))
    )


def hxtp_json(port: int, board: str, pki: Pki | None = None, **changes) -> str:
    given = {
        "tenant_id": TENANT,
        "device_id": DEVICE,
        "secret": SECRET.hex(),
        "mqtt": f"{'mqtts' if pki else 'mqtt'}://127.0.0.1:{port}",
        "password_expiry": EXPIRY,
        "wifi": {"ssid": "simulated", "password": "not-a-secret"},
        "board": board,
    }
    if pki:
        given["ca"] = "ca.pem"
    else:
        given["allow_unencrypted_mqtt"] = True
    return json.dumps({**given, **changes})


class Cloud:
    """The other end. `events`: what the device told, in order; `numbers`: its sequence numbers, in order."""

    def __init__(self, port: int, pki: Pki | None = None) -> None:
        self.link = Link(DEVICE, TENANT, [(Key(SECRET), Window())], os.urandom)
        self.events: list = []
        self.numbers: list[int] = []
        self.said: list[tuple[str, bytes]] = []
        self.sent: list[bytes] = []
        self._changed = threading.Condition()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="cloud-of-the-test")
        self._client.username_pw_set(*SERVICE)
        if pki is not None:
            self._client.tls_set(str(pki.ca))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"hxtp/{TENANT}/device/+/+", qos=1)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()

    @staticmethod
    def now() -> int:
        return time.time_ns() // 1_000_000

    def close(self) -> None:
        self._stop.set()
        self._ticker.join(10)
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> "Cloud":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _on_message(self, client, data, received) -> None:
        _, device, channel = topics.split(received.topic)
        if channel in topics.SUBSCRIBED or device != DEVICE:
            return  # our own
        with self._changed:
            self.said.append((channel, received.payload))
            if received.payload:
                message = Message()
                try:
                    parse(received.payload, message)
                    self.numbers.append(message.sequence)
                except HxtpError as error:
                    raise AssertionError(f"the device sent what cannot be read: {error}") from error
                event = self.link.receive(channel, received.payload, self.now())
                if event:
                    self.events.append(event)
            self._changed.notify_all()
        self._pump()

    def _tick(self) -> None:
        while not self._stop.wait(0.05):
            with self._changed:
                self.link.tick(self.now())
            self._pump()

    def _pump(self) -> None:
        while self._client.is_connected():
            with self._changed:
                message = self.link.take(self.now())
            if message is None:
                return
            self.sent.append(message[1])
            self._client.publish(topics.topic(TENANT, DEVICE, message[0]), message[1], qos=1)

    def publish(self, channel: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        """Anything at all, to the device."""
        self._client.publish(topics.topic(TENANT, DEVICE, channel), payload, qos, retain)

    def wait(self, predicate, what: str, timeout: float = TIMEOUT):
        """Wait until predicate() is true, and return what it gave."""
        end = time.monotonic() + timeout
        with self._changed:
            while not (value := predicate()):
                left = end - time.monotonic()
                assert left > 0, f"no {what} in {timeout} s; the device told {[e.type for e in self.events]}"
                self._changed.wait(min(left, 0.2))
            return value

    def hellos(self) -> list:
        return [event.body for event in self.events if event.type == "hello"]

    def wait_ready(self, count: int = 1, timeout: float = TIMEOUT) -> None:
        """Until the count-th hello that was answered, the manifest, and a state that followed it."""
        self.wait(lambda: len(self.hellos()) >= count, f"hello {count}", timeout)
        self.wait(lambda: self.link.manifest is not None, "manifest", timeout)

        def told() -> bool:
            kinds = [event.type for event in self.events]
            last = len(kinds) - 1 - kinds[::-1].index("hello")
            return "state" in kinds[last:]

        self.wait(told, "state", timeout)

    def order(self, action: str, **params):
        with self._changed:
            return self.link.submit(action, params, self.now())

    def command(self, action: str, timeout: float = TIMEOUT, **params):
        """Order an action and wait for its end. Returns the order."""
        order = self.order(action, **params)
        self.wait(order.settled, f"end of {action}", timeout)
        return order

    def no_number_twice(self) -> None:
        assert len(set(self.numbers)) == len(self.numbers), "a sequence number was used twice"


class World:
    """Broker, cloud and one board with the firmware of this checkout, in `folder`."""

    def __init__(
        self,
        folder: Path,
        runtime: str,
        tls: bool,
        board: str,
        heap: str = "128K",
        firmware: Path = FIRMWARE,
        **settings,
    ) -> None:
        self.folder = folder
        self.pki = make_pki(folder / "pki") if tls else None
        self.broker = make_broker(self.pki).start()
        try:
            self.cloud = Cloud(self.broker.port, self.pki)
            files = {"hxtp.json": hxtp_json(self.broker.port, board, self.pki, **settings)}
            if self.pki:
                files["ca.pem"] = self.pki.ca.read_bytes()
            self.board = VirtualBoard(
                folder / "flash", runtime=runtime, heap=heap, firmware=firmware, files=files
            )
        except BaseException:
            self.broker.stop()
            raise

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.board.stop()
        self.cloud.close()
        self.broker.stop()


RELAY_PIN = 26


def pin(world: World, number: int = RELAY_PIN) -> int:
    """The level of a pin now."""
    return world.board.pins()[number]["value"]


def wait_pin(world: World, value: int, number: int = RELAY_PIN) -> None:
    world.board.wait_until(lambda: pin(world, number) == value, 20, f"GPIO {number} at {value}")


def log(world: World) -> str:
    """The board's console so far."""
    return "\n".join(world.board.log)
