"""paho-mqtt and the Mosquitto clients find nothing amiss, over TCP and over TLS."""

import queue
import socket
import subprocess
import threading
import time

import paho.mqtt.client as paho
import pytest

from tests.broker.wire import TIMEOUT


@pytest.fixture
def broker(guarded):
    return guarded


# -- paho-mqtt --


class Paho:
    """paho's client with its callbacks as queues, so that a test can wait for what must come."""

    def __init__(
        self,
        port,
        certificates,
        secure,
        client_id,
        protocol=paho.MQTTv311,
        will=None,
        user=None,
        reconnects=False,
        clean=None,
        manual_ack=False,
    ):
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=clean,
            protocol=protocol,
            reconnect_on_failure=reconnects,
            manual_ack=manual_ack,
        )
        self.connected, self.messages, self.published, self.subscribed, self.lost = (
            queue.Queue() for _ in range(5)
        )
        self.client.on_connect = lambda c, u, flags, code, p: self.connected.put(
            (code, flags.session_present)
        )
        self.client.on_message = lambda c, u, message: self.messages.put(message)
        self.client.on_publish = lambda c, u, packet_id, code, p: self.published.put(packet_id)
        self.client.on_subscribe = lambda c, u, packet_id, codes, p: self.subscribed.put(
            [code.value for code in codes]
        )
        self.client.on_disconnect = lambda c, u, flags, code, p: self.lost.put(code)
        if secure:
            self.client.tls_set(str(certificates.ca))
        if will is not None:
            self.client.will_set(*will)
        if user is not None:
            self.client.username_pw_set(*user)
        self.port = port

    def start(self, keepalive=60):
        self.client.connect("localhost" if self.client._ssl else "127.0.0.1", self.port, keepalive)
        self.client.loop_start()
        return self

    def greeted(self, keepalive=60, present=False):
        self.start(keepalive)
        code, session_present = self.connected.get(timeout=TIMEOUT)
        assert code == 0
        assert session_present is present
        return self

    def end(self):
        self.client.disconnect()
        self.lost.get(timeout=TIMEOUT)
        self.client.loop_stop()

    def subscribe(self, *filters):
        self.client.subscribe(list(filters))
        return self.subscribed.get(timeout=TIMEOUT)

    def publish(self, topic, payload=b"", qos=1, retain=False):
        """Until paho has its PUBACK (QoS 1) or has written it (QoS 0)."""
        self.client.publish(topic, payload, qos, retain).wait_for_publish(TIMEOUT)

    def next(self):
        message = self.messages.get(timeout=TIMEOUT)
        return message.topic, message.payload, message.qos, bool(message.retain)


@pytest.fixture
def client(broker, certificates, secure):
    made = []

    def make(client_id, **options):
        made.append(Paho(broker.port, certificates, secure, client_id, **options))
        return made[-1]

    yield make
    for each in made:
        each.client.disconnect()
        each.client.loop_stop()


def test_paho_publishes_and_receives_at_qos_0_and_1(client):
    """[MQTT-3.8.4-6] [MQTT-4.3.2-2]"""
    reader = client("reader").greeted()
    assert reader.subscribe(("q/0", 0), ("q/1", 1), ("q/2", 2)) == [0, 1, 1]
    writer = client("writer").greeted()
    for published in (0, 1):
        for granted in (0, 1, 2):
            writer.publish(f"q/{granted}", b"x", qos=published)
    expected = [(f"q/{g}", b"x", min(p, g, 1), False) for p in (0, 1) for g in (0, 1, 2)]
    assert [reader.next() for _ in range(6)] == expected


def test_paho_gets_retained_messages(client):
    """[MQTT-3.3.1-6] [MQTT-3.3.1-10]"""
    writer = client("writer").greeted()
    writer.publish("r/1", b"one", retain=True)
    writer.publish("r/2", b"two", retain=True)
    writer.publish("r/1", b"", retain=True)
    reader = client("reader").greeted()
    reader.subscribe(("r/#", 1))
    assert reader.next() == ("r/2", b"two", 1, True)
    writer.publish("r/end")
    assert reader.next() == ("r/end", b"", 1, False)


