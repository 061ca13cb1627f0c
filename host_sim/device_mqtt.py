"""A SimDevice over real MQTT, in a thread of its own.

For tests of brokers and gateways. It must never be taken for the firmware's way to connect, which it is not.
"""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

from host_sim.device import SimDevice, qos_of

POLL = 0.02  # seconds
RETRY = 0.2  # seconds between attempts to connect


class MqttDevice:
    """Keeps one SimDevice connected until `stop`; after a power cut it waits for `reboot`."""

    def __init__(
        self, device: SimDevice, port: int, password_expiry: int, ca_file: str | Path | None = None
    ) -> None:
        self.device = device
        self._login = device.login(password_expiry)
        self._port = port
        self._tls = None if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
        self._work: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"device {device.device_id[:8]}", daemon=True)
        self._client: mqtt.Client | None = None
        self._next_attempt = 0.0
        self.refusals: list[str] = []  # the broker's answers to logins that it did not take

    def start(self) -> "MqttDevice":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._work.put(None)
        self._thread.join(10)

    def __enter__(self) -> "MqttDevice":
        return self.start()

    def __exit__(self, *unused: object) -> None:
        self.stop()

    def call(self, work: Callable[[], Any], timeout: float = 10.0) -> Any:
        """Run something on the device's thread and return what it returns."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._work.put(lambda: answer.put(work()))
        return answer.get(timeout=timeout)

    def reboot(self) -> None:
        """Off and on again."""

        def do() -> None:
            self._drop()
            self.device.reboot()

        self.call(do)

    def _run(self) -> None:
        while True:
            try:
                work = self._work.get(timeout=POLL)
                if work is None:
                    self._drop()
                    return
                work()
            except queue.Empty:
                pass
            self._step()

    def _step(self) -> None:
        now = _now()
        if not self.device.powered:
            self._drop()
        elif self._client is None:
            if time.monotonic() >= self._next_attempt:
                self._connect()
        elif self.device.tick(now):
            self._drop()
        elif self._client.is_connected():
            while (message := self.device.take(now)) is not None:
                self._client.publish(*message, qos=qos_of(message[0]))

    def _connect(self) -> None:
        login = self._login
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=login.client_id,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.username_pw_set(login.username, login.password)
        client.will_set(login.will_topic, b"")
        # Callbacks come on the client's thread, and a client that was dropped may still call.
        client.on_socket_open = lambda *args: args[2].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.on_connect = lambda *args: self._connected(client, args[3])
        client.on_subscribe = lambda *args: self._mine(client, lambda: self.device.connected(_now()))
        client.on_disconnect = lambda *args: self._mine(client, self._drop)
        client.on_message = lambda *args: self._received(client, args[2])
        self._next_attempt = time.monotonic() + RETRY
        try:
            client.connect("127.0.0.1", self._port, keepalive=60)
        except OSError:
            return
        self._client = client
        client.loop_start()

    def _connected(self, client: mqtt.Client, reason: Any) -> None:
        if reason.is_failure:
            self.refusals.append(str(reason))
            self._mine(client, self._drop)
        else:
            client.subscribe([(name, 1) for name in self._login.subscribe])

    def _received(self, client: mqtt.Client, message: mqtt.MQTTMessage) -> None:
        self._mine(
            client, lambda: self.device.receive(message.topic, message.payload, _now(), message.retain)
        )

    def _mine(self, client: mqtt.Client, work: Callable[[], Any]) -> None:
        def do() -> None:
            if client is self._client:
                work()

        self._work.put(do)

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self.device.disconnected(_now())
            client.disconnect()
            client.loop_stop()


def _now() -> int:
    return time.monotonic_ns() // 1000000
