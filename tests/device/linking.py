"""An MQTT link of the device with a broker in memory, for the tests of what goes over it."""

from hxtp_device.mqtt import Link
from tests.device.peer import Air, Peer

TOPIC = "hxtp/tenant/device/abc/cmd"
WILL = "hxtp/tenant/device/abc/heartbeat"


def make(air: Air | None = None) -> Link:
    options = {"port": 8883, "user": "abc", "password": "1.2.3", "keepalive": 60, "ssl": "tls"}
    link = Link(air or Air(), "hxtp-abc", "broker.example", **options)
    link.set_last_will(WILL, b"")
    return link


def joined(air: Air | None = None, now: int = 0) -> tuple[Link, Peer]:
    """A link that the broker took, subscribed, and all that it sent so far forgotten."""
    air = air or Air()
    link = make(air)
    link.connect(now)
    while not link.connected:
        assert link.poll(now) is None
    link.subscribe([TOPIC, TOPIC], now)
    while not link.subscribed:
        assert link.poll(now) is None
    air.peer.packets.clear()
    air.peer.writes.clear()
    air.peer.reads.clear()
    return link, air.peer


def drain(link: Link, now: int = 0, polls: int = 20000) -> list:
    """All messages that are there."""
    found = []
    idle = 0
    for _ in range(polls):
        message = link.poll(now)
        if message:
            found.append(message)
        idle = 0 if message or link._out or link.sock.inbox else idle + 1
        if idle > 3:
            return found
    raise AssertionError("it never came to rest")