def test_paho_gets_what_its_wildcards_take(client):
    """[MQTT-4.7.1-2] [MQTT-4.7.1-3]"""
    reader = client("reader").greeted()
    reader.subscribe(("hxtp/+/device/+/state", 1), ("hxtp/t/device/d/#", 0))
    writer = client("writer").greeted()
    writer.publish("hxtp/t/device/e/cmd")
    writer.publish("hxtp/t/device/d/cmd")
    writer.publish("hxtp/t/device/e/state")
    writer.publish("hxtp/t/device/d/state")
    assert [reader.next()[0::2] for _ in range(3)] == [
        ("hxtp/t/device/d/cmd", 0),
        ("hxtp/t/device/e/state", 1),
        ("hxtp/t/device/d/state", 1),
    ]


def test_a_paho_that_loses_its_connection_leaves_its_will(client):
    """[MQTT-3.1.2-8] [MQTT-3.14.4-3]"""
    watcher = client("watcher").greeted()
    watcher.subscribe(("will/#", 1))
    mortal = client("mortal", will=("will/lost", b"gone", 1, False)).greeted()
    orderly = client("orderly", will=("will/never", b"no", 1, False)).greeted()
    orderly.client.disconnect()
    orderly.lost.get(timeout=TIMEOUT)
    mortal.client.socket().shutdown(socket.SHUT_RDWR)
    assert watcher.next() == ("will/lost", b"gone", 1, False)


def test_an_idle_paho_keeps_itself_alive(client, broker):
    """[MQTT-3.1.2-24]: a second's keep alive, three seconds of silence"""
    idle = client("idle").greeted(keepalive=1)
    with pytest.raises(queue.Empty):
        idle.lost.get(timeout=3)
    assert broker.counts.timeouts == 0


def test_paho_delivers_many_messages_in_order_and_each_once(client):
    """[MQTT-4.6.0-6]"""
    reader = client("reader").greeted()
    reader.subscribe(("many", 1))
    writer = client("writer")
    writer.client.max_inflight_messages_set(100)
    writer.greeted()
    payloads = [number.to_bytes(2, "big") for number in range(1000)]
    for payload in payloads:
        writer.client.publish("many", payload, 1)
    assert [reader.next()[1] for _ in payloads] == payloads
    for _ in payloads:
        writer.published.get(timeout=TIMEOUT)
    assert reader.messages.empty()


def test_paho_is_told_when_it_may_not_connect(client):
    """[MQTT-3.2.2-5]"""
    refused = client("refused", user=("alice", "looking-glass")).start()
    code, _ = refused.connected.get(timeout=TIMEOUT)
    assert str(code) == "Not authorized"


def test_paho_is_told_when_it_may_not_subscribe_and_not_when_it_may_not_publish(client, broker):
    """[MQTT-3.9.3-2] [MQTT-3.3.5-2]"""
    alice = client("alice", user=("alice", "wonderland")).greeted()
    assert alice.subscribe(("open/#", 1), ("closed/#", 1)) == [1, 0x80]
    alice.publish("closed/x", b"dropped")
    alice.publish("open/x", b"passed")
    assert alice.next() == ("open/x", b"passed", 1, False)
    assert broker.counts.publish_refused == 1


def test_paho_as_mqtt_5_is_told_to_fall_back(client):
    """[MQTT-3.1.2-2]"""
    modern = client("modern", protocol=paho.MQTTv5).start()
    code, _ = modern.connected.get(timeout=TIMEOUT)
    assert str(code) == "Unsupported protocol version"


def test_a_second_paho_of_the_same_name_takes_over(client):
    """[MQTT-3.1.4-2]"""
    first = client("same").greeted()
    client("same").greeted()
    first.lost.get(timeout=TIMEOUT)


