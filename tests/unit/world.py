"""A device and its cloud in one process, with a clock that the test moves. For both runtimes."""

import hashlib
import json

from hxtp import envelope, jsontext, session
from hxtp.cloud import Link
from hxtp.counter import Counter
from hxtp.registry import Registry
from hxtp.replay import Floor
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
    """`device` and `cloud`, joined by `pump`; `wire` holds the last messages that went over."""

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
        self.device = Session(
            identity, Key(self.secret), counter, registry, Random(b"boot%d" % self.boots), self.memory
        )

    def _reserve(self, limit):
        self.reserved = limit

    def time(self):
        return self.epoch + self.now

    def _keep(self, message):
        self.wire.append(message)
        if len(self.wire) > 12:  # a 128 KB heap holds no more
            self.wire.pop(0)

    def to_cloud(self, message):
        self._keep(message)
        return self.cloud.receive(message[0], message[1], self.time())

    def to_device(self, message, retained=False):
        self._keep(message)
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


def ready():
    """A world whose device has a session."""
    world = World()
    world.connect()
    assert world.device.state == session.READY
    return world


def opened(message):
    """A message of the device as a cloud would read it, whatever its time and number."""
    judge = envelope.Verifier(15, [(Key(SECRET), Floor(-1))])
    judge.max_age = judge.max_future = 1 << 60
    read = judge.judge(message[1], START, message[0])
    assert read.code is None, read.code
    return read


class Forger:
    """Signs messages to the device as its cloud would, without being its Link."""

    def __init__(self, world, secret=SECRET, first=1000):
        self.world = world
        self.key = Key(secret)
        self.sequence = first
        self.random = Random(b"forger")

    def send(self, kind, body, channel="cmd", deliver=True, raw=None, **changes):
        self.sequence += 1
        message_id = session.uuid4(self.random(16))
        fields = {
            "message_type": kind,
            "device_id": DEVICE,
            "tenant_id": TENANT,
            "client_id": "cloud",
            "message_id": message_id,
            "request_id": message_id,
            "sequence_number": self.sequence,
            "timestamp": self.world.time(),
            "nonce": "%032x" % self.sequence,
        }
        fields.update(changes)
        text = raw or jsontext.dumps(body).encode()
        message = (channel, envelope.build(self.key, fields, text, changes.get("framed", True)))
        return self.world.to_device(message) if deliver else message

    def hello_ack(self, **changes):
        body = {
            "challenge": self.world.device._challenge,
            "last_cloud_sequence": self.sequence + 1,
            "last_device_sequence": 0,
            "server_time": self.world.time(),
            "session": True,
        }
        body.update(changes)
        # Numbers too, which jsontext would refuse.
        return self.send("hello_ack", body, raw=json.dumps(body).encode())


def device_snapshot(device):
    """Everything about a session that a later message could observe."""
    floor = device._floor
    return (
        device.state,
        floor.last,
        tuple(floor.nonces),
        device._offset,
        device._challenge,
        device._heard,
        device._asked,
        device.framed,
        tuple(tuple(entry) for entry in device.results._ring),
        tuple(device.outbox.acks),
        device.outbox.state,
        tuple(device.outbox.samples),
        device._counter.last,
        device._manifest_wanted,
    )


def link_snapshot(link):
    """Everything about a link that a later message could observe."""
    window = link._slots[0][1]
    return (
        link.session,
        link.boot_count,
        link.manifest_hash,
        link.state,
        link.last_seen,
        link.sent,
        window.highest,
        window.taken,
        [(o.message_id, o.state, o.attempts) for o in link.orders],
        len(link._answers),
        link.framed,
    )


class Sayer:
    """Signs what a device would say, without being a Session."""

    def __init__(self, world, secret=SECRET, first=5000):
        self.forger = Forger(world, secret, first)
        self.world = world

    def say(self, kind, body, channel=None, **changes):
        message = self.forger.send(kind, body, channel or kind, deliver=False, **changes)
        return self.world.to_cloud(message)

    def hello(self, **changes):
        body = {"boot_count": 1, "challenge": "ab" * 16, "results_kept": 8, "manifest_hash": "00" * 32}
        body.update(changes)
        return self.say("hello", body)


def damaged(payload, step):
    """The payload cut at every `step`th byte, then with a bit changed at every `step`th, then junk."""
    for size in range(0, len(payload), step):
        yield payload[:size]
    for i in range(0, len(payload), step):
        yield payload[:i] + bytes([payload[i] ^ 4]) + payload[i + 1 :]
    for junk in (b"", b"null", b"HX", b"\xff" * 30, b'{"a":"\\ud800"}', b"{" * 2000):
        yield junk
