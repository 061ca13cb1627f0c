"""The cloud's connection to the broker. Must never log a payload or a password.

Over MQTT 5 several workers share one subscription; over 3.1.1 (the embedded broker) there is one worker.
"""

import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt

from host_sim.cloud.exchange.exchange import INBOUND
from host_sim.cloud.settings import BROKER_PORTS
from host_sim.trouble import Trouble

log = logging.getLogger(__name__)

GROUP = "hxtp-cloud"  # of the shared subscription


class UplinkError(Trouble):
    """The broker cannot be used; says why and what to do, without a password."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is. `ca`: the file of the CA that vouches for it; None: the system's."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None

    @classmethod
    def of(cls, url: str, password: str | None = None, ca: Path | None = None) -> "BrokerAddress":
        """From mqtt[s]://[USER@]HOST[:PORT]. Raises UplinkError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if (
            parts.scheme not in BROKER_PORTS
            or not parts.hostname
            or parts.path not in ("", "/")
            or parts.query
        ):
            raise UplinkError("the broker's URL is mqtts://[USER@]HOST[:PORT], or mqtt:// on this machine")
        if parts.password:
            raise UplinkError("the broker's password does not belong into its URL: set broker_password")
        username = unquote(parts.username) if parts.username else None
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, port or BROKER_PORTS[parts.scheme], tls, username, password, ca)


def client_for(address: BrokerAddress, client_id: str, version_5: bool = False) -> mqtt.Client:
    """A client that is not connected yet, and comes back by itself once it was."""
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=mqtt.MQTTv5 if version_5 else mqtt.MQTTv311,
        reconnect_on_failure=True,
    )
    if address.tls:
        cafile = str(address.ca) if address.ca else None
        client.tls_set_context(ssl.create_default_context(cafile=cafile))
    if address.username is not None:
        client.username_pw_set(address.username, address.password)
    client.reconnect_delay_set(1, 30)
    client.max_queued_messages_set(20000)
    client.on_socket_open = _send_at_once
    return client


class Broker(Protocol):
    """The cloud's end at a broker, over the network (`Uplink`) or in its own process (`LocalUplink`)."""

    address: BrokerAddress

    def connected(self) -> bool:
        """Whether what is published now reaches the broker."""

    def round_trip(self, timeout: float) -> None:
        """Ask the broker something. Raises UplinkError without an answer in `timeout` s."""

    def publish(self, topic: str, payload: bytes) -> None:
        """At QoS 1."""


class Uplink:
    """`receive(topic, payload)` is called on this connection's thread for what devices publish.

    `shared`: speak MQTT 5 and share the subscription with other workers. Losses are repaired by themselves.
    """

    def __init__(
        self, address: BrokerAddress, receive: Callable[[str, bytes], None], shared: bool = False
    ) -> None:
        self.address = address
        self._receive = receive
        self._shared = shared
        self._connected = False
        self._ending = False
        self._settled = threading.Event()
        self._refusal = ""
        self._asking = threading.Lock()
        self._asked: dict[int, threading.Event] = {}  # by packet id: who waits for an answer
        # Two workers with one client id would throw each other off the broker for ever.
        self._client = client_for(address, f"{GROUP}-{os.urandom(4).hex()}", version_5=shared)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_unsubscribe = self._on_unsubscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self, timeout: float = 10.0) -> "Uplink":
        """Connect and subscribe. Raises UplinkError within `timeout` seconds and says what was in the way."""
        where = f"the broker at {self.address.host}:{self.address.port}"
        self._client.connect_timeout = timeout
        try:
            self._client.connect(self.address.host, self.address.port, keepalive=30)
        except (OSError, ValueError) as error:
            raise UplinkError(f"cannot reach {where}: {error}") from None
        self._client.loop_start()
        if not self._settled.wait(timeout) or not self._connected:
            self.stop()
            raise UplinkError(f"no session with {where}: {self._refusal or 'it does not answer'}")
        return self

    def stop(self) -> None:
        self._ending = True
        self._client.disconnect()
        self._client.loop_stop()

    def connected(self) -> bool:
        """Whether there is a session with the broker, subscribed to the devices' channels."""
        return self._connected

    def round_trip(self, timeout: float) -> None:
        """Ask the broker something and wait for its answer. Raises UplinkError without one in `timeout` s."""
        answered = threading.Event()
        with self._asking:
            # To end a subscription that never was changes nothing, needs no rights, and is answered.
            result, mid = self._client.unsubscribe(f"{GROUP}/none")
            if result != mqtt.MQTT_ERR_SUCCESS or mid is None:
                raise UplinkError("there is no session with the broker")
            self._asked[mid] = answered
        try:
            if not answered.wait(timeout):
                raise UplinkError(f"the broker did not answer in {timeout} s")
        finally:
            self._asked.pop(mid, None)

    def publish(self, topic: str, payload: bytes) -> None:
        """At QoS 1. What the broker did not get is signed anew by the exchange."""
        self._client.publish(topic, payload, qos=1)

    def _on_connect(self, client: mqtt.Client, data: object, flags: object, reason: Any, p: object) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            self._settled.set()
            return
        prefix = f"$share/{GROUP}/" if self._shared else ""
        filters = [f"{prefix}hxtp/+/device/+/{channel}" for channel in INBOUND]
        if self._shared:
            client.subscribe([(name, mqtt.SubscribeOptions(qos=1)) for name in filters])
        else:
            client.subscribe([(name, 1) for name in filters])

    def _on_subscribe(self, client: mqtt.Client, data: object, mid: int, reasons: Any, p: object) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refusal = "it does not let this user read the devices' channels"
            log.error("the broker: %s", self._refusal)
        else:
            self._connected = True
        self._settled.set()

    def _on_unsubscribe(self, client: mqtt.Client, data: object, mid: int, reasons: Any, p: object) -> None:
        with self._asking:  # who asked has noted it by then
            waiting = self._asked.get(mid)
        if waiting is not None:
            waiting.set()

    def _on_disconnect(
        self, client: mqtt.Client, data: object, flags: object, reason: Any, p: object
    ) -> None:
        if self._connected and not self._ending:
            log.warning("the broker's connection ended: %s", reason)
        self._connected = False

    def _on_message(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        self._receive(message.topic, message.payload)


def _send_at_once(client: mqtt.Client, data: object, sock: Any) -> None:
    # Without this the kernel holds a small packet back for up to 40 ms while another is unacknowledged.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
