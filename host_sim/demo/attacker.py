"""Somebody inside the house: reads and writes every topic of the broker, and has no device's key.

Stands for a stolen service login, a broken bridge, or the broker's own operator. What it forges is built from
what it overheard; it must never be given a secret.
"""

import json
import os
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt

from hxtp import envelope, frame, topics
from hxtp.jsontext import dumps
from hxtp.sign import Key, digest


@dataclass(frozen=True, slots=True)
class Overheard:
    """One message that passed the broker. `at`: host's monotonic seconds."""

    topic: str
    payload: bytes
    at: float

    @property
    def fields(self) -> dict:
        """The envelope; {} where it is none."""
        try:
            value = json.loads(self.payload[frame.HEADER :] if self.payload[:2] == b"HX" else self.payload)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Attacker:
    """Connected and listening between `start` and `stop`."""

    def __init__(self, port: int, ca_file: Path, username: str, password: str) -> None:
        self._port = port
        self._heard: list[Overheard] = []
        self._ready = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.tls_set_context(ssl.create_default_context(cafile=str(ca_file)))
        self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = lambda *unused: self._client.subscribe("hxtp/#", 1)
        self._client.on_subscribe = lambda *unused: self._ready.set()
        self._client.on_message = self._on_message

    def start(self, timeout: float = 10.0) -> "Attacker":
        """Raises OSError, or TimeoutError where the broker does not let it in."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        if not self._ready.wait(timeout):
            self.stop()
            raise TimeoutError("the broker did not let the eavesdropper in")
        return self

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: mqtt.Client, data: object, message: mqtt.MQTTMessage) -> None:
        self._heard.append(Overheard(message.topic, message.payload, time.monotonic()))

    def heard(self, device_id: str, channel: str, kind: str = "") -> list[Overheard]:
        """What was said on one channel of a device so far, oldest first."""
        found = [
            one
            for one in list(self._heard)
            if topics.split(one.topic) and one.topic.split("/")[3] == device_id
        ]
        return [
            one
            for one in found
            if one.topic.endswith("/" + channel) and kind in ("", one.fields.get("message_type"))
        ]

    def publish(self, topic: str, payload: bytes, timeout: float = 10.0) -> None:
        """At QoS 1, until the broker has it."""
        sent = self._client.publish(topic, payload, qos=1)
        sent.wait_for_publish(timeout)
        if not sent.is_published():
            raise TimeoutError("the broker did not take a message")


def tampered(message: Overheard, **params: object) -> bytes:
    """The overheard command with other parameters and a nonce that nobody saw; all else as it was."""
    fields = message.fields
    fields["params"] = {**fields["params"], **params}
    fields["nonce"] = os.urandom(16).hex()
    return frame.pack("command", dumps(fields).encode())


def tampered_with_care(message: Overheard, **params: object) -> bytes:
    """The same with a fitting hash, the present time and an unused number: but the signature is old."""
    fields = json.loads(tampered(message, **params)[frame.HEADER :])
    fields["payload_hash"] = digest(dumps(fields["params"]).encode()).decode()
    fields["sequence_number"] += 100000
    fields["timestamp"] = time.time_ns() // 1000000
    return frame.pack("command", dumps(fields).encode())


def by_a_stranger(message: Overheard) -> bytes:
    """A flawless command, as fresh as can be, signed with a key of the stranger's own."""
    fields = message.fields
    names = ("message_type", "device_id", "tenant_id", "client_id", "action")
    forged = {name: fields[name] for name in names}
    forged["message_id"] = forged["request_id"] = os.urandom(16).hex()
    forged["sequence_number"] = fields["sequence_number"] + 100000
    forged["timestamp"] = time.time_ns() // 1000000
    forged["nonce"] = os.urandom(16).hex()
    return envelope.build(Key(os.urandom(32)), forged, dumps(fields["params"]).encode())
