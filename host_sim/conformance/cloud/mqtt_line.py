"""A real cloud: its broker over MQTT, and its commands by what the user said with --send and --online.

It must never put a secret into a command's arguments or environment.
"""

import json
import subprocess
import threading

from host_sim.conformance.case import KitError
from host_sim.conformance.cloud.line import NO_ONLINE, NO_RESTART, NO_SEND, Outcome
from host_sim.conformance.endpoint import Endpoint, Identity
from host_sim.conformance.hooks import run, said, words
from host_sim.conformance.listening import Heard
from host_sim.conformance.mqtt import Client, now
from hxtp.sign import mqtt_password
from hxtp.topics import SUBSCRIBED, topic

SEND_S = 900.0  # a command that the cloud was asked to send lives no longer
ONLINE_S = 30.0
RESTART_S = 60.0
MAX_OUTPUT = 4000  # characters of a command's output that are kept


class _Asked:
    """A --send command that runs until the cloud has settled what it asked for."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._outcome: Outcome | None = None
        self._trouble: str | None = None
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        except OSError as error:
            raise KitError(f"--send cannot be run: {words[0]}: {error.strerror}") from None
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        try:
            text, _ = self._process.communicate(timeout=SEND_S)
        except (subprocess.TimeoutExpired, ValueError):
            self._process.kill()
            self._trouble = f"--send did not end within {SEND_S:g} s"
            return
        self._outcome = Outcome(self._process.returncode == 0, text.strip()[-MAX_OUTPUT:])

    def outcome(self) -> Outcome | None:
        if self._trouble is not None:
            raise KitError(self._trouble)
        return self._outcome

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()


class MqttLine:
    """A `Line` over MQTT, with `who` for the device. `send`, `online` and `restart` are the user's
    commands.
    """

    def __init__(
        self, to: Endpoint, who: Identity, send: str | None, online: str | None, restart: str | None = None
    ) -> None:
        password = mqtt_password(who.secret, who.device_id, who.password_expiry)
        self._to = Endpoint(to.host, to.port, to.tls, who.device_id, password)
        self._who, self._send, self._online, self._restart = who, send, online, restart
        self._client: Client | None = None
        self._asked: list[_Asked] = []

    def _topic(self, channel: str) -> str:
        return topic(self._who.tenant_id, self._who.device_id, channel)

    def now(self) -> int:
        return now()

    def connect(self) -> None:
        client = Client(self._to, f"hxtp-{self._who.device_id}", will=self._topic("heartbeat")).connect()
        granted = client.subscribe([self._topic(channel) for channel in SUBSCRIBED])
        if not all(granted):
            client.close()
            raise KitError(
                "the broker refuses the device a subscription to its own cmd and ota (HX3-TRANS-10)"
            )
        self._client = client

    def disconnect(self, vanish: bool = False) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close(vanish)

    def _connected(self) -> Client:
        if self._client is None:
            raise KitError("the kit's device is not connected")
        return self._client

    def publish(self, channel: str, payload: bytes, qos: int = 1) -> None:
        self._connected().publish(self._topic(channel), payload, qos)

    def publish_as(self, tenant_id: str, device_id: str, channel: str, payload: bytes) -> None:
        self._connected().publish(topic(tenant_id, device_id, channel), payload)

    def may_subscribe(self, tenant_id: str, device_id: str, channel: str) -> bool:
        return any(self._connected().subscribe([f"hxtp/{tenant_id}/device/{device_id}/{channel}"]))

    def receive(self, until: int) -> Heard | None:
        client = self._client
        if client is None:
            threading.Event().wait(max(0, until - now()) / 1000)
            return None
        arrived = client.next((until - now()) / 1000)
        if arrived is None:
            if client.lost is not None:
                raise KitError(f"the broker at {self._to} ended the kit's connection: {client.lost}")
            return None
        return Heard(arrived.topic.rpartition("/")[2], arrived.payload, arrived.qos, arrived.retain, now())

    def ask(self, action: str, params: dict) -> _Asked:
        if self._send is None:
            raise NO_SEND
        given = {"device": self._who.device_id, "action": action, "params": json.dumps(params)}
        self._asked.append(_Asked(words(self._send, "--send", given)))
        return self._asked[-1]

    def online(self) -> bool:
        if self._online is None:
            raise NO_ONLINE
        done = run(words(self._online, "--online", {"device": self._who.device_id}), "--online", ONLINE_S)
        if done.returncode not in (0, 1):
            raise KitError(f"--online ended with status {done.returncode}: {said(done)}")
        return done.returncode == 0

    def restart(self) -> None:
        if self._restart is None:
            raise NO_RESTART
        for asked in self._asked:
            asked.stop()
        done = run(words(self._restart, "--restart", {}), "--restart", RESTART_S)
        if done.returncode:
            raise KitError(f"--restart ended with status {done.returncode}: {said(done)}")

    def close(self) -> None:
        self.disconnect()
        for asked in self._asked:
            asked.stop()
