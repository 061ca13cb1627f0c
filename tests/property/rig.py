"""A device, a gateway and the in-memory broker between them, in virtual time, for the stateful tests.

Everything that may fail can be made to: the network, the device's power at any flash write and at any
moment between a command's arrival and its ack, the gateway's process at any moment between two commits.
The rig writes down what was executed, which numbers were used, and what a refused message changed.
"""

import copy
import json
import re
from random import Random

from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from hxtp import topics
from hxtp.cloud import Link
from hxtp.counter import Counter
from hxtp.registry import Registry
from hxtp.session import OFFLINE, Identity, Session
from hxtp.sign import Key
from hxtp.window import Window

DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "tenant-1"
SECRET = b"\xab" * 32
START = 1_777_200_000_000
STEP = 250  # ms between two turns of the device's and the gateway's loop


class PowerCut(Exception):
    """The device loses its power here; nothing after this point was done."""


class Flash:
    """What survives a reset. A power cut can be set before or after a write."""

    def __init__(self):
        self.boots = 0
        self.reserved = 0
        self.cloud_answers = False
        self.floor = 0
        self.cut_at = None  # (writes from now, "before" or "after")

    def write(self, name, value):
        when = None
        if self.cut_at is not None:
            left, when = self.cut_at
            self.cut_at = (left - 1, when) if left else None
            when = when if left == 0 else None
        if when == "before":
            raise PowerCut
        setattr(self, name, value)
        if when == "after":
            raise PowerCut

    def save_cloud_answers(self):
        self.write("cloud_answers", True)

    def save_floor(self, sequence):
        self.write("floor", sequence)


class Lamp:
    KIND = "light"
    name = "light"

    def __init__(self):
        percent = {"type": "integer", "minimum": 0, "maximum": 100}
        self.actions = {"light_on": (1, "Switch on", {"brightness": percent})}
        self.brightness = 0

    def light_on(self, params):
        self.brightness = params.get("brightness", 100)

    def state(self):
        return {"brightness": self.brightness}


def snapshot(session):
    floor = session._floor
    return (
        session.state,
        floor.last,
        tuple(floor.nonces),
        session._offset,
        session._challenge,
        session._heard,
        session.framed,
        copy.deepcopy(session.results._ring),
        copy.deepcopy(session.outbox.acks),
        session._counter.last,
    )


def number_of(payload):
    return int(re.search(rb'"sequence_number":(\d+)', payload).group(1))


