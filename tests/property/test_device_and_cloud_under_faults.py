"""Device, gateway and broker under every fault at once: lost, doubled, late, reordered and damaged messages,
outages, power cuts at any flash write and around any command, a gateway that is killed.

Whatever happens: nothing is executed twice or unasked, no number is used twice, a refused message changes
nothing, and when the network is back every command is acknowledged or its outcome is honestly unknown.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hxtp import envelope, jsontext
from hxtp.sign import Key
from tests.property.rig import DEVICE, RECORDED, TENANT, Rig

FAULTS = ("drop", "duplicate", "reorder", "delay", "corrupt", "disconnect", "disconnect_after")


class DeviceAndCloud(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32 - 1), slice_bytes=st.sampled_from([0, 0, 0, 97]))
    def start(self, seed, slice_bytes):
        self.rig = Rig(seed, slice_bytes)
        self.short_lived = set()

    @rule(ms=st.sampled_from([250, 1000, 5000, 12000, 70000]))
    def time_passes(self, ms):
        self.rig.run(ms)

    @rule(brightness=st.integers(-5, 105), ms=st.sampled_from([0, 250, 1000]))
    def a_command_is_given(self, brightness, ms):
        if len(self.rig.link.orders) < 30:
            self.rig.submit(brightness)
            self.rig.run(ms)

    @rule(
        count=st.integers(2, 14),
        acks=st.sampled_from(FAULTS),
        lost=st.integers(0, 12),
        overtaken=st.booleans(),
    )
    def many_commands_are_given_and_their_acks_suffer(self, count, acks, lost, overtaken):
        self.rig.network.faults.inject(acks, topic="+/+/+/+/cmd_ack", count=max(1, lost))
        if overtaken:
            self.rig.network.faults.inject("reorder", topic="+/+/+/+/cmd")
        for brightness in range(count):
            if len(self.rig.link.orders) < 30:
                self.rig.submit(brightness)
        self.rig.run(1000)

    @rule(when=st.sampled_from(["before", "after"]), ms=st.sampled_from([1000, 12000]))
    def the_device_loses_its_power_around_a_command(self, when, ms):
        self.rig.device.cut_in_command = when
        self.rig.submit(77)
        self.rig.run(ms)

    @rule(life=st.integers(1, 20000))
    def a_command_with_a_short_life_is_given(self, life):
        order = self.rig.submit(50, life)
        self.short_lived.add(order.message_id)

    @rule(rates=st.dictionaries(st.sampled_from(FAULTS), st.floats(0.0, 0.14), max_size=7))
    def the_network_gets_worse_or_better(self, rates):
        self.rig.network.faults.set_rates(rates)

    @rule(action=st.sampled_from(FAULTS), skip=st.integers(0, 3))
    def one_message_will_suffer(self, action, skip):
        self.rig.network.faults.inject(action, skip=skip)

    @rule(silent=st.booleans())
    def the_network_is_cut(self, silent):
        self.rig.network.cut(silent)

    @rule()
    def the_network_is_back(self):
        self.rig.network.restore()

    @rule()
    def the_device_loses_its_power(self):
        self.rig.lose_power()

    @rule(write=st.integers(1, 3), written=st.booleans())
    def power_will_go_at_a_flash_write(self, write, written):
        self.rig.device.power_cut_at(write, written)

    @rule()
    def the_gateway_is_killed(self):
        self.rig.kill_gateway()

    @precondition(lambda self: self.rig.published)
    @rule(age=st.integers(0, RECORDED - 1))
    def a_recorded_message_is_replayed(self, age):
        self.rig.inject(self.recorded(age))

    @precondition(lambda self: self.rig.published)
    @rule(age=st.integers(0, RECORDED - 1), at=st.integers(0, 1023), bit=st.integers(0, 7))
    def a_recorded_message_is_damaged(self, age, at, bit):
        payload = self.recorded(age)
        at %= len(payload)
        self.rig.inject(payload[:at] + bytes([payload[at] ^ 1 << bit]) + payload[at + 1 :])

    @rule(payload=st.binary(max_size=60))
    def junk_arrives_at_both_ends(self, payload):
        self.rig.inject(payload)
        assert self.rig.link.receive("state", payload, self.rig.network.now) is None

    @rule(brightness=st.integers(0, 100), number=st.integers(0, 2**53 - 1))
    def a_stranger_signs_a_command(self, brightness, number):
        fields = {
            "message_type": "command", "device_id": DEVICE, "tenant_id": TENANT, "client_id": "x",
            "message_id": "stranger", "request_id": "stranger", "sequence_number": number,
            "timestamp": self.rig.network.now, "nonce": f"{number:032x}",
        }  # fmt: skip
        body = jsontext.dumps({"action": "light_brightness", "brightness": brightness}).encode()
        self.rig.inject(envelope.build(Key(b"\xcd" * 32), fields, body))

    @precondition(lambda self: self.rig.link.orders)
    @rule()
    def everything_is_healed_for_a_while(self):
        self.rig.heal()
        self.all_have_ended()

    @invariant()
    def promises_hold(self):
        if hasattr(self, "rig"):
            self.rig.check()

    def recorded(self, age):
        """A message that an eavesdropper has: 0 is the newest."""
        return self.rig.published[-1 - age % len(self.rig.published)][1]

    def all_have_ended(self):
        rig = self.rig
        executed = set(rig.executed())
        for message_id, order in rig.orders.items():
            if order.state == "acknowledged":
                as_it_should = message_id in executed
            elif order.state == "failed" and order.error == "OUTCOME_UNKNOWN":
                # The boot that it was published to is over.
                as_it_should = order.boot_count < rig.device.boot_count
            elif order.state == "failed":
                # Nobody signs the top-level action: whoever damages it has the command refused, not run.
                refused = order.error == "COMMAND_INVALID" and message_id not in executed
                as_it_should = refused or order.error == "INVALID_PARAMS"
            else:
                as_it_should = order.state == "expired" and message_id in self.short_lived
            assert as_it_should, (order.state, order.error, rig.describe())

    def teardown(self):
        if hasattr(self, "rig"):
            self.rig.heal()
            self.rig.check()
            self.all_have_ended()
            assert self.rig.device.session.state == "READY"


TestDeviceAndCloud = DeviceAndCloud.TestCase
TestDeviceAndCloud.settings = settings(max_examples=5 * settings.default.max_examples, stateful_step_count=30)
