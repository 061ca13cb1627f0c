"""Who may connect, publish and subscribe: the one question the broker asks of the world around it.

It must never log, keep or return a password. Every answer is a plain bool: an authority
that cannot tell must say False, or of somebody who connects raise Unable.
"""

import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from host_sim.broker import topics

DEVICE_PUBLISHES = frozenset(
    ("state", "cmd_ack", "hello", "heartbeat", "ota_status", "telemetry", "manifest")
)
DEVICE_SUBSCRIBES = frozenset(("cmd", "ota"))


class Unable(Exception):
    """It cannot tell now, and may later; says why, for people."""


class Authority(Protocol):
    def authenticate(self, client_id: str, username: str | None, password: bytes | None, now: int) -> bool:
        """Whether this client may connect. `now` is the broker's clock in ms. Raises Unable: then the client
        is told that the server is unavailable, and not that it may not connect.
        """

    def may_publish(self, username: str | None, topic: str) -> bool:
        """Whether the authenticated user may publish to the valid name `topic`: asked for every message."""

    def may_subscribe(self, username: str | None, topic_filter: str) -> bool:
        """Whether the user may subscribe to the valid filter. Asked once, when it subscribes."""


class OpenAuthority:
    """Anybody may do anything. For tests on the loopback interface."""

    def authenticate(self, client_id: str, username: str | None, password: bytes | None, now: int) -> bool:
        return True

    def may_publish(self, username: str | None, topic: str) -> bool:
        return True

    def may_subscribe(self, username: str | None, topic_filter: str) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class User:
    """A user with a fixed password, and the filters that bound what it may publish and subscribe to."""

    password: str = field(repr=False)
    publish: Collection[str] = ("#",)
    subscribe: Collection[str] = ("#",)


class UserAuthority:
    """A table of users. With `anonymous`, clients that give no user name may do anything.

    `#` in a permission does not include topics that begin with `$`, as in a subscription.
    """

    def __init__(self, users: Mapping[str, User], anonymous: bool = False) -> None:
        self._users = users
        self._anonymous = anonymous

    def authenticate(self, client_id: str, username: str | None, password: bytes | None, now: int) -> bool:
        if username is None:
            return self._anonymous
        user = self._users.get(username)
        return user is not None and hmac.compare_digest(user.password.encode(), password or b"")

    def may_publish(self, username: str | None, topic: str) -> bool:
        return self._permits(username, topic, "publish")

    def may_subscribe(self, username: str | None, topic_filter: str) -> bool:
        return self._permits(username, topic_filter, "subscribe")

    def _permits(self, username: str | None, wanted: str, verb: str) -> bool:
        if username is None:
            return self._anonymous
        user = self._users.get(username)
        return user is not None and any(topics.covers(allowed, wanted) for allowed in getattr(user, verb))


class HxtpAuthority:
    """Devices on their own topics, services on all of `hxtp/#`.

    A device's user name is its id and its client id `hxtp-{device_id}`; it publishes only to
    `hxtp/{tenant}/device/{device}/` + state, cmd_ack, hello, heartbeat, ota_status, telemetry or
    manifest, and subscribes only to its own `cmd` and `ota`, without wildcards.

    devices: device id -> tenant id, a live mapping: who is taken out of it loses every
        permission at once (though not its connection: see `Broker.disconnect`). Raises Unable where it
        cannot tell, as `check_password` does.
    check_password(device_id, password, now_s): the device's password rule (hxtp.sign.mqtt_password), given
        the password as text and the time as Unix seconds; `now` of the broker must then be
        Unix time in ms, which `BrokerServer` sees to.
    services: user name -> password of the cloud's own clients. They may use any client id but a device's.
    """

    def __init__(
        self,
        devices: Mapping[str, str],
        check_password: Callable[[str, str, int], bool],
        services: Mapping[str, str] | None = None,
    ) -> None:
        self._devices = devices
        self._check_password = check_password
        everything = ("hxtp/#",)
        users = {name: User(password, everything, everything) for name, password in (services or {}).items()}
        self._service_names = frozenset(users)
        self._services = UserAuthority(users)

    def authenticate(self, client_id: str, username: str | None, password: bytes | None, now: int) -> bool:
        if username is None or password is None:
            return False
        if username in self._service_names:
            claims_device = client_id.startswith("hxtp-") and client_id[5:] in self._devices
            return not claims_device and self._services.authenticate(client_id, username, password, now)
        if username not in self._devices or client_id != "hxtp-" + username:
            return False
        try:
            text = password.decode("ascii")
        except UnicodeDecodeError:
            return False
        return self._check_password(username, text, now // 1000)

    def may_publish(self, username: str | None, topic: str) -> bool:
        if username in self._service_names:
            return self._services.may_publish(username, topic)
        return self._is_own(username, topic, DEVICE_PUBLISHES)

    def may_subscribe(self, username: str | None, topic_filter: str) -> bool:
        if username in self._service_names:
            return self._services.may_subscribe(username, topic_filter)
        return self._is_own(username, topic_filter, DEVICE_SUBSCRIBES)

    def _is_own(self, username: str | None, topic: str, channels: Collection[str]) -> bool:
        if username is None:
            return False
        try:
            tenant = self._devices.get(username)
        except Unable:
            return False
        prefix, _, channel = topic.rpartition("/")
        return tenant is not None and channel in channels and prefix == f"hxtp/{tenant}/device/{username}"
