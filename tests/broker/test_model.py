"""Stateful clients against models of the standard.

`Conversation`: who gets which message, retained or not, over clean and persistent sessions, wills and
takeovers. `Window`: exactly what arrives and in which order, when acknowledgements are held back, queues are
short and sessions expire.
"""

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from host_sim.broker import topics
from host_sim.broker.core import Broker, Settings
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
        self.online = set()
        self.sessions = {}  # name -> (filter -> QoS, persistent)
        self.wills = {}
        self.retained = {}
        self.due = {name: [] for name in CLIENTS}

    @rule(target=names, name=NAMES)
    def invent(self, name):
        return name

    @rule(
        who=st.sampled_from(CLIENTS),
        will=st.none() | st.builds(Publish, NAMES, st.just(b"will"), st.integers(0, 1), st.booleans()),
        clean=st.booleans(),
    )
    def connect(self, who, will, clean):
        """Also while it is connected: then it takes over from itself."""
        self.check(who)
        self._end(who, with_will=True)
        client = self.clients[who]
        client.connect_packet.will = will
        client.connect_packet.clean_session = clean
        if clean or who not in self.sessions:
            self.sessions[who] = ({}, not clean)
            self.due[who].clear()
            present = False
        else:
            present = True
        assert client.connect() == 0
        assert client.connack.session_present is present
        self.online.add(who)
        self.wills[who] = will

    @rule(who=st.sampled_from(CLIENTS), orderly=st.booleans())
    def leave(self, who, orderly):
        if who in self.online:
            self.check(who)
            if orderly:
                self.clients[who].disconnect()
            else:
                self.clients[who].vanish()
            self._end(who, with_will=not orderly)

    @rule(who=st.sampled_from(CLIENTS), topic_filter=FILTERS, qos=st.integers(0, 2))
    def subscribe(self, who, topic_filter, qos):
        if who not in self.online:
            return
        assert self.clients[who].subscribe(topic_filter, qos=qos) == [min(qos, 1)]
        self.sessions[who][0][topic_filter] = min(qos, 1)
        for name, payload in self.retained.items():
            if topics.matches(topic_filter, name):
                self.due[who].append((name, payload, True, False))

    @rule(who=st.sampled_from(CLIENTS), topic_filter=FILTERS)
    def unsubscribe(self, who, topic_filter):
        if who in self.online:
            self.clients[who].unsubscribe(topic_filter)
            self.sessions[who][0].pop(topic_filter, None)

    @rule(
        who=st.sampled_from(CLIENTS),
        name=names,
        payload=st.sampled_from([b"", b"1", b"2"]),
        qos=st.integers(0, 1),
        retain=st.booleans(),
    )
    def publish(self, who, name, payload, qos, retain):
        if who in self.online:
            self.clients[who].publish(name, payload, qos, retain)
            self._published(name, payload, qos, retain)

    @invariant()
    def everybody_gets_just_what_is_due(self):
        for who in CLIENTS:
            self.check(who)
        assert set(self.network.broker.sessions) == set(self.sessions)

    def check(self, who):
        if who not in self.online:
            return
        client = self.clients[who]
        assert client.connected
        assert client.unacked == {}
        # Per client the order is that of publication; among retained ones for one subscription it is free.
        assert sorted(client.poll()) == sorted(self.due[who])
        self.due[who].clear()
        session = self.network.broker.sessions[who]
        assert (session.held, session.inflight, len(session.queue), session.scans) == (0, {}, 0, {})

    def _published(self, name, payload, qos, retain):
        if retain:
            self.retained.pop(name, None)
            if payload:
                self.retained[name] = payload
        for who, (filters, _) in self.sessions.items():
            granted = [granted for each, granted in filters.items() if topics.matches(each, name)]
            if granted and (who in self.online or min(qos, max(granted))):
                self.due[who].append((name, payload, False, False))

    def _end(self, who, with_will):
        if who not in self.online:
            return
        self.online.remove(who)
        if not self.sessions[who][1]:
            del self.sessions[who]
        will = self.wills.pop(who)
        if with_will and will is not None:
            self._published(will.topic, will.payload, will.qos, will.retain)


TestConversation = Conversation.TestCase