def test_paho_comes_back_by_itself_after_an_outage(client, broker):
    wanderer = client("wanderer", reconnects=True).greeted()
    broker.cut()
    wanderer.lost.get(timeout=TIMEOUT)
    broker.restore()
    code, _ = wanderer.connected.get(timeout=TIMEOUT)
    assert code == 0
    wanderer.subscribe(("t", 1))
    wanderer.publish("t", b"back")
    assert wanderer.next() == ("t", b"back", 1, False)


def test_a_persistent_session_waits_for_paho(client, broker):
    """[MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.2.2-2]"""
    reader = client("reader", clean=False).greeted()
    reader.subscribe(("t", 1))
    reader.end()
    for payload in (b"1", b"2"):
        broker.publish("t", payload, 1)
    again = client("reader", clean=False).greeted(present=True)
    assert [again.next()[1] for _ in range(2)] == [b"1", b"2"]


def test_paho_gets_again_what_it_did_not_acknowledge(client, broker):
    """[MQTT-4.4.0-1]"""
    reader = client("reader", clean=False, manual_ack=True).greeted()
    reader.subscribe(("t", 1))
    for payload in (b"1", b"2"):
        broker.publish("t", payload, 1)
    first = [reader.messages.get(timeout=TIMEOUT) for _ in range(2)]
    reader.client.ack(first[0].mid, 1)
    reader.end()
    again = client("reader", clean=False).greeted(present=True)
    message = again.messages.get(timeout=TIMEOUT)
    assert (message.payload, message.dup, message.mid) == (b"2", True, first[1].mid)
    broker.publish("t", b"3", 1)
    assert again.next()[1] == b"3"


# -- mosquitto_pub and mosquitto_sub --


