"""A device and its cloud in one process, with a clock that the test moves. For both runtimes."""

import hashlib

from hxtp.cloud import Link
from hxtp.counter import Counter
from hxtp.registry import Registry
from hxtp.session import Identity, Memory, Session
from hxtp.sign import Key
from hxtp.window import Window

START = 1777200000000
DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "tenant-1"
SECRET = b"\xab" * 32


class Random:
    """Bytes that differ at every call and are the same in every run."""

    def __init__(self, seed):
        self._state = seed

    def __call__(self, n):
        self._state = hashlib.sha256(self._state).digest()
        return self._state[:n]


class Lamp:
    KIND = "light"
    name = "light"
    actions = {
        "light_on": (1, "Switch on", {"brightness": {"type": "integer", "minimum": 0, "maximum": 100}}),
        "light_off": (2, "Switch off", {}),
    }

    def __init__(self):
        self.done = []
        self.on = False

    def light_on(self, params):
        self.done.append(params.get("brightness", 100))
        self.on = True

    def light_off(self, params):
        self.done.append(0)
        self.on = False

    def state(self):
        return {"light": "on" if self.on else "off"}


class World:
    """`device` and `cloud`, joined by `pump`; `wire` holds every message that went over."""

    def __init__(self, secret=SECRET, memory=None, slots=None):
        self.now = 5000
        self.epoch = START
        self.secret = secret
        self.memory = memory or Memory()
        self.reserved = 0
        self.boots = 0
        self.lamp = Lamp()
        self.wire = []
        self.cloud = Link(DEVICE, TENANT, slots or [(Key(secret), Window())], Random(b"cloud"))
        self.boot()

    def boot(self):
        """Power on: what is in flash stays, everything else is new."""
        self.boots += 1
        registry = Registry()
        registry.add(self.lamp)
        identity = Identity(DEVICE, TENANT, "lamp", "0.1.0", self.boots)
        counter = Counter(self.reserved, self._reserve)
        self.device = Session(identity, Key(self.secret), counter, registry, Random(b"boot%d" % self.boots), self.memory)

    def _reserve(self, limit):
        self.reserved = limit

    def time(self):
        return self.epoch + self.now

    def to_cloud(self, message):
        self.wire.append(message)
        return self.cloud.receive(message[0], message[1], self.time())

    def to_device(self, message, retained=False):
        self.wire.append(message)
        command = self.device.receive(message[0], message[1], self.now, retained)
        if command:
            self.device.finish(command, self.device.registry.run(command.action, command.params))
        return command

    def pump(self):
        """Carry messages until nobody has any. Returns the events of the cloud."""
        events = []
        for _ in range(100):
            up = self.device.take(self.now)
            if up:
                events.append(self.to_cloud(up))
            down = self.cloud.take(self.time())
            if down:
                self.to_device(down)
            if not up and not down:
                return [event for event in events if event]
        raise AssertionError("the two never stop talking")

    def connect(self):
        self.device.connected(self.now)
        return self.pump()

    def wait(self, ms):
        """Let time pass; returns what the device's tick said."""
        self.now += ms
        self.cloud.tick(self.time())
        return self.device.tick(self.now)

    def order(self, action="light_on", params=None, life=300000):
        return self.cloud.submit(action, params or {}, self.time(), life)
