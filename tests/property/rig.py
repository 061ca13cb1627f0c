"""A device, a gateway and the in-memory broker between them, in virtual time, for the stateful tests.

Everything that may fail can be made to: the network, the device's power at any flash write and at any
moment between a command's arrival and its ack, the gateway's process at any moment between two commits.
The rig writes down which numbers were used and what a refused message changed.
"""

import json
from random import Random

from host_sim import fast
from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.device import MemoryDevice, SimDevice
from host_sim.gateway.store import LINK
from hxtp import topics
from hxtp.cloud import Order
from hxtp.session import READY, RENEWING
from hxtp.window import Window

DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "tenant-1"
SECRET = b"\xab" * 32
START = 1_777_200_000_000
STEP = 250  # ms between two turns of the device's and the gateway's loop
IDLE = 4000  # the same where nobody has had anything to say for a while; below every time that matters
RECORDED = 60  # messages that an eavesdropper has
PASSWORD_EXPIRY = START // 1000 + 86400


_NUMBER = b'"sequence_number":'


def number_of(payload):
    start = payload.index(_NUMBER) + len(_NUMBER)
    return int(payload[start : payload.index(b",", start)])


def snapshot(session):
    """What a later message could observe of a session."""
    floor = session._floor
    return (
        session.state,
        floor.last,
        tuple(floor.nonces),
        session._offset,
        session._challenge,
        session._heard,
        session.framed,
        tuple(map(tuple, session.results._ring)),
        tuple(session.outbox.acks),
        session._counter.last,
    )


class WatchedDevice(SimDevice):
    """A SimDevice that notices a number used twice, and a refused message that changed something."""

    def __init__(self, *args, **more):
        self.numbers = set()
        self.problems = []
        super().__init__(*args, **more)

    def take(self, now):
        message = super().take(now)
        if message is not None:
            number = number_of(message[1])
            if number in self.numbers:
                self.problems.append(f"the device used number {number} twice")
            self.numbers.add(number)
        return message

    def receive(self, name, payload, now, retained=False):
        session = self.session
        refused = sum(session.refused.values())
        before = snapshot(session)
        super().receive(name, payload, now, retained)
        if sum(session.refused.values()) != refused:
            # Out of time or order but signed: it may make the device ask, and do nothing else.
            asked = (before[0], session.state) == (READY, RENEWING)
            if not asked and snapshot(session) != before:
                self.problems.append("a refused message changed something")


class Rig:
    """`orders` holds every command that was given, by message id."""

    DURABLE = (*LINK, "sent", "submitted")  # what a gateway finds again after its process was killed

    def __init__(self, seed=0, slice_bytes=0):
        random = Random(seed)
        self._random = random.randbytes
        self.network = MemoryNetwork(Broker(), start=START, slice_bytes=slice_bytes)
        self.device = WatchedDevice(DEVICE, TENANT, SECRET, self._random)
        self._wire = MemoryDevice(self.device, self.network, PASSWORD_EXPIRY)
        self._commands = topics.topic(TENANT, DEVICE, "cmd")
        self.published = []  # the last messages to the device, as an eavesdropper has them
        self.orders = {}
        self._numbers = set()
        self._executed = set()  # of those that check() has seen
        self._problems = []
        self._gateway = MemoryClient(self.network, "gateway")
        self.link = self._new_link(Window())
        self._commit(self.link)

    # -- the device -----------------------------------------------------------------------------

    def lose_power(self):
        self.device.power_off()

    def inject(self, payload):
        """A message that somebody else publishes to the device."""
        if self.device.powered and self._wire.client.connected:
            self.device.receive(self._commands, payload, self.network.now)

    def _device_turn(self):
        self._wire.step()
        if not self.device.powered:
            self.device.reboot()

    # -- the gateway ----------------------------------------------------------------------------

    def _new_link(self, window):
        return fast.Link(DEVICE, TENANT, [(fast.Key(SECRET), window)], self._random, self._commit)

    def _commit(self, link):
        window = link._slots[0][1]
        # By reference but for the orders: whatever else a link holds it replaces, and never changes in place.
        self._saved = [(name, getattr(link, name)) for name in self.DURABLE]
        self._saved_orders = [dict(vars(order)) for order in link.orders]
        self._saved_window = (window.highest, window.taken)

    def kill_gateway(self):
        """The process is killed, and starts from what it committed last."""
        self._gateway.vanish()
        self.link = self._new_link(Window(*self._saved_window))
        for name, value in self._saved:
            setattr(self.link, name, value)
        for saved in self._saved_orders:
            order = Order.__new__(Order)
            vars(order).update(saved)
            self.link.orders.append(order)
        self.orders.update((order.message_id, order) for order in self.link.orders)

    def _gateway_turn(self):
        gateway = self._gateway
        if not gateway.connected and gateway.connect() == 0:
            gateway.subscribe(topics.topic(TENANT, DEVICE, "x")[:-1] + "+")
        for message in gateway.poll():
            channel = topics.split(message.topic)[2]
            if channel == "heartbeat" and not message.payload:
                self.link.hint()  # the will; HX3-CMD-33
            elif channel not in topics.SUBSCRIBED:
                self.link.receive(channel, message.payload, self.network.now)
        self.link.tick(self.network.now)
        connected = gateway.connected
        while connected and gateway.link.open and (message := self.link.take(self.network.now)) is not None:
            number = number_of(message[1])
            if number in self._numbers:
                self._problems.append(f"the cloud used number {number} twice")
            self._numbers.add(number)
            self.published.append(message)
            del self.published[:-RECORDED]
            gateway.publish(topics.topic(TENANT, DEVICE, message[0]), message[1], qos=1)

    def submit(self, brightness, life=3_600_000):
        params = {"brightness": brightness}
        order = self.link.submit("light_brightness", params, self.network.now, life)
        self.orders[order.message_id] = order
        return order

    # -- both -----------------------------------------------------------------------------------

    def run(self, ms):
        for _ in self._turns(ms):
            pass

    def _turns(self, ms):
        """Let time pass, and everybody take turns; yields after each."""
        step = STEP
        end = self.network.now + max(ms, STEP)
        while self.network.now < end:
            said = len(self.device.numbers) + len(self._numbers)
            self.network.advance(min(step, end - self.network.now))
            self._device_turn()
            self._gateway_turn()
            busy = len(self.device.numbers) + len(self._numbers) != said
            step = STEP if busy else min(2 * step, IDLE)
            yield

    def heal(self):
        """Everything works from now on; wait until the last command has ended."""
        self.network.faults.clear()
        self.network.restore()
        self.device.flash.cut_at = self.device.cut_in_command = None
        for _ in self._turns(900_000):
            if not self.link.orders and self.device.session.state == READY:
                break

    def executed(self):
        return [run.message_id for run in self.device.runs]

    def check(self):
        """The promises that hold at every moment."""
        problems = self._problems + self.device.problems
        assert not problems, problems
        for run in self.device.runs[len(self._executed) :]:
            assert run.message_id not in self._executed, "a command was executed twice"
            assert run.message_id in self.orders, "a command was executed that nobody gave"
            self._executed.add(run.message_id)

    def describe(self):
        return json.dumps({name[:8]: [order.state, order.error] for name, order in self.orders.items()})