class Rig:
    def __init__(self, seed=0, slice_bytes=0):
        self.random = Random(seed)
        self.network = MemoryNetwork(Broker(), start=START, slice_bytes=slice_bytes)
        self.flash = Flash()
        self.executed = []  # message ids, over all boots
        self.device_numbers = set()
        self.cloud_numbers = set()
        self.published = []  # the last messages to the device, as an eavesdropper has them
        self.cut_in_command = None  # "before", "after": power goes around the next execution
        self.problems = []
        self.session = None
        self.client = None
        self.retry_at = START
        self.power_on()
        self.saved = None
        self.link = Link(DEVICE, TENANT, [(Key(SECRET), Window())], self.random.randbytes, self._commit)
        self._commit(self.link)
        self.orders = {}
        self.gateway = MemoryClient(self.network, "gateway")
        self.join_gateway()

    # -- the device -----------------------------------------------------------------------------

    def power_on(self):
        """Boot: the boot count is in flash before anything runs. A cut in that write is one more boot."""
        while True:
            try:
                self.flash.write("boots", self.flash.boots + 1)
                break
            except PowerCut:
                continue
        registry = Registry()
        registry.add(Lamp())
        identity = Identity(DEVICE, TENANT, "lamp", "0.1.0", self.flash.boots)
        counter = Counter(self.flash.reserved, lambda limit: self.flash.write("reserved", limit))
        self.session = Session(identity, Key(SECRET), counter, registry, self.random.randbytes, self.flash)
        # Ticks start anew at every boot, and nothing may depend on where.
        self.tick_zero = self.network.now - self.random.randrange(10_000)
        self.client = None

    def ticks(self):
        return self.network.now - self.tick_zero

    def lose_power(self):
        if self.client is not None and self.client.link is not None:
            self.client.link.close()
        self.power_on()
        self.retry_at = self.network.now + 1000

    def device_turn(self):
        try:
            self._device_turn()
        except PowerCut:
            self.lose_power()

    def _device_turn(self):
        now = self.ticks()
        if self.client is None or not self.client.connected:
            if self.session.state != OFFLINE:
                self.session.disconnected(now)
            if self.network.now < self.retry_at:
                return
            self.retry_at = self.network.now + self.random.randrange(1000, 5000)
            self.client = MemoryClient(self.network, "hxtp-" + DEVICE)
            if self.client.connect() != 0:
                return
            self.client.subscribe(topics.topic(TENANT, DEVICE, "cmd"))
            self.session.connected(now)
        for topic, payload, retain, _ in self.client.poll():
            self.device_receives(topics.split(topic)[2], payload, retain)
        if self.session.tick(now) == "reconnect":
            self.session.disconnected(now)
            self.client.vanish()
            return
        while self.client.connected:
            message = self.session.take(now)
            if message is None:
                break
            number = number_of(message[1])
            if number in self.device_numbers:
                self.problems.append(f"the device used number {number} twice")
            self.device_numbers.add(number)
            self.client.publish(topics.topic(TENANT, DEVICE, message[0]), message[1], qos=1)

    def device_receives(self, channel, payload, retain=False):
        """One message arrives. Raises PowerCut where one was set to happen."""
        refused = sum(self.session.refused.values())
        before = snapshot(self.session)
        state = self.session.state
        command = self.session.receive(channel, payload, self.ticks(), retain)
        if sum(self.session.refused.values()) != refused:
            # Out of time or order but signed: it may make the device ask, and do nothing else.
            asked = (state, self.session.state) == ("READY", "RENEWING")
            if not asked and snapshot(self.session) != before:
                self.problems.append("a refused message changed something")
        if command is None:
            return
        if self.cut_in_command == "before":
            self.cut_in_command = None
            raise PowerCut
        self.executed.append(command.message_id)
        ack = self.session.registry.run(command.action, command.params)
        if self.cut_in_command == "after":
            self.cut_in_command = None
            raise PowerCut
        self.session.finish(command, ack)

    # -- the gateway ----------------------------------------------------------------------------

    DURABLE = (
        "framed", "session", "boot_count", "results_kept", "hello", "manifest_hash", "manifest", "state",
        "last_seen", "sent", "orders", "_submitted",
    )  # fmt: skip

    def _commit(self, link):
        window = link._slots[0][1]
        self.saved = copy.deepcopy({name: getattr(link, name) for name in self.DURABLE})
        self.saved_window = (window.highest, window.taken)

    def restart_gateway(self):
        """The process is killed and starts from what it committed last."""
        self.gateway.vanish()
        window = Window(*self.saved_window)
        link = Link(DEVICE, TENANT, [(Key(SECRET), window)], self.random.randbytes, self._commit)
        for name, value in copy.deepcopy(self.saved).items():
            setattr(link, name, value)
        for order in link.orders:
            self.orders[order.message_id] = order
        self.link = link
        self.join_gateway()

    def join_gateway(self):
        if self.gateway.connect() == 0:
            self.gateway.subscribe(topics.topic(TENANT, DEVICE, "x")[:-1] + "+")

    def gateway_turn(self):
        if not self.gateway.connected:
            self.join_gateway()
        for topic, payload, _, _ in self.gateway.poll():
            channel = topics.split(topic)[2]
            if channel not in ("cmd", "ota"):
                self.link.receive(channel, payload, self.network.now)
        self.link.tick(self.network.now)
        while self.gateway.connected:
            message = self.link.take(self.network.now)
            if message is None:
                break
            number = number_of(message[1])
            if number in self.cloud_numbers:
                self.problems.append(f"the cloud used number {number} twice")
            self.cloud_numbers.add(number)
            self.published = [*self.published[-59:], message]
            self.gateway.publish(topics.topic(TENANT, DEVICE, message[0]), message[1], qos=1)

    def submit(self, brightness, life=3_600_000):
        order = self.link.submit("light_on", {"brightness": brightness}, self.network.now, life)
        self.orders[order.message_id] = order
        return order

    # -- both -----------------------------------------------------------------------------------

    def turn(self):
        self.device_turn()
        self.gateway_turn()

    def inject(self, payload):
        """A message that somebody else publishes to the device."""
        if self.client is not None and self.client.connected:
            try:
                self.device_receives("cmd", payload)
            except PowerCut:
                self.lose_power()

    def run(self, ms):
        for _ in range(max(1, ms // STEP)):
            self.network.advance(STEP)
            self.turn()

    def heal(self):
        """Everything works from now on; wait until the last command has ended."""
        self.network.faults.clear()
        self.network.restore()
        self.flash.cut_at = self.cut_in_command = None
        for _ in range(4 * 900):
            self.run(STEP)
            if not self.link.orders and self.session.state == "READY":
                break

    def check(self):
        """The promises that hold at every moment."""
        assert not self.problems, self.problems
        assert len(self.executed) == len(set(self.executed)), "a command was executed twice"
        assert set(self.executed) <= set(self.orders), "a command was executed that nobody gave"

    def describe(self):
        return json.dumps(
            {order.message_id[:8]: [order.state, order.error] for order in self.orders.values()}
        )
