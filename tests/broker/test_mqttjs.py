"""mqtt.js, unmodified, finds nothing amiss, over TCP and over TLS. `mqttjs.mjs` holds the client."""

import json
import queue
import subprocess
import threading
from pathlib import Path

import pytest

from host_sim import node
from host_sim.fetching import Unavailable
from tests.broker.wire import TIMEOUT
from tests.conftest import missing

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def command():
    """What starts the client. npm's packages are fetched at the first call, as the lock pins them."""
    found = node.find()
    try:
        folder = node.fetch(HERE)
    except Unavailable as reason:
        missing("mqtt.js", str(reason))
    return [found.program, str(HERE / "mqttjs.mjs"), str(folder)]


class MqttJs:
    """The process; `next(kind)` is what follows the name in its next line of that kind."""

    def __init__(self, command, options):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._heard = {
            kind: queue.Queue()
            for kind in ("connected", "closed", "error", "message", "subscribed", "published", "ended")
        }
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.tell("connect", options)

    def _listen(self):
        for line in self.process.stdout:
            kind, *rest = json.loads(line)
            self._heard[kind].put(rest)

    def tell(self, *words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def next(self, kind):
        return self._heard[kind].get(timeout=TIMEOUT)

    def subscribe(self, filters):
        """filters: topic filter -> QoS. The codes granted."""
        self.tell("subscribe", {topic_filter: {"qos": qos} for topic_filter, qos in filters.items()})
        return self.next("subscribed")[0]

    def publish(self, topic, payload=b"", qos=1, retain=False):
        """Until it has its PUBACK (QoS 1) or has written it (QoS 0)."""
        self.tell("publish", topic, payload.hex(), {"qos": qos, "retain": retain})
        assert self.next("published") == [True]

    def message(self):
        """(topic, payload, QoS, retain, DUP)"""
        topic, payload, *flags = self.next("message")
        return (topic, bytes.fromhex(payload), *flags)

    def close(self):
        self.process.stdin.close()
        self.process.wait(TIMEOUT)
        self._thread.join(TIMEOUT)
        errors = self.process.stderr.read()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
        assert errors == ""


@pytest.fixture
def broker(guarded):
    return guarded


@pytest.fixture
def client(command, broker, certificates, secure):
    made = []

    def make(client_id, **options):
        options = {
            "protocol": "mqtts" if secure else "mqtt",
            "host": "localhost" if secure else "127.0.0.1",
            "port": broker.port,
            "clientId": client_id,
            "reconnectPeriod": 0,
            "clean": True,
            **({"ca": str(certificates.ca)} if secure else {}),
            **options,
        }
        made.append(MqttJs(command, options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def greeted(client):
    def make(client_id, **options):
        found = client(client_id, **options)
        assert found.next("connected") == [False]
        return found

    return make


def test_it_publishes_and_receives_at_qos_0_and_1(greeted):
    """[MQTT-3.8.4-6] [MQTT-4.3.2-2]"""
    reader, writer = greeted("reader"), greeted("writer")
    assert reader.subscribe({"q/0": 0, "q/1": 1, "q/2": 2}) == [0, 1, 1]
    for published in (0, 1):
        for granted in (0, 1, 2):
            writer.publish(f"q/{granted}", b"\x00\xff", qos=published)
    assert [reader.message() for _ in range(6)] == [
        (f"q/{g}", b"\x00\xff", min(p, g, 1), False, False) for p in (0, 1) for g in (0, 1, 2)
    ]


def test_it_gets_retained_messages(greeted):
    """[MQTT-3.3.1-6] [MQTT-3.3.1-10]"""
    writer = greeted("writer")
    for topic, payload in (("r/1", b"one"), ("r/2", b"two"), ("r/1", b"")):
        writer.publish(topic, payload, retain=True)
    reader = greeted("reader")
    reader.subscribe({"r/#": 1})
    assert reader.message() == ("r/2", b"two", 1, True, False)


def test_its_will_is_published_when_it_vanishes_and_not_when_it_leaves(greeted):
    """[MQTT-3.1.2-8] [MQTT-3.14.4-3]"""
    watcher = greeted("watcher")
    watcher.subscribe({"will/#": 1})
    will = {"payload": b"gone".hex(), "qos": 1, "retain": False}
    orderly = greeted("orderly", will={"topic": "will/never", **will})
    mortal = greeted("mortal", will={"topic": "will/lost", **will})
    orderly.tell("end")
    orderly.next("ended")
    mortal.tell("vanish")
    assert watcher.message() == ("will/lost", b"gone", 1, False, False)


def test_many_messages_arrive_in_order_and_each_once(greeted):
    """[MQTT-4.6.0-6]"""
    reader, writer = greeted("reader"), greeted("writer")
    reader.subscribe({"many": 1})
    for number in range(500):
        writer.tell("publish", "many", number.to_bytes(2, "big").hex(), {"qos": 1})
    found = [int.from_bytes(reader.message()[1], "big") for _ in range(500)]
    assert found == list(range(500))
    assert all(writer.next("published") == [True] for _ in range(500))


def test_a_persistent_session_waits_for_it(greeted, client, broker):
    """[MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.2.2-2]"""
    reader = greeted("reader", clean=False)
    reader.subscribe({"t": 1})
    reader.tell("end")
    reader.next("ended")
    for payload in (b"1", b"2"):
        broker.publish("t", payload, 1)
    again = client("reader", clean=False)
    assert again.next("connected") == [True]
    assert [again.message()[1] for _ in range(2)] == [b"1", b"2"]


def test_it_is_told_what_it_may_not_do(greeted, client, broker):
    """[MQTT-3.2.2-5] [MQTT-3.9.3-2] [MQTT-3.3.5-2]"""
    refused = client("refused", username="alice", password="looking-glass")
    assert refused.next("error")[0] == 5
    alice = greeted("alice", username="alice", password="wonderland")
    assert alice.subscribe({"open/x": 1, "closed/x": 1}) == [1, 0x80]
    alice.publish("closed/x", b"dropped")
    alice.publish("open/x", b"passed")
    assert alice.message()[:2] == ("open/x", b"passed")
    assert broker.counts.publish_refused == 1


def test_as_mqtt_5_it_is_told_to_fall_back(client):
    """[MQTT-3.1.2-2]"""
    assert client("modern", protocolVersion=5).next("error")[0] == 1


def test_it_comes_back_and_subscribes_again_by_itself_after_an_outage(greeted, broker):
    wanderer = greeted("wanderer", reconnectPeriod=50)
    wanderer.subscribe({"t": 1})
    broker.cut()
    wanderer.next("closed")
    broker.restore()
    wanderer.next("connected")
    wanderer.publish("t", b"back")
    assert wanderer.message()[:2] == ("t", b"back")
