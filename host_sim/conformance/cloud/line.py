"""What carries messages between the kit's device and a cloud, and how the kit asks that cloud for something.

A line knows nothing of HxTP but topics. It must never decide whether what passes is right.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from host_sim.conformance.case import Skipped
from host_sim.conformance.endpoint import Identity
from host_sim.conformance.listening import Heard


class Outcome(NamedTuple):
    """What the cloud says became of a command: whether it was executed, and its words."""

    executed: bool
    text: str


class Asked(Protocol):
    """A command that the cloud was asked to send."""

    def outcome(self) -> Outcome | None:
        """None as long as the cloud has not settled it."""


class Answer(NamedTuple):
    """An answer over HTTP, whatever its status. `headers`: by name in lower case; `body`: as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Api(Protocol):
    """A cloud's HTTP API: as a device asks it, which signs, and as somebody does who has a token.

    All of it raises KitError where no answer comes; all but `as_device` raises Skipped where the kit has no
    token.
    """

    def as_device(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Ask without a token. Path (with a query), content and headers are sent as they are given."""

    def as_user(self, method: str, path: str, body: Mapping[str, Any]) -> Answer: ...

    def follow(self, command_id: str) -> Asked:
        """A command that the cloud has accepted."""

    def register(self) -> Identity:
        """One more device, which is not connected."""

    def revoke(self, device_id: str) -> None: ...


class Operator(Protocol):
    """How the kit makes a cloud do something for one device."""

    def ask(self, action: str, params: dict) -> Asked:
        """Make the cloud send a command. Raises Skipped where nobody told how, KitError where it fails."""

    def online(self) -> bool:
        """Whether the cloud takes the device for online. Raises Skipped or KitError."""

    def api(self) -> Api:
        """The cloud's HTTP API. Raises Skipped where nobody told where it is."""

    def forget(self) -> None:
        """The cloud ends: nobody will look at what it was asked for before."""

    def close(self) -> None: ...


class Line(Protocol):
    """Times are ms since 1970 by a clock that never jumps."""

    def now(self) -> int: ...

    def connect(self) -> None:
        """A new connection of the device, subscribed to its channels. Raises KitError."""

    def disconnect(self, vanish: bool = False) -> None:
        """End it; `vanish`: as a device that lost its power, whose will the broker publishes."""

    def publish(self, channel: str, payload: bytes, qos: int = 1) -> None: ...

    def publish_as(self, tenant_id: str, device_id: str, channel: str, payload: bytes) -> None:
        """On another device's topic, whether or not the broker minds."""

    def may_subscribe(self, tenant_id: str, device_id: str, channel: str) -> bool:
        """Whether the broker grants this device a subscription to that topic; "+" and "#" may be in it."""

    def receive(self, until: int) -> Heard | None:
        """The next message, or None when `until` has come. Raises KitError where the connection is lost."""

    def ask(self, action: str, params: dict) -> Asked:
        """Make the cloud send a command. Raises Skipped where nobody told how, KitError where it fails."""

    def online(self) -> bool:
        """Whether the cloud takes the device for online. Raises Skipped or KitError."""

    def api(self) -> Api:
        """The cloud's HTTP API. Raises Skipped where nobody told where it is."""

    def restart(self) -> None:
        """End the cloud and start it again, over what it stored, while the device is disconnected.

        Raises Skipped where nobody told how, KitError where that failed.
        """

    def close(self) -> None: ...


NO_SEND = Skipped("the kit cannot make this cloud send a command: say how with --send 'COMMAND'")
NO_ONLINE = Skipped(
    "the kit cannot see whether this cloud takes the device for online: say how with --online"
)
NO_RESTART = Skipped("the kit cannot restart this cloud: say how with --restart 'COMMAND'")
NO_API = Skipped("the kit does not know where devices ask this cloud over HTTP: say where with --api URL")
NO_USER = Skipped("the kit can ask for such a command over the HxTP Cloud API alone: give --cloud https://…")
