"""A real device: over somebody's broker, or over the kit's own, which sees and can do more.

The kit's own broker takes one device, by the password rule of HX3-KEY-04, and one service, the kit.
"""

import secrets
from typing import Any

from host_sim.broker.authority import HxtpAuthority
from host_sim.broker.packets import Publish
from host_sim.broker.server import ThreadedBroker
from host_sim.conformance.case import KitError, Skipped
from host_sim.conformance.device.line import CHANNELS, NO_RESET, NOT_OUR_BROKER, Login, hint_at, login_at
from host_sim.conformance.endpoint import Endpoint, Identity
from host_sim.conformance.hooks import run, said, words
from host_sim.conformance.listening import Heard
from host_sim.conformance.mqtt import Client, Refused, now
from hxtp.sign import equal, mqtt_password
from hxtp.topics import topic

RESET_S = 60.0
SERVICE = "conformance"


class Authority(HxtpAuthority):
    """`elsewhere`: the last topic on which the device published though it is none of its own."""

    elsewhere: str | None = None

    def may_publish(self, username: str | None, topic: str) -> bool:
        allowed = super().may_publish(username, topic)
        if not allowed:
            self.elsewhere = topic
        return allowed


class OwnBroker:
    """The kit's broker for one device. `logins` counts attempts of the device, and `wrong` those it
    refused.
    """

    def __init__(self, host: str, port: int, identity: Identity) -> None:
        self.wrong: list[str] = []
        self.seen = 0
        self.username = ""
        self._identity = identity
        password = secrets.token_urlsafe(24)
        self.authority = Authority({identity.device_id: identity.tenant_id}, self._check, {SERVICE: password})
        self.broker = ThreadedBroker(host, port, authority=self.authority, on_event=self._event)
        try:
            self.broker.start()
        except (OSError, OverflowError) as error:
            raise KitError(f"no broker can listen on {host}:{port}: {error}") from None
        self.host, self.port = host, self.broker.port
        inside = "127.0.0.1" if host in ("", "0.0.0.0") else host
        self.endpoint = Endpoint(inside, self.port, None, SERVICE, password)

    def _check(self, device_id: str, password: str, now_s: int) -> bool:
        parts = password.split(".")
        if len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) < 12):
            return False
        right = mqtt_password(self._identity.secret, device_id, int(parts[1]))
        return equal(right.encode(), password.encode())

    def _event(self, at: int, kind: str, client_id: str, detail: str) -> None:
        if kind == "connected" and detail != SERVICE:
            self.seen += 1
            self.username = detail
        elif kind == "refused":
            self.wrong.append(f"client id {client_id!r}: {detail}")

    def call(self, work: Any) -> Any:
        return self.broker.call(work)

    def login(self, client_id: str) -> Login:
        # The password was right, or it would not have been let in.
        return self.call(lambda: login_at(self.broker.server.broker, client_id, True))

    def deliver_retained(self, client_id: str, message: Publish) -> None:
        def do() -> None:
            self.broker.server.broker.sessions[client_id].deliver(message, 1, True)
            self.broker.server.flush()

        self.call(do)


class MqttLine:
    """A `Line` over MQTT. `own` is the kit's broker, where it runs one; `reset` the user's command."""

    def __init__(
        self, to: Endpoint, identity: Identity, own: OwnBroker | None = None, reset: str | None = None
    ) -> None:
        self._to, self._identity, self._own, self._reset = to, identity, own, reset
        self._client = self._connect("conformance-kit")

    def _connect(self, name: str) -> Client:
        client = Client(self._to, f"{name}-{secrets.token_hex(4)}").connect()
        granted = client.subscribe([self._topic(channel) for channel in CHANNELS])
        if not all(granted):
            client.close()
            raise KitError(
                f"the broker at {self._to} does not let the kit read {self._topic('+')}: "
                "the kit stands for the cloud and needs its permissions (--user, --password-file)"
            )
        return client

    def _topic(self, channel: str) -> str:
        return topic(self._identity.tenant_id, self._identity.device_id, channel)

    @property
    def _device_client(self) -> str:
        return f"hxtp-{self._identity.device_id}"

    def now(self) -> int:
        return now()

    def publish(self, channel: str, payload: bytes, retain: bool = False) -> None:
        self._client.publish(self._topic(channel), payload, 1, retain)

    def receive(self, until: int) -> Heard | None:
        while True:
            arrived = self._client.next((until - now()) / 1000)
            if arrived is None:
                if self._client.lost is not None:
                    raise KitError(
                        f"the broker at {self._to} ended the kit's connection: {self._client.lost}"
                    )
                return None
            if not arrived.retain:
                return Heard(arrived.topic.rpartition("/")[2], arrived.payload, arrived.qos, False, now())

    def call_device(self) -> None:
        if self._own is None:
            self.drop()

    def trouble(self) -> str | None:
        if self._own is None:
            return f"it did not say hello on {self._topic('hello')}"
        if self._own.wrong:
            return f"the broker refused {self._own.wrong[-1]} (is the secret the device's own?)"
        if not self._own.seen:
            return "it did not connect"
        why = self.hint()
        return f"it said no hello on {self._topic('hello')}" + (f": {why}" if why else "")

    def hint(self) -> str | None:
        own = self._own
        if own is None:
            return None
        command = self._topic("cmd")
        found = [own.call(lambda: hint_at(own.broker.server.broker, self._device_client, command))]
        if own.authority.elsewhere is not None:
            found.append(f"it published on {own.authority.elsewhere[:200]}, which is no topic of its own")
        return "; ".join(filter(None, found)) or None

    def drop(self) -> None:
        if self._own is not None:
            self._own.broker.disconnect(self._device_client)
            return
        try:
            Client(self._to, self._device_client).connect().close()
        except Refused as error:
            raise Skipped(
                f"the kit cannot end the device's connection, since the broker keeps its client id: {error}"
            ) from None

    def reset(self) -> None:
        if self._reset is None:
            raise NO_RESET
        done = run(words(self._reset, "--reset", {}), "--reset", RESET_S)
        if done.returncode:
            raise KitError(f"--reset {self._reset!r} ended with status {done.returncode}: {said(done)}")

    def deliver_retained(self, channel: str, payload: bytes) -> None:
        if self._own is None:
            raise NOT_OUR_BROKER
        self._own.deliver_retained(self._device_client, Publish(self._topic(channel), payload, 1, True))

    def retained(self) -> list[str]:
        late = self._connect("conformance-late")
        try:
            found = []
            while (arrived := late.next(0.5)) is not None:
                if arrived.retain:
                    found.append(arrived.topic)
            return found
        finally:
            late.close()

    def login(self) -> Login:
        if self._own is None:
            raise NOT_OUR_BROKER
        return self._own.login(self._device_client)

    def close(self) -> None:
        self._client.close()
        if self._own is not None:
            self._own.broker.stop()
