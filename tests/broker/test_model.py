"""Stateful clients against a model of the standard: who gets which message, at which QoS, retained or not."""

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from host_sim.broker import topics
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.broker.packets import Publish

LEVELS = st.sampled_from(["a", "b", "$c", ""])
NAMES = st.lists(LEVELS, min_size=1, max_size=3).map("/".join).filter(topics.is_name)
FILTERS = st.lists(st.sampled_from(["a", "b", "$c", "", "+", "#"]), min_size=1, max_size=3)
FILTERS = FILTERS.map("/".join).filter(topics.is_filter)
CLIENTS = ["anna", "bert", "carl"]


class Conversation(RuleBasedStateMachine):
    """The model: who subscribed to what, which messages are retained, and what each client is due."""

    names = Bundle("names")

    @initialize(slice_bytes=st.integers(0, 3))
    def start(self, slice_bytes):
        self.network = MemoryNetwork(slice_bytes=slice_bytes)
        self.clients = {name: MemoryClient(self.network, name) for name in CLIENTS}
        self.subscriptions = {name: None for name in CLIENTS}  # None: not connected; else filter -> QoS
        self.wills = {}
        self.retained = {}
        self.due = {name: [] for name in CLIENTS}

    @rule(target=names, name=NAMES)
    def invent(self, name):
        return name

    @rule(who=st.sampled_from(CLIENTS), will=st.none() | st.builds(Publish, NAMES, st.just(b"will")))
    def connect(self, who, will):
        self._end(who, with_will=True)
        client = self.clients[who]
        client.poll()
        client.connect_packet.will = will
        assert client.connect() == 0
        self.subscriptions[who] = {}
        self.wills[who] = will

    @rule(who=st.sampled_from(CLIENTS), orderly=st.booleans())
    def leave(self, who, orderly):
        if self.subscriptions[who] is not None:
            self.check(who)
            if orderly:
                self.clients[who].disconnect()
            else:
                self.clients[who].vanish()
            self._end(who, with_will=not orderly)

    @rule(who=st.sampled_from(CLIENTS), topic_filter=FILTERS, qos=st.integers(0, 2))
    def subscribe(self, who, topic_filter, qos):
        if self.subscriptions[who] is None:
            return
        assert self.clients[who].subscribe(topic_filter, qos=qos) == [min(qos, 1)]
        self.subscriptions[who][topic_filter] = min(qos, 1)
        for name, payload in self.retained.items():
            if topics.matches(topic_filter, name):
                self.due[who].append((name, payload, True, False))

    @rule(who=st.sampled_from(CLIENTS), topic_filter=FILTERS)
    def unsubscribe(self, who, topic_filter):
        if self.subscriptions[who] is not None:
            self.clients[who].unsubscribe(topic_filter)
            self.subscriptions[who].pop(topic_filter, None)

    @rule(
        who=st.sampled_from(CLIENTS),
        name=names,
        payload=st.sampled_from([b"", b"1", b"2"]),
        qos=st.integers(0, 1),
        retain=st.booleans(),
    )
    def publish(self, who, name, payload, qos, retain):
        if self.subscriptions[who] is not None:
            self.clients[who].publish(name, payload, qos, retain)
            self._published(name, payload, retain)

    @invariant()
    def everybody_gets_just_what_is_due(self):
        for who in CLIENTS:
            self.check(who)

    def check(self, who):
        client = self.clients[who]
        if self.subscriptions[who] is not None:
            assert client.connected
            assert client.unacked == {}
        # Per client the order is that of publication; among retained ones for one subscription it is free.
        assert sorted(client.poll()) == sorted(self.due[who])
        self.due[who].clear()

    def _published(self, name, payload, retain):
        if retain:
            self.retained.pop(name, None)
            if payload:
                self.retained[name] = payload
        for who, filters in self.subscriptions.items():
            if filters and any(topics.matches(topic_filter, name) for topic_filter in filters):
                self.due[who].append((name, payload, False, False))

    def _end(self, who, with_will):
        if self.subscriptions[who] is None:
            return
        self.subscriptions[who] = None
        will = self.wills.pop(who)
        if with_will and will is not None:
            self._published(will.topic, will.payload, will.retain)


TestConversation = Conversation.TestCase
