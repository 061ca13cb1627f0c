"""What carries messages between the kit and a device: a broker, and the means to drop and to reset the
device.

A line knows nothing of HxTP but topics. It must never decide whether what passes is right.
"""

from typing import NamedTuple, Protocol

from host_sim.broker.core import Broker
from host_sim.broker.packets import Publish
from host_sim.conformance.case import Skipped
from host_sim.conformance.listening import Heard
from host_sim.counted import counted

CHANNELS = ("hello", "state", "cmd_ack", "heartbeat", "telemetry", "manifest", "ota_status")


class Login(NamedTuple):
    """What the device showed its broker. `password_ok`: whether it is one by HX3-KEY-04 with this secret."""

    client_id: str
    username: str
    clean_session: bool
    subscriptions: dict[str, int]
    password_ok: bool
    keepalive: int  # seconds
    will: Publish | None


def login_at(broker: Broker, client_id: str, password_ok: bool) -> Login:
    """What the client that is connected there showed. Raises Skipped where it has just gone."""
    session = broker.sessions.get(client_id)
    connection = session and session.connection
    if not session or not connection:
        raise Skipped("the device's connection has just ended: run the case again")
    return Login(
        client_id,
        session.username or "",
        not session.persistent,
        dict(session.subscriptions),
        password_ok,
        connection.keepalive,
        connection.will,
    )


def hint_at(broker: Broker, client_id: str, command_topic: str) -> str | None:
    """Why the client that is connected there does not answer, as far as its broker sees it, or None."""
    session = broker.sessions.get(client_id)
    if session is None or session.connection is None:
        return None
    if command_topic not in session.subscriptions:
        has = ", ".join(sorted(session.subscriptions))[:200] or "nothing"
        return f"it has not subscribed to {command_topic}, but to {has}"
    if session.inflight:
        one, several = "message that it got at QoS 1 is", "messages that it got at QoS 1 are"
        return f"PUBACK is missing: {counted(len(session.inflight), one, several)} unacknowledged"
    return None


class Line(Protocol):
    """Times are ms since 1970 by a clock that never jumps."""

    def now(self) -> int: ...

    def publish(self, channel: str, payload: bytes, retain: bool = False) -> None:
        """To the device, at QoS 1. Raises KitError where the broker is gone."""

    def receive(self, until: int) -> Heard | None:
        """The next message of the device, or None when `until` has come. Raises KitError."""

    def call_device(self) -> None:
        """Make a device that is connected already say hello, where that needs doing."""

    def trouble(self) -> str | None:
        """Why no device comes, as far as that is known here."""

    def hint(self) -> str | None:
        """Why a device that is connected does not answer, as far as its broker knows; None elsewhere."""

    def drop(self) -> None:
        """End the device's connection, as a broker does that lost it: the will is published."""

    def reset(self) -> None:
        """Power the device off and on. Raises Skipped where nobody told how, KitError where that failed."""

    def deliver_retained(self, channel: str, payload: bytes) -> None:
        """Deliver with the RETAIN flag to a subscription that stands. Raises Skipped where that cannot be."""

    def retained(self) -> list[str]:
        """The topics of the device's own channels on which the broker keeps a message."""

    def login(self) -> Login:
        """Raises Skipped where only the broker knows."""

    def close(self) -> None: ...


NO_RESET = Skipped("the kit cannot reset this device: say how with --reset 'COMMAND'")
NOT_OUR_BROKER = Skipped("only the kit's own broker can do or see this: run it with --device listen")
