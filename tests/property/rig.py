"""A device, a gateway and the in-memory broker between them, in virtual time, for the stateful tests.

Everything that may fail can be made to: the network, the device's power at any flash write and at any
moment between a command's arrival and its ack, the gateway's process at any moment between two commits.
The rig writes down which numbers were used and what a refused message changed.
"""

import copy
import json
import re
from random import Random

from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.device import MemoryDevice, SimDevice
from hxtp import topics
from hxtp.cloud import Link
from hxtp.session import READY, RENEWING
from hxtp.sign import Key
from hxtp.window import Window

DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "tenant-1"
SECRET = b"\xab" * 32
START = 1_777_200_000_000
STEP = 250  # ms between two turns of the device's and the gateway's loop
PASSWORD_EXPIRY = START // 1000 + 86400


def number_of(payload):
    return int(re.search(rb'"sequence_number":(\d+)', payload).group(1))


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
        copy.deepcopy(session.results._ring),
        copy.deepcopy(session.outbox.acks),
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

    # What a gateway finds again after its process was killed.
    DURABLE = (
        "framed",
        "session",
        "boot_count",
        "results_kept",
        "hello",
        "manifest_hash",
        "manifest",
        "state",
        "last_seen",
        "sent",
        "orders",
        "submitted",
    )

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
        return Link(DEVICE, TENANT, [(Key(SECRET), window)], self._random, self._commit)

    def _commit(self, link):
        window = link._slots[0][1]
        self._saved = copy.deepcopy({name: getattr(link, name) for name in self.DURABLE})
        self._saved_window = (window.highest, window.taken)

    def kill_gateway(self):
        """The process is killed, and starts from what it committed last."""
        self._gateway.vanish()
        self.link = self._new_link(Window(*self._saved_window))
        for name, value in copy.deepcopy(self._saved).items():
            setattr(self.link, name, value)
        self.orders.update((order.message_id, order) for order in self.link.orders)

    def _gateway_turn(self):
        gateway = self._gateway
        if not gateway.connected and gateway.connect() == 0:
            gateway.subscribe(topics.topic(TENANT, DEVICE, "x")[:-1] + "+")
        for message in gateway.poll():
            channel = topics.split(message.topic)[2]
            if channel not in topics.SUBSCRIBED:
                self.link.receive(channel, message.payload, self.network.now)
        self.link.tick(self.network.now)
        while gateway.connected and (message := self.link.take(self.network.now)) is not None:
            number = number_of(message[1])
            if number in self._numbers:
                self._problems.append(f"the cloud used number {number} twice")
            self._numbers.add(number)
            self.published = [*self.published[-59:], message]
            gateway.publish(topics.topic(TENANT, DEVICE, message[0]), message[1], qos=1)

    def submit(self, brightness, life=3_600_000):
        params = {"brightness": brightness}
        order = self.link.submit("light_brightness", params, self.network.now, life)
        self.orders[order.message_id] = order
        return order

    # -- both -----------------------------------------------------------------------------------

    def run(self, ms):
        for _ in range(max(1, ms // STEP)):
            self.network.advance(STEP)
            self._device_turn()
            self._gateway_turn()

    def heal(self):
        """Everything works from now on; wait until the last command has ended."""
        self.network.faults.clear()
        self.network.restore()
        self.device.flash.cut_at = self.device.cut_in_command = None
        for _ in range(4 * 900):
            self.run(STEP)
            if not self.link.orders and self.device.session.state == READY:
                break

    def executed(self):
        return [run.message_id for run in self.device.runs]

    def check(self):
        """The promises that hold at every moment."""
        problems = self._problems + self.device.problems
        executed = self.executed()
        assert not problems, problems
        assert len(executed) == len(set(executed)), "a command was executed twice"
        assert set(executed) <= set(self.orders), "a command was executed that nobody gave"

    def describe(self):
        return json.dumps({name[:8]: [order.state, order.error] for name, order in self.orders.items()})
