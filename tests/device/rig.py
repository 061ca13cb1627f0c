"""A whole device in this process: real protocol, real MQTT link, in-memory broker and cloud, virtual time."""

from collections.abc import Callable
from types import SimpleNamespace

from test_device_clock import Ntp, Rtc, Time
from test_device_store import Flash

from check import Bytes
from hxtp import topics
from hxtp.cloud import Link as Cloud
from hxtp.envelope import Message, parse
from hxtp.sign import Key
from hxtp.window import Window
from hxtp_device import BUILT
from hxtp_device.backoff import Backoff
from hxtp_device.clock import Clock
from hxtp_device.device import Device
from hxtp_device.mqtt import Link
from hxtp_device.store import Store
from tests.device.peer import Air, Peer, publish

TENANT, DEVICE, SECRET = "tenant-1", "d0" * 16, b"\xab" * 32
NOW = BUILT + 20000000  # the true time, s since 1970


class Lamp:
    """A part that counts its ticks and does what it is told."""

    KIND = "lamp"

    def __init__(self, name="lamp"):
        self.name = name
        level = {"type": "integer", "minimum": 0, "maximum": 9, "required": True}
        self.actions = {"lamp_set": (1000, "Set the lamp", {"level": level}), "lamp_fail": (1001, "Fail", {})}
        self.context = None
        self.level = 0
        self.runs = 0
        self.ticks = 0
        self.last = 0
        self.fault = None

    def lamp_set(self, params):
        self.runs += 1
        self.level = params["level"]
        self.context.changed(self)

    def lamp_fail(self, params):
        raise RuntimeError("the filament is gone")

    def state(self):
        return {"level": self.level}

    def tick(self, now):
        self.ticks += 1
        self.last = now
        if self.fault:
            raise self.fault

    def saved(self):
        return {"level": self.level}

    def restore(self, saved):
        self.level = saved["level"]


class Wifi:
    """Joined from the start, until a test says otherwise."""

    def __init__(self):
        self.joined = True
        self.error = None

    def up(self):
        return self.joined

    def poll(self, now):
        if self.error:
            raise self.error
        return self.joined


class Guard:
    def __init__(self):
        self.reason = "power"
        self.fed = 0
        self.good = 0
        self.watching = None
        self.rests = 0

    def watch(self, seconds):
        self.watching = seconds

    def feed(self, now):
        self.fed += 1

    def healthy(self):
        self.good += 1

    def rest(self):
        self.rests += 1


class AskedNtp(Ntp):
    def __init__(self, answer):
        super().__init__(answer)
        self.asked = 0
        self.host = None

    def time(self):
        self.asked += 1
        return super().time()


class Rig:
    """Device, broker and cloud. `steps(ms)` lets time pass, 10 ms a poll; `cloud_up` False: nobody answers.

    `said`: [(channel, payload, qos)] of the device; `numbers`: the sequence numbers of all of them.
    """

    def __init__(self, flash=None, cloud=None, seed=1, time=None, parts=None, begin=True, **settings):
        self.time = time or Time(ticks=12345)
        self.rtc = Rtc(self.time)
        self.flash = flash if flash is not None else Flash()
        self.air = Air()
        self.ntp = AskedNtp(OSError(110))
        self.wifi = Wifi()
        self.guard = Guard()
        self.cloud = cloud or Cloud(DEVICE, TENANT, [(Key(SECRET), Window())], Bytes(99))
        self.cloud_up = True
        self.told = []
        self.said = []
        self.numbers = []
        self.events = []
        self.start = self.time.ticks
        self._taken = {}
        given = {
            "tenant_id": TENANT,
            "device_id": DEVICE,
            "secret": SECRET,
            "board": {"device_type": "test-lamp"},
            "firmware_version": None,
            "accept_unsigned_action": False,
            "serve_cloud_without_hello_ack": False,
            "ntp": "pool.ntp.org",
            "password_expiry": NOW + 1000000,
            "watchdog": 30,
        }
        given.update(settings)
        random = Bytes(seed)
        self.store = Store(self.flash, random)
        options = {"port": 8883, "user": DEVICE, "password": "p", "keepalive": 60}
        self.link = Link(self.air, "hxtp-" + DEVICE, "broker", **options)
        self.clock = Clock(self.time, self.rtc, max(BUILT, self.store.time))
        self.device = Device(
            SimpleNamespace(**given),
            self.store,
            self.clock,
            self.wifi,
            self.link,
            self.guard,
            Backoff(random),
            random,
            self.ntp,
            self.sleep,
        )
        self.lamp = Lamp()
        for part in parts if parts is not None else [self.lamp]:
            part.context = self.device
            self.device.add(part)

    def sleep(self, ms):
        self.time.ticks += ms

    @property
    def now(self):
        """The cloud's true time in ms since 1970."""
        return NOW * 1000 + self.time.ticks - self.start

    def poll(self, ms=10):
        self.time.ticks += ms
        busy = self.device.poll()
        for peer in self.air.peers:
            if peer.closed and peer is not self.air.peer:
                continue
            for name, payload, qos in peer.published[self._taken.get(id(peer), 0) :]:
                channel = topics.split(name)[2]
                self.said.append((channel, payload, qos))
                message = Message()
                parse(payload, message)
                self.numbers.append(message.sequence)
                if self.cloud_up:
                    event = self.cloud.receive(channel, payload, self.now)
                    if event:
                        self.events.append(event)
            self._taken[id(peer)] = len(peer.published)
        if self.cloud_up and self.air.peers and not self.air.peer.closed:
            self.cloud.tick(self.now)
            while True:
                message = self.cloud.take(self.now)
                if message is None:
                    break
                self.send(*message)
        return busy

    def send(self, channel, payload, **flags):
        self.air.peer.inbox += publish(topics.topic(TENANT, DEVICE, channel), payload, **{"qos": 1, **flags})

    def steps(self, ms, each=10):
        for _ in range(ms // each):
            self.poll(each)

    def until(self, predicate, ms=120000):
        for _ in range(ms // 10):
            if predicate():
                return
            self.poll()
        raise AssertionError(f"it never came about; {self.device.state}, {self.device.errors}")

    def ready(self):
        self.until(lambda: self.device.state == "READY" and self.cloud.state and self.cloud.manifest)
        return self

    def order(self, action, **params):
        order = self.cloud.submit(action, params, self.now)
        self.until(order.settled, 30000)
        return order

    def hang_up(self):
        """The broker closes the connection, and the device notices."""
        self.air.peer.ended = True
        self.until(lambda: self.device.state == "RECONNECTING", 1000)

    def kinds(self):
        return [event.type for event in self.events]


def silent() -> Peer:
    """A broker that takes the connection and says nothing at all."""
    peer = Peer()
    peer.answers = set()
    return peer


def refusing(code: int) -> Callable[[], Peer]:
    """Makes brokers that answer CONNECT with `code`."""

    def make() -> Peer:
        peer = Peer()
        peer.connack = code
        return peer

    return make
