"""One MQTT client of the kit: what comes goes into a queue, what goes wrong into one sentence.

It must never reconnect by itself: a case decides about connections.
"""

import queue
import socket
import ssl
import threading
import time
from typing import Any, NamedTuple

from host_sim.conformance.case import KitError
from host_sim.conformance.endpoint import Endpoint

try:
    import paho.mqtt.client as mqtt
except ModuleNotFoundError:
    raise KitError(
        "devices and clouds need the package paho-mqtt: make setup, or pip install paho-mqtt"
    ) from None

CONNECT_S = 10.0
MAX_PAYLOAD = 1 << 20  # bytes of a message that are kept: far more than a right one has
MAX_WAITING = 10000  # messages


class Arrived(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool


class Refused(KitError):
    """The broker is there and does not let this client in."""


class Client:
    """Connected between `connect` and `close`. `lost` says why the connection ended by itself, if it did."""

    def __init__(self, to: Endpoint, client_id: str, *, keepalive: int = 60, will: str | None = None) -> None:
        self.lost: str | None = None
        self.queue: queue.SimpleQueue[Arrived | None] = queue.SimpleQueue()
        self._to = to
        self._keepalive = keepalive
        self._answered = threading.Event()
        self._granted: dict[int | None, list[bool]] = {}
        self._subscribed = threading.Condition()
        self._refused: str | None = None
        self._closing = False
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        if to.tls is not None:
            client.tls_set_context(to.tls)
        if to.username is not None:
            client.username_pw_set(to.username, to.password)
        if will is not None:
            client.will_set(will, b"")
        client.on_socket_open = lambda *args: args[2].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self._client = client

    def connect(self) -> "Client":
        """Raises KitError, which is Refused where the broker is there and says no."""
        self._client.connect_timeout = CONNECT_S
        try:
            self._client.connect(self._to.host, self._to.port, self._keepalive)
        except ssl.SSLCertVerificationError as error:
            raise KitError(
                f"the certificate of {self._to} is not to be trusted: {error.verify_message}; give --ca FILE"
            ) from None
        except (OSError, ValueError) as error:  # a host that cannot be one is a ValueError
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise KitError(
                f"no broker answers at {self._to}: {reason}; is it running, and the address right?"
            ) from None
        self._client.loop_start()
        if not self._answered.wait(CONNECT_S):
            self.close()
            raise KitError(f"{self._to} takes connections and does not answer as an MQTT broker")
        if self._refused is not None:
            self.close()
            raise Refused(f"the broker at {self._to} refuses the client: {self._refused}")
        return self

    def subscribe(self, topics: list[str]) -> list[bool]:
        """Subscribe at QoS 1; which of the topics the broker granted. Raises KitError."""
        result, mid = self._client.subscribe([(topic, 1) for topic in topics])
        with self._subscribed:
            if result == mqtt.MQTT_ERR_SUCCESS and self._subscribed.wait_for(
                lambda: mid in self._granted, CONNECT_S
            ):
                return self._granted[mid]
        raise KitError(f"the broker at {self._to} does not answer a subscription ({self.lost or 'silence'})")

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        if self._client.publish(topic, payload, qos=qos, retain=retain).rc != mqtt.MQTT_ERR_SUCCESS:
            raise KitError(f"the connection to {self._to} is lost: {self.lost or 'nobody says why'}")

    def next(self, seconds: float) -> Arrived | None:
        """The next message, or None after so long, and at once when the connection is lost (see `lost`)."""
        try:
            return self.queue.get(timeout=max(0.0, seconds)) if seconds > 0 else self.queue.get_nowait()
        except queue.Empty:
            return None

    def close(self, vanish: bool = False) -> None:
        """`vanish`: without DISCONNECT, so that the will is published."""
        self._closing = True
        if vanish:
            sock = self._client.socket()
            if sock is not None:
                sock.close()
        else:
            self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, data: Any, flags: Any, reason: Any, props: Any) -> None:
        if reason.is_failure:
            self._refused = str(reason)
        self._answered.set()

    def _on_disconnect(self, client: mqtt.Client, data: Any, flags: Any, reason: Any, props: Any) -> None:
        self.lost = self.lost or str(reason)
        if not self._answered.is_set():
            self._refused = f"the connection ended at once ({reason})"
            self._answered.set()
        if not self._closing:
            self.queue.put(None)

    def _on_message(self, client: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        if self.queue.qsize() < MAX_WAITING:
            self.queue.put(
                Arrived(message.topic, message.payload[:MAX_PAYLOAD], message.qos, bool(message.retain))
            )
        elif self.lost is None:
            self.lost = f"more than {MAX_WAITING} messages wait, which no device sends"
            client.disconnect()

    def _on_subscribe(self, client: mqtt.Client, data: Any, mid: int, reasons: Any, props: Any) -> None:
        with self._subscribed:
            self._granted[mid] = [not reason.is_failure for reason in reasons]
            self._subscribed.notify_all()


def now() -> int:
    """ms since 1970, by a clock that never jumps."""
    return _EPOCH + time.monotonic_ns() // 1000000


_EPOCH = time.time_ns() // 1000000 - time.monotonic_ns() // 1000000
