"""A device reduced to its protocol: hxtp's own Session, a lamp, a relay, and flash that can lose power.

Sans-I/O and deterministic, for tests and fuzzers: time and randomness are parameters. It must never do what
the firmware cannot, such as remember in RAM over a reboot. `MemoryDevice` drives one over the in-memory
network; `host_sim.device_mqtt` over real MQTT.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from host_sim import fast
from host_sim.broker.client import MemoryClient
from host_sim.broker.memory import MemoryNetwork
from host_sim.broker.packets import Publish
from hxtp.counter import Counter
from hxtp.registry import Registry
from hxtp.session import Identity
from hxtp.sign import mqtt_password
from hxtp.topics import SUBSCRIBED, split, topic


class PowerCut(Exception):
    """The power went while something was going on. SimDevice catches it: it is off then."""


class Flash:
    """What survives a reset, each value replaced atomically. `writes` counts what was asked for.

    `reserved`: outgoing numbers up to this one may have been used; `floor`: as in hxtp.session.Memory.
    """

    __slots__ = ("boot_count", "cloud_answers", "cut_at", "floor", "reserved", "writes")

    def __init__(self) -> None:
        self.boot_count = self.reserved = self.floor = 0
        self.cloud_answers = False
        self.writes = 0
        self.cut_at: tuple[int, bool] | None = None  # (which write, whether it still gets through)

    def write(self, name: str, value: Any) -> None:
        self.writes += 1
        cut = self.cut_at is not None and self.writes >= self.cut_at[0]
        if not cut or self.cut_at[1]:
            setattr(self, name, value)
        if cut:
            self.cut_at = None
            raise PowerCut

    # What hxtp.counter.Counter and hxtp.session.Session ask for

    def reserve(self, limit: int) -> None:
        self.write("reserved", limit)

    def save_cloud_answers(self) -> None:
        self.write("cloud_answers", True)

    def save_floor(self, sequence: int) -> None:
        self.write("floor", sequence)


_NO_FEATURES: tuple = ()  # one for all
_PERCENT = {"type": "integer", "minimum": 0, "maximum": 100, "required": True}


class Lamp:
    """A dimmable lamp: `brightness` in percent, 0 is off."""

    __slots__ = ("brightness", "name")
    KIND = "light"
    actions: ClassVar = {
        "light_on": (1, "Switch the light on", {}),
        "light_off": (2, "Switch the light off", {}),
        "light_brightness": (3, "Set the brightness", {"brightness": _PERCENT}),
    }

    def __init__(self, name: str = "light") -> None:
        self.name = name
        self.brightness = 0

    def light_on(self, params: dict) -> None:
        self.brightness = 100

    def light_off(self, params: dict) -> None:
        self.brightness = 0

    def light_brightness(self, params: dict) -> dict:
        self.brightness = params["brightness"]
        return {"brightness": self.brightness}

    def state(self) -> dict:
        return {"light": self.brightness > 0, "brightness": self.brightness}


class Relay:
    """A relay: `on`. Its toggle shows at once when a command runs twice."""

    __slots__ = ("name", "on")
    KIND = "relay"
    actions: ClassVar = {
        "relay_on": (20, "Switch the relay on", {}),
        "relay_off": (21, "Switch the relay off", {}),
        "relay_toggle": (22, "Switch the relay over", {}),
    }

    def __init__(self, name: str = "relay") -> None:
        self.name = name
        self.on = False

    def relay_on(self, params: dict) -> None:
        self.on = True

    def relay_off(self, params: dict) -> None:
        self.on = False

    def relay_toggle(self, params: dict) -> None:
        self.on = not self.on

    def state(self) -> dict:
        return {"relay": self.on}


class _Declared:
    """What devices with the same parts have in common: their declarations, checked, and the manifest."""

    __slots__ = ("actions", "manifest")
    known: ClassVar[dict[tuple, "_Declared"]] = {}
    MOST = 64  # kinds of devices that are remembered

    def __init__(self, parts: Sequence[Any]) -> None:
        registry = Registry()
        for part in parts:
            registry.add(part)
        self.manifest = registry.manifest()
        # action: its declaration, and which of the parts have it
        self.actions = {
            action: (spec, [parts.index(part) for part in with_it])
            for action, (spec, with_it) in registry._actions.items()
        }

    @classmethod
    def of(cls, parts: Sequence[Any]) -> "_Declared":
        if any(part.actions is not getattr(type(part), "actions", None) for part in parts):
            return cls(parts)  # declared by this very part
        alike = tuple((type(part), part.name) for part in parts)
        if alike not in cls.known:
            if len(cls.known) >= cls.MOST:
                cls.known.clear()
            cls.known[alike] = cls(parts)
        return cls.known[alike]


class _Registry:
    """A Registry of fixed parts, the declarations of which are held once for all devices that have such.

    No subclass, which would bring a dictionary: it has the methods of hxtp's that are used from there on.
    """

    __slots__ = ("_declared", "_faults", "parts")

    find, run, state = Registry.find, Registry.run, Registry.state

    def __init__(self, parts: list[Any], faults: list[Exception]) -> None:
        self.parts = parts
        self._faults = faults
        self._declared = _Declared.of(parts)

    @property
    def _actions(self) -> dict:
        return {
            action: (spec, [self.parts[at] for at in places])
            for action, (spec, places) in self._declared.actions.items()
        }

    def manifest(self) -> str:
        return self._declared.manifest

    def _tell(self, fault: Exception) -> None:
        self._faults.append(fault)


class Run(NamedTuple):
    """A command that reached the parts, in the boot that ran it."""

    boot_count: int
    message_id: str
    action: str
    params: dict


@dataclass(frozen=True, slots=True)
class Login:
    """What a device shows its broker."""

    client_id: str
    username: str
    password: str
    subscribe: tuple[str, ...]
    will_topic: str


class SimDevice:
    """A device with power. Everything below does nothing while the power is off; `reboot` brings it back.

    `random(n)`: n bytes, never the same twice in a run (fuzzers seed it). `now`: ms, any origin, never
    backwards. `runs` and `flash` survive reboots; all else is new with each.
    """

    __slots__ = (
        "_make_parts",
        "_random",
        "_secret",
        "cut_in_command",
        "device_id",
        "device_type",
        "faults",
        "flash",
        "parts",
        "powered",
        "runs",
        "session",
        "tenant_id",
    )

    def __init__(
        self,
        device_id: str,
        tenant_id: str,
        secret: bytes,
        random: Callable[[int], bytes],
        *,
        device_type: str = "simulated",
        parts: Callable[[], list[Any]] = lambda: [Lamp(), Relay()],
        flash: Flash | None = None,
    ) -> None:
        self.device_id = device_id
        self.tenant_id = tenant_id
        self.device_type = device_type
        self.flash = flash or Flash()
        self.runs: list[Run] = []
        self.faults: list[Exception] = []  # raised inside parts
        self.powered = False
        self.cut_in_command: str | None = None  # "before" or "after": when the next command runs
        self.session: fast.Session = None  # type: ignore[assignment]  # made by reboot()
        self.parts: list[Any] = []
        self._secret = secret
        self._random = random
        self._make_parts = parts
        self.reboot()

    # -- power ----------------------------------------------------------------------------------

    def reboot(self, reason: str = "power") -> bool:
        """Start from flash alone; whether it got through (a power cut may be due at its first write)."""
        self.powered = True
        return self._guarded(self._boot, reason) is not None

    def power_off(self) -> None:
        self.powered = False

    def power_cut_at(self, write: int, written: bool = False) -> None:
        """Lose power at the n-th flash write from now (1: the next), before or after it got through."""
        self.flash.cut_at = (self.flash.writes + write, written)

    def _boot(self, reason: str) -> bool:
        boot_count = self.flash.boot_count + 1
        self.flash.write("boot_count", boot_count)
        self.parts = self._make_parts()
        identity = Identity(self.device_id, self.tenant_id, self.device_type, "1.0.0", boot_count, reason)
        identity.features = _NO_FEATURES
        self.session = fast.Session(
            identity,
            fast.SmallKey(self._secret),
            Counter(self.flash.reserved, self.flash.reserve),
            _Registry(self.parts, self.faults),
            self._random,
            self.flash,
        )
        return True

    def _guarded(self, work: Callable, *args: Any) -> Any:
        if not self.powered:
            return None
        try:
            return work(*args)
        except PowerCut:
            self.powered = False
            return None

    # -- the network's side -----------------------------------------------------------------------

    @property
    def boot_count(self) -> int:
        return self.flash.boot_count

    def login(self, password_expiry: int) -> Login:
        """`password_expiry`: Unix seconds, as the registration named it."""
        return Login(
            f"hxtp-{self.device_id}",
            self.device_id,
            mqtt_password(self._secret, self.device_id, password_expiry),
            tuple(topic(self.tenant_id, self.device_id, channel) for channel in SUBSCRIBED),
            topic(self.tenant_id, self.device_id, "heartbeat"),
        )

    def connected(self, now: int, wall: int | None = None) -> None:
        self._guarded(lambda: self.session.connected(now, wall))

    def disconnected(self, now: int) -> None:
        self._guarded(lambda: self.session.disconnected(now))

    def receive(self, name: str, payload: bytes, now: int, retained: bool = False) -> None:
        """Take a message from topic `name`, and run the command that may be in it."""
        self._guarded(self._receive, name, payload, now, retained)

    def tick(self, now: int) -> bool:
        """Let time pass; whether the connection is to be made anew."""
        return self._guarded(lambda: self.session.tick(now)) == "reconnect"

    def take(self, now: int) -> tuple[str, bytes] | None:
        """The next message to publish, as (topic, payload)."""
        message = self._guarded(lambda: self.session.take(now))
        return message and (topic(self.tenant_id, self.device_id, message[0]), message[1])

    def _receive(self, name: str, payload: bytes, now: int, retained: bool) -> None:
        parts = split(name)
        if parts is None or parts[:2] != (self.tenant_id, self.device_id):
            return
        command = self.session.receive(parts[2], payload, now, retained)
        if command is None:
            return
        self._cut("before")
        self.runs.append(Run(self.boot_count, command.message_id, command.action, command.params))
        ack = self.session.registry.run(command.action, command.params)
        self._cut("after")
        self.session.finish(command, ack)
        self.session.report_state()

    def _cut(self, moment: str) -> None:
        if self.cut_in_command == moment:
            self.cut_in_command = None
            raise PowerCut


def qos_of(name: str) -> int:
    """Heartbeats and telemetry go at QoS 0: the next one makes good for one that is lost."""
    return 0 if name.endswith(("/heartbeat", "/telemetry")) else 1


class MemoryDevice:
    """A SimDevice on a MemoryNetwork. `step()` does all that can be done at the network's present time.

    `skew`: what the device's unsigned clock is ahead by, in ms; None: it has no clock.
    """

    __slots__ = ("_asked", "_boot", "_filters", "_up", "client", "device", "network", "skew")

    def __init__(
        self, device: SimDevice, network: MemoryNetwork, password_expiry: int, skew: int | None = None
    ) -> None:
        login = device.login(password_expiry)
        self.device = device
        self.network = network
        self.skew = skew
        self.client = MemoryClient(
            network,
            login.client_id,
            username=login.username,
            password=login.password.encode(),
            will=Publish(login.will_topic, b""),
        )
        self._filters = login.subscribe
        self._up = False
        self._asked = False
        self._boot = 0

    def step(self) -> None:
        """Connect where it is not connected, take what came, send what waits."""
        device, client, now = self.device, self.client, self.network.now
        if not device.powered or self._boot != device.boot_count:
            # Whoever lost power took its connection along.
            client.vanish()
            self._up = self._asked = False
            self._boot = device.boot_count
            if not device.powered:
                return
        if self._asked and not (client.link and client.link.open):
            if self._up:
                device.disconnected(now)
            self._up = self._asked = False
        if not self._asked:
            client.connect()
            self._asked = client.link is not None and client.link.open
        if self._asked and not self._up and client.connected:
            self._up = True
            client.subscribe(*self._filters)
            device.connected(now, None if self.skew is None else now + self.skew)
        if self._up:
            self._exchange(now)

    def _exchange(self, now: int) -> None:
        device, client = self.device, self.client
        for message in client.poll():
            device.receive(message.topic, message.payload, now, message.retain)
        if device.tick(now):
            client.disconnect()
            self._up = self._asked = False
            return
        try:
            while client.link.open and (message := device.take(now)) is not None:
                client.publish(*message, qos=qos_of(message[0]))
        except ConnectionError:
            return  # the next step notices; what was taken is lost, as on any network
