"""A real cloud: its broker over MQTT, and an `Operator` that makes it send commands.

It must never put a secret into a command's arguments or environment.
"""

import threading

from host_sim.conformance.case import KitError
from host_sim.conformance.cloud.line import NO_RESTART, Api, Asked, Operator
from host_sim.conformance.endpoint import Endpoint, Identity
from host_sim.conformance.hooks import run, said, words
from host_sim.conformance.listening import Heard
from host_sim.conformance.mqtt import Client, now
from hxtp.sign import mqtt_password
from hxtp.topics import SUBSCRIBED, topic

RESTART_S = 60.0


class MqttLine:
    """A `Line` over MQTT, with `who` for the device. `restart`: the user's command, None without."""

    def __init__(self, to: Endpoint, who: Identity, operator: Operator, restart: str | None = None) -> None:
        password = mqtt_password(who.secret, who.device_id, who.password_expiry)
        self._to = Endpoint(to.host, to.port, to.tls, who.device_id, password)
        self._who, self._operator, self._restart = who, operator, restart
        self._client: Client | None = None

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
            threading.Event().wait(max(0, until - self.now()) / 1000)
            return None
        arrived = client.next((until - self.now()) / 1000)
        if arrived is None:
            if client.lost is not None:
                raise KitError(f"the broker at {self._to} ended the kit's connection: {client.lost}")
            return None
        return Heard(
            arrived.topic.rpartition("/")[2], arrived.payload, arrived.qos, arrived.retain, self.now()
        )

    def ask(self, action: str, params: dict) -> Asked:
        return self._operator.ask(action, params)

    def online(self) -> bool:
        return self._operator.online()

    def api(self) -> Api:
        return self._operator.api()

    def restart(self) -> None:
        if self._restart is None:
            raise NO_RESTART
        self._operator.forget()
        done = run(words(self._restart, "--restart", {}), "--restart", RESTART_S)
        if done.returncode:
            raise KitError(f"--restart ended with status {done.returncode}: {said(done)}")

    def close(self) -> None:
        self.disconnect()
        self._operator.close()