class Window(RuleBasedStateMachine):
    """One reader that acknowledges when it is told to. The model: what is in flight, what waits, what was
    lost.
    """

    INFLIGHT, QUEUED, EXPIRY = 2, 3, 1000

    @initialize()
    def start(self):
        limits = Settings(
            max_inflight=self.INFLIGHT, max_queued=self.QUEUED, session_expiry_ms=self.EXPIRY, work_per_turn=3
        )
        self.network = MemoryNetwork(Broker(settings=limits))
        self.reader = MemoryClient(self.network, "reader", acknowledge=False)
        self.online = self.persistent = False
        self.left_at = None  # when there is a session without a client
        self.granted = None  # of the one subscription
        self.inflight = []  # payloads, in order of sending
        self.ids = {}  # payload -> packet id
        self.queue = []
        self.expected = []  # (payload, DUP)
        self.count = 0
        self.dropped = 0

    @rule(clean=st.booleans())
    def connect(self, clean):
        self._leave()
        self._expire()
        exists = self.left_at is not None
        self.reader.connect_packet.clean_session = clean
        assert self.reader.connect() == 0
        assert self.reader.connack.session_present is (exists and not clean)
        if clean or not exists:
            self._forget()
        self.expected = [(payload, True) for payload in self.inflight]
        self.online, self.persistent, self.left_at = True, not clean, None
        self._pump()

    @rule(orderly=st.booleans())
    @precondition(lambda self: self.online)
    def leave(self, orderly):
        if orderly:
            self.reader.disconnect()
        else:
            self.reader.vanish()
        self._leave()

    @rule(qos=st.integers(0, 1))
    @precondition(lambda self: self.online)
    def subscribe(self, qos):
        assert self.reader.subscribe("t", qos=qos) == [qos]
        self.granted = qos

    @rule()
    @precondition(lambda self: self.online)
    def unsubscribe(self):
        self.reader.unsubscribe("t")
        self.granted = None

    @rule(qos=st.integers(0, 1), how_many=st.integers(1, 4))
    def publish(self, qos, how_many):
        for _ in range(how_many):
            self.count += 1
            payload = b"%d" % self.count
            self.network.publish("t", payload, qos)
            if self.granted is None:
                continue
            if not (qos and self.granted):
                if self.online:
                    self.expected.append((payload, False))
            elif len(self.queue) < self.QUEUED:
                self.queue.append(payload)
                self._pump()
            else:
                self.dropped += 1

    @rule(data=st.data())
    @precondition(lambda self: self.online and self.reader.unanswered)
    def acknowledge(self, data):
        """In any order: [MQTT-4.6.0-2] binds clients, but a broker has to live with those who do not care."""
        packet_id = data.draw(st.sampled_from(self.reader.unanswered))
        self.reader.ack(packet_id)
        (payload,) = (payload for payload in self.inflight if self.ids[payload] == packet_id)
        self.inflight.remove(payload)
        self._pump()

    @rule(packet_id=st.integers(1, 65535))
    @precondition(lambda self: self.online)
    def acknowledge_nothing(self, packet_id):
        if packet_id not in self.reader.unanswered:
            self.reader.unanswered.append(packet_id)
            self.reader.ack(packet_id)

    @rule(ms=st.sampled_from([1, 400, 999, 1000]))
    def wait(self, ms):
        self.network.advance(ms)
        self._expire()

    @invariant()
    def exactly_what_is_expected_arrives(self):
        if self.online:
            messages = self.reader.poll()
            assert [(message.payload, message.dup) for message in messages] == self.expected
            self.expected = []
            numbered = [message for message in messages if message.payload in self.inflight]
            ids = self.reader.unanswered[len(self.reader.unanswered) - len(numbered) :]
            for message, packet_id in zip(numbered, ids, strict=True):
                # [MQTT-2.3.1-2], and the same one when it comes again
                assert message.dup or packet_id not in map(self.ids.get, self.inflight)
                assert self.ids.setdefault(message.payload, packet_id) == packet_id
        session = self.network.broker.sessions.get("reader")
        assert (session is not None) is (self.online or self.left_at is not None)
        assert self.network.broker.counts.dropped_queue == self.dropped
        if session is not None:
            assert [message.payload for message in session.inflight.values()] == self.inflight
            assert [message.payload for message, _ in session.queue] == self.queue

    def _pump(self):
        while self.online and self.queue and len(self.inflight) < self.INFLIGHT:
            self.inflight.append(self.queue.pop(0))
            self.expected.append((self.inflight[-1], False))

    def _leave(self):
        if self.online:
            self.online = False
            if self.persistent:
                self.left_at = self.network.now
            else:
                self._forget()

    def _expire(self):
        if self.left_at is not None and self.network.now >= self.left_at + self.EXPIRY:
            self._forget()

    def _forget(self):
        self.left_at = self.granted = None
        self.inflight.clear()
        self.queue.clear()
        self.ids.clear()


TestWindow = Window.TestCase
