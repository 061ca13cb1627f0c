"""A Link and a Session on any path: the same traffic gives the same messages and leaves the same state."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim import fast
from host_sim.device import Lamp, Relay, SimDevice
from host_sim.gateway.store import MemoryFile, Store
from hxtp import cloud, session, sign
from hxtp.counter import Counter
from hxtp.registry import Registry
from hxtp.session import READY, Identity, Memory
from hxtp.window import Window
from tests.fast.comparing import FAST

DEVICE = "0123456789abcdef0123456789abcdef"
SECRET = b"\xab" * 32
START = 1_777_200_000_000


def remembered(thing: Any) -> Any:
    """All that an object of hxtp's refers to, keys and functions aside, as plain values."""
    if thing is None or isinstance(thing, bool | int | float | str | bytes):
        return thing
    if isinstance(thing, dict):
        return {name: remembered(value) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [remembered(value) for value in thing]
    if callable(thing) or isinstance(thing, sign.Key | fast.SmallKey | fast.Path | Registry):
        return None
    names = set(vars(thing))
    for kind in type(thing).__mro__:
        names.update(vars(kind).get("__slots__", ()))
    return {name: remembered(getattr(thing, name)) for name in names if hasattr(thing, name)}


class World:
    """A device and its cloud on one path ("hxtp": the protocol's own classes) with nothing between them."""

    def __init__(self, path: str) -> None:
        self.now = START
        self.boots = 0
        self.up: list[tuple[str, bytes]] = []
        self.down: list[tuple[str, bytes]] = []
        self._random = Random(1).randbytes
        wire = fast.PATHS[path]
        plain = path == "hxtp"
        self._session = type("Session", (session.Session if plain else fast.Session,), {"wire": wire})
        self._key = (sign.Key if plain else fast.SmallKey)(SECRET)
        self.memory = Memory()
        self.kept = 0
        link = type("Link", (cloud.Link if plain else fast.Link,), {"wire": wire})
        key = (sign.Key if plain else fast.Key)(SECRET)
        self.link = link(DEVICE, "tenant-1", [(key, Window())], self._random)
        self.boot()

    def boot(self) -> None:
        registry = Registry()
        registry.add(Lamp())
        registry.add(Relay())
        self.boots += 1
        identity = Identity(DEVICE, "tenant-1", "simulated", "1.0.0", self.boots)
        self.session = self._session(
            identity, self._key, Counter(self.kept, self.keep), registry, self._random, self.memory
        )

    def keep(self, limit: int) -> None:
        self.kept = limit

    def connect(self) -> None:
        self.session.disconnected(self.now)
        self.session.connected(self.now, self.now - 5)

    def to_device(self, message: tuple[str, bytes]) -> None:
        command = self.session.receive(*message, self.now)
        if command is not None:
            self.session.finish(command, self.session.registry.run(command.action, command.params))
            self.session.report_state()

    def to_cloud(self, message: tuple[str, bytes]) -> None:
        self.link.receive(*message, self.now)

    def turn(self) -> None:
        self.session.tick(self.now)
        self.link.tick(self.now)
        for end, sent in ((self.session, self.up), (self.link, self.down)):
            while (message := end.take(self.now)) is not None:
                sent.append(message)

    def state(self) -> Any:
        return remembered([self.session, self.link, self.session.registry.state(), self.up, self.down])


def damaged(message: tuple[str, bytes], at: int, bit: int) -> tuple[str, bytes]:
    channel, payload = message
    at %= len(payload)
    return channel, payload[:at] + bytes([payload[at] ^ 1 << bit]) + payload[at + 1 :]


def step(world: World, event: tuple, seen: dict[str, int]) -> None:
    """One event; `seen`: how many messages each end has had delivered."""
    kind, number, bit = event
    if kind == "connect":
        world.connect()
    elif kind == "reboot":
        world.boot()
        world.connect()
    elif kind == "submit":
        world.link.submit("light_brightness", {"brightness": number % 120}, world.now, 100_000)
    elif kind == "bare or framed":
        world.link.framed = world.session.framed = bool(number % 2)
    elif kind == "time":
        world.now += (100, 4_000, 70_000, 400_000)[number % 4]
    for name, sent, take in (("up", world.up, world.to_cloud), ("down", world.down, world.to_device)):
        if kind in ("replay", "damage") and sent:
            old = sent[number % len(sent)]
            take(old if kind == "replay" else damaged(old, number, bit))
        while kind != "loss" and seen[name] < len(sent):
            take(sent[seen[name]])
            seen[name] += 1
        seen[name] = len(sent)
    world.turn()


EVENTS = (
    "connect", "reboot", "submit", "submit", "submit", "bare or framed", "time", "time", "replay", "damage",
    "damage", "loss", "go on", "go on", "go on",
)  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 999), st.integers(0, 7)), max_size=30),
    st.sampled_from(FAST),
)
def test_the_same_traffic_leaves_the_same_state(story, path):
    worlds = [World("hxtp"), World(path)]
    deliveries = [{"up": 0, "down": 0}, {"up": 0, "down": 0}]
    for event in [("connect", 0, 0), *[("go on", 0, 0)] * 3, *story]:
        for world, seen in zip(worlds, deliveries, strict=True):
            step(world, event, seen)
        assert worlds[0].state() == worlds[1].state(), event


@pytest.mark.parametrize("path", fast.PATHS)
def test_an_ordinary_conversation_is_accepted_on_every_path(path):
    world, seen = World(path), {"up": 0, "down": 0}
    for event in ["connect", *["go on"] * 4, *["submit", "go on", "go on"] * 20, *["go on"] * 4]:
        step(world, (event, 7, 0), seen)
    assert world.session.state == READY and world.session.refused == world.link.refused == {}
    assert world.link.orders == [] and world.session.registry.state()["brightness"] == 7
    assert {channel for channel, _ in world.up} == {"hello", "manifest", "state", "cmd_ack"}


def test_gateway_and_fleet_are_on_the_chosen_path():
    device = SimDevice(DEVICE, "tenant-1", SECRET, Random(1).randbytes)
    assert device.session.wire is fast.CHOSEN is fast.PATHS["msgspec"]
    assert type(device.session._verifier) is fast.CHOSEN.Verifier
    store = Store(MemoryFile())
    store.register("simulated", START // 1000)
    (link,) = store.links()
    assert link.wire is fast.CHOSEN and type(link._verifier) is fast.CHOSEN.Verifier
