"""The same conversation with our broker and with Mosquitto, Hypothesis choosing what is said: no difference.

It covers what no list of behaviours thinks of: sessions, wills, retained messages, overlapping filters and
acknowledgements held back, in any order. Where the two are known to differ is in `KNOWN`, and not said here.
"""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim.broker.packets import Publish, Suback, Subscribe, Unsuback, Unsubscribe
from host_sim.broker.server import ThreadedBroker
from tests.broker.conftest import running_mosquitto
from tests.broker.wire import Wire

KNOWN = {
    "a full queue": "Mosquitto 2.0 counts what is in flight when its client is away, ours does not",
    "a client id of another user": "Mosquitto hands the session over, and looks at permissions message by "
    "message; ours begins a new session",
    "malformed packets of no consequence": "Mosquitto ignores some (test_choices.py), ours ends on them",
    "the will of a client that takes its own persistent session over": "Mosquitto 2.0 forgets it, though its "
    "connection was closed without DISCONNECT [MQTT-3.1.2-8]; ours publishes it",
    "order among retained messages and between QoS 0 and 1": "free in the standard",
}

CLIENTS = ("anna", "bert")
NAMES = st.sampled_from(["a", "b", "a/b", "a/b/c", "a//b", ""])
FILTERS = st.sampled_from(["a", "b", "a/b", "+", "a/+", "+/b", "#", "a/#", "+/+", "a/+/#", "a/b/c", ""])
QOS = st.integers(0, 1)
WHO = st.sampled_from(CLIENTS)
WILLS = st.none() | st.tuples(NAMES, st.sampled_from([b"will", b""]), QOS, st.booleans())

STEPS = st.one_of(
    st.tuples(st.just("connect"), WHO, st.booleans(), WILLS),
    st.tuples(st.just("subscribe"), WHO, FILTERS, st.integers(0, 1)),
    st.tuples(st.just("subscribe"), WHO, FILTERS, st.integers(0, 1)),
    st.tuples(st.just("publish"), WHO, NAMES, st.sampled_from([b"", b"1", b"2"]), QOS, st.booleans()),
    st.tuples(st.just("publish"), WHO, NAMES, st.sampled_from([b"", b"1", b"2"]), QOS, st.booleans()),
    st.tuples(st.just("unsubscribe"), WHO, FILTERS),
    st.tuples(st.just("leave"), WHO),
    st.tuples(st.just("vanish"), WHO),
    st.tuples(st.just("look"), WHO, st.booleans()),
)


@pytest.fixture(scope="module")
def ports(program, tmp_path_factory):
    with (
        ThreadedBroker() as ours,
        running_mosquitto(program("mosquitto"), tmp_path_factory.mktemp("mosquitto")) as mosquitto,
    ):
        yield ours.port, mosquitto


class Side:
    """One broker's side of a conversation: what its clients saw, step by step."""

    def __init__(self, port, prefix):
        self.port = port
        self.prefix = prefix  # so that no conversation meets the messages of another
        self.wires = {}
        self.wills_that_last = set()  # of whom, connected with a persistent session and a will
        self.watcher = Wire(port).connect(f"{prefix}-watcher")
        self.watcher.subscribe(f"{prefix}/#", qos=0)
        self.messages()

    def step(self, what, who, *rest):
        """What there is to see of it."""
        wire = self.wires.get(who)
        if what == "connect":
            clean, will = rest
            if wire is not None and who in self.wills_that_last and not clean:  # KNOWN
                self.leave(who, wire)
                wire = None
            self.wills_that_last.discard(who)
            if will is not None:
                if not clean:
                    self.wills_that_last.add(who)
                name, payload, qos, retain = will
                will = Publish(f"{self.prefix}/{name}", payload, qos, retain)
            self.wires[who] = Wire(self.port)
            self.wires[who].connect(f"{self.prefix}-{who}", clean_session=clean, will=will)
            closed = wire is None or self._ends(wire)
            return closed, self.wires[who].session_present
        if wire is None:
            return None
        return getattr(self, what)(who, wire, *rest)

    def subscribe(self, who, wire, topic_filter, qos):
        wire.send(Subscribe(5, [(f"{self.prefix}/{topic_filter}", qos)]))
        return self._until(wire, Suback)

    def unsubscribe(self, who, wire, topic_filter):
        wire.send(Unsubscribe(6, [f"{self.prefix}/{topic_filter}"]))
        return self._until(wire, Unsuback)

    def publish(self, who, wire, name, payload, qos, retain):
        """By another connection, so that no message comes before the answer."""
        writer = Wire(self.port).connect(f"{self.prefix}-writer")
        writer.publish(f"{self.prefix}/{name}", payload, retain=retain, qos=qos)
        writer.leave()
        writer.close()
        return self.messages()

    def look(self, who, wire, acknowledge):
        return self._shown(wire.messages(acknowledge))

    def leave(self, who, wire):
        wire.messages(acknowledge=False)
        del self.wires[who]
        wire.leave()
        wire.close()
        return self.messages()

    def vanish(self, who, wire):
        """By a protocol error: that the broker has seen it is certain when it closes."""
        wire.messages(acknowledge=False)
        del self.wires[who]
        wire.send(b"\x00\x00")
        return self._ends(wire), self.messages()

    def messages(self):
        """All that has passed, for whoever cares."""
        return self._shown(self.watcher.messages())

    def _until(self, wire, kind):
        """The answer; messages before it are looked at in a later step, as if they had come behind it."""
        while not isinstance(packet := wire.receive(), kind):
            wire.early.append(packet)
        return packet

    def _ends(self, wire):
        while (packet := wire.receive()) is not None:
            assert isinstance(packet, Publish)
        wire.close()
        return True

    def _shown(self, messages):
        """By QoS, whether retained, and among retained ones sorted: other order is free."""
        seen = [(m.topic.removeprefix(self.prefix), m.payload, m.dup) for m in messages]
        flags = [(m.qos, m.retain) for m in messages]
        kinds = {
            kind: [m for m, flag in zip(seen, flags, strict=True) if flag == kind] for kind in set(flags)
        }
        return {kind: sorted(found) if kind[1] else found for kind, found in kinds.items()}

    def close(self):
        """Sessions that last are ended, so that thousands of conversations leave nothing."""
        for wire in (self.watcher, *self.wires.values()):
            wire.close()
        for who in CLIENTS:
            wire = Wire(self.port).connect(f"{self.prefix}-{who}")
            wire.leave()
            wire.close()


_numbers = itertools.count(1)


@settings(max_examples=settings.default.max_examples // 3)
@given(st.lists(STEPS, max_size=25))
def test_no_conversation_tells_them_apart(ports, steps):
    prefix = f"c{next(_numbers)}"
    sides = [Side(port, prefix) for port in ports]
    try:
        for number, step in enumerate(steps):
            ours, mosquitto = (side.step(*step) for side in sides)
            assert ours == mosquitto, f"step {number}: {step}"
        for who in CLIENTS:
            ours, mosquitto = (side.step("look", who, True) for side in sides)
            assert ours == mosquitto, f"{who} at the end"
    finally:
        for side in sides:
            side.close()