@pytest.fixture
def mosquitto(program, broker, certificates, secure, tmp_path, monkeypatch):
    """mosquitto("sub", …) starts mosquitto_sub against the broker, with its usual MQTT 3.1.1."""
    common = ["-h", "localhost", "-p", str(broker.port)]
    if secure:
        common += ["--cafile", str(certificates.ca)]
    running = []

    def start(name, *arguments, user=None):
        folder = tmp_path / f"{len(running)}"
        folder.mkdir()
        if user is not None:  # not as arguments, where every process of the machine could read them
            (folder / f"mosquitto_{name}").write_text(f"-u {user[0]}\n-P {user[1]}\n")
        process = subprocess.Popen(
            [program(f"mosquitto_{name}"), *common, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"XDG_CONFIG_HOME": str(folder), "PATH": ""},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def wait_until(check):
    end = time.monotonic() + TIMEOUT
    while not check():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def subscribed(broker, client_id, count=1):
    wait_until(
        lambda: len(getattr(broker.server.broker.sessions.get(client_id), "subscriptions", ())) == count
    )


@pytest.mark.parametrize("qos", ["0", "1"])
def test_mosquitto_pub_reaches_mosquitto_sub(mosquitto, broker, qos):
    reader = mosquitto("sub", "-i", "reader", "-q", qos, "-t", "m/+/x", "-C", "3", "-F", "%t %q %r %p")
    subscribed(broker, "reader")
    for number in range(3):
        writer = mosquitto("pub", "-q", qos, "-t", f"m/{number}/x", "-m", f"message {number}")
        assert writer.communicate(timeout=TIMEOUT) == ("", "")
        assert writer.returncode == 0
    out, err = reader.communicate(timeout=TIMEOUT)
    assert (out.splitlines(), err) == ([f"m/{n}/x {qos} 0 message {n}" for n in range(3)], "")
    assert reader.returncode == 0


def test_mosquitto_sub_gets_retained_messages_and_is_granted_qos_1_for_2(mosquitto):
    """[MQTT-3.3.1-8] [MQTT-3.8.4-6]"""
    writer = mosquitto("pub", "-r", "-q", "1", "-t", "kept", "-m", "still here")
    writer.communicate(timeout=TIMEOUT)
    reader = mosquitto("sub", "-d", "-q", "2", "-t", "#", "-C", "1", "-F", "%t %q %r %p")
    out, _ = reader.communicate(timeout=TIMEOUT)
    assert "Subscribed (mid: 1): 1" in out
    assert out.splitlines().count("kept 1 1 still here") == 1


def test_mosquitto_pub_sends_a_stream_of_lines(mosquitto, broker):
    """200 messages at QoS 1 through one connection"""
    reader = mosquitto("sub", "-i", "reader", "-q", "1", "-t", "lines", "-C", "200")
    subscribed(broker, "reader")
    lines = "".join(f"line {number}\n" for number in range(200))
    writer = mosquitto("pub", "-q", "1", "-t", "lines", "-l")
    assert writer.communicate(lines, timeout=TIMEOUT) == ("", "")
    assert reader.communicate(timeout=TIMEOUT) == (lines, "")


def test_a_killed_mosquitto_sub_leaves_its_will(mosquitto, broker):
    """[MQTT-3.1.2-8]"""
    watcher = mosquitto("sub", "-i", "watcher", "-t", "will", "-C", "1")
    subscribed(broker, "watcher")
    mortal = mosquitto(
        "sub", "-i", "mortal", "-t", "x", "--will-topic", "will", "--will-payload", "gone", "--will-qos", "1"
    )
    subscribed(broker, "mortal")
    mortal.kill()
    assert watcher.communicate(timeout=TIMEOUT) == ("gone\n", "")


def test_mosquitto_clients_say_what_was_refused(mosquitto):
    """[MQTT-3.2.2-5] [MQTT-3.9.3-2] [MQTT-3.1.2-2]"""
    wrong = mosquitto("pub", "-t", "t", "-m", "x", user=("alice", "looking-glass"))
    assert "not authorised" in wrong.communicate(timeout=TIMEOUT)[1].lower()
    assert wrong.returncode != 0
    closed = mosquitto("sub", "-t", "closed", user=("alice", "wonderland"))
    assert "denied" in closed.communicate(timeout=TIMEOUT)[1].lower()
    modern = mosquitto("pub", "-V", "5", "-t", "t", "-m", "x")
    assert modern.communicate(timeout=TIMEOUT)[1] != ""
    assert modern.returncode != 0
    older = mosquitto("pub", "-V", "mqttv31", "-t", "t", "-m", "x")
    assert "unacceptable protocol version" in older.communicate(timeout=TIMEOUT)[1].lower()
    assert older.returncode != 0
    alice = mosquitto("pub", "-q", "1", "-t", "open/x", "-m", "x", user=("alice", "wonderland"))
    assert alice.communicate(timeout=TIMEOUT) == ("", "")
    assert alice.returncode == 0


def test_mosquitto_sub_comes_back_by_itself_after_an_outage(mosquitto, broker):
    reader = mosquitto("sub", "-i", "reader", "-t", "t", "-C", "1")
    subscribed(broker, "reader")
    broker.cut()
    wait_until(lambda: "reader" not in broker.server.broker.sessions)
    broker.restore()
    subscribed(broker, "reader")
    broker.publish("t", b"back")
    assert reader.communicate(timeout=TIMEOUT)[0] == "back\n"


def test_a_persistent_session_waits_for_mosquitto_sub(mosquitto, broker):
    """[MQTT-3.1.2-4] [MQTT-3.1.2-5]"""
    session = ["-c", "-i", "lasting", "-q", "1", "-t", "t"]
    assert mosquitto("sub", *session, "-E").wait(TIMEOUT) == 0  # leaves as soon as it has subscribed
    for number in range(3):
        broker.publish("t", b"message %d" % number, 1)
    out, err = mosquitto("sub", *session, "-C", "3").communicate(timeout=TIMEOUT)
    assert (out.splitlines(), err) == ([f"message {number}" for number in range(3)], "")


def test_no_thread_of_paho_outlives_its_test():
    assert not [thread for thread in threading.enumerate() if "paho" in thread.name]
