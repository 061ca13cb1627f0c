"""gmqtt, unmodified, finds nothing amiss, over TCP and over TLS; it begins with MQTT 5 and falls back."""

import asyncio
import importlib
import sys
from pathlib import Path

import pytest

from tests.broker import python_packages
from tests.broker.wire import TIMEOUT

MQTT_3_1_1, MQTT_5 = 4, 5


@pytest.fixture(scope="module")
def gmqtt():
    """The package. It is fetched at the first call, as the lock pins it."""
    folder = str(python_packages.fetch(Path(__file__).with_name("gmqtt.lock")))
    sys.path.append(folder)
    try:
        yield importlib.import_module("gmqtt")
    finally:
        sys.path.remove(folder)


class Client:
    """gmqtt's client with its callbacks as queues, so that a test can wait for what must come."""

    def __init__(self, gmqtt, client_id, clean=True, will=None, user=None):
        self.client = gmqtt.Client(client_id, clean_session=clean, will_message=will)
        self.client.set_config({"reconnect_delay": 0, "reconnect_retries": 100})
        self.heard = {
            kind: asyncio.Queue() for kind in ("connected", "message", "subscribed", "disconnected")
        }
        self.client.on_connect = lambda c, flags, code, p: self._put("connected", flags)
        self.client.on_subscribe = lambda c, mid, codes, p: self._put("subscribed", list(codes))
        self.client.on_disconnect = lambda c, packet, exc=None: self._put("disconnected", None)
        self.client.on_message = self._message
        if user is not None:
            self.client.set_auth_credentials(*user)

    def _put(self, kind, value):
        self.heard[kind].put_nowait(value)

    def _message(self, client, topic, payload, qos, properties):
        flags = (qos, bool(properties["retain"]), bool(properties["dup"]))
        self._put("message", (topic, bytes(payload), *flags))
        return 0

    async def next(self, kind):
        return await asyncio.wait_for(self.heard[kind].get(), TIMEOUT)

    async def subscribe(self, *filters):
        for topic_filter, qos in filters:
            self.client.subscribe(topic_filter, qos)
        return [code for _ in filters for code in await self.next("subscribed")]

    def vanish(self):
        """The connection ends without DISCONNECT, and is not made again."""
        self.client.stop_reconnect()
        self.client._connection._transport.abort()


@pytest.fixture
def broker(guarded):
    return guarded


@pytest.fixture
def conversation(gmqtt, broker, certificates, secure):
    """conversation(play) runs `await play(connect)`; connect(name, …) is a connected Client."""
    tls = certificates.client_context() if secure else False
    host = "localhost" if secure else "127.0.0.1"

    def run(play):
        made = []

        async def connect(client_id, version=MQTT_3_1_1, **options):
            made.append(Client(gmqtt, client_id, **options))
            await asyncio.wait_for(
                made[-1].client.connect(host, broker.port, ssl=tls, version=version), TIMEOUT
            )
            return made[-1]

        async def whole():
            try:
                await play(connect)
            finally:
                for each in made:
                    if each.client._connection is not None:
                        await each.client.disconnect()

        asyncio.run(whole())

    return run


def test_it_publishes_and_receives_at_qos_0_and_1(conversation):
    """[MQTT-3.8.4-6] [MQTT-4.3.2-2]"""

    async def play(connect):
        reader, writer = await connect("reader"), await connect("writer")
        assert await reader.subscribe(("q/0", 0), ("q/1", 1), ("q/2", 2)) == [0, 1, 1]
        for published in (0, 1):
            for granted in (0, 1, 2):
                writer.client.publish(f"q/{granted}", b"\x00\xff", qos=published)
        assert [await reader.next("message") for _ in range(6)] == [
            (f"q/{g}", b"\x00\xff", min(p, g, 1), False, False) for p in (0, 1) for g in (0, 1, 2)
        ]

    conversation(play)


def test_it_begins_with_mqtt_5_and_falls_back_by_itself(conversation, broker):
    """[MQTT-3.1.2-2]: return code 1 is the answer that it understands"""

    async def play(connect):
        modern = await connect("modern", version=MQTT_5)
        assert await modern.subscribe(("t", 1)) == [1]
        modern.client.publish("t", b"x", qos=1)
        assert (await modern.next("message"))[:2] == ("t", b"x")
        assert broker.counts.refused_connects == 1

    conversation(play)


def test_it_gets_retained_messages(conversation):
    """[MQTT-3.3.1-6] [MQTT-3.3.1-10]"""

    async def play(connect):
        writer = await connect("writer")
        await writer.subscribe(("end", 1))
        for topic, payload in (("r/1", b"one"), ("r/2", b"two"), ("r/1", b""), ("end", b"")):
            writer.client.publish(topic, payload, qos=1, retain=topic != "end")
        await writer.next("message")
        reader = await connect("reader")
        await reader.subscribe(("r/#", 1))
        assert await reader.next("message") == ("r/2", b"two", 1, True, False)

    conversation(play)


def test_its_will_is_published_when_it_vanishes_and_not_when_it_leaves(conversation, gmqtt):
    """[MQTT-3.1.2-8] [MQTT-3.14.4-3]"""

    async def play(connect):
        watcher = await connect("watcher")
        await watcher.subscribe(("will/#", 1))
        orderly = await connect("orderly", will=gmqtt.Message("will/never", b"no", qos=1))
        await orderly.client.disconnect()
        mortal = await connect("mortal", will=gmqtt.Message("will/lost", b"gone", qos=1))
        mortal.vanish()
        assert await watcher.next("message") == ("will/lost", b"gone", 1, False, False)

    conversation(play)


def test_many_messages_arrive_in_order_and_each_once(conversation):
    """[MQTT-4.6.0-6]"""

    async def play(connect):
        reader, writer = await connect("reader"), await connect("writer")
        await reader.subscribe(("many", 1))
        for number in range(1000):
            writer.client.publish("many", b"%d" % number, qos=1)
        found = [int((await reader.next("message"))[1]) for _ in range(1000)]
        assert found == list(range(1000))

    conversation(play)


def test_a_persistent_session_waits_for_it(conversation, broker):
    """[MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.2.2-2]"""

    async def play(connect):
        reader = await connect("reader", clean=False)
        assert await reader.next("connected") == 0
        await reader.subscribe(("t", 1))
        await reader.client.disconnect()
        broker.publish("t", b"1", 1)
        broker.publish("t", b"2", 1)
        reader = await connect("reader", clean=False)
        assert await reader.next("connected") == 1
        assert [(await reader.next("message"))[1] for _ in range(2)] == [b"1", b"2"]

    conversation(play)


def test_it_is_told_what_it_may_not_do(conversation, broker, gmqtt):
    """[MQTT-3.2.2-5] [MQTT-3.9.3-2] [MQTT-3.3.5-2]"""

    async def play(connect):
        with pytest.raises(gmqtt.mqtt.handler.MQTTConnectError, match="5"):
            await connect("refused", user=("alice", "looking-glass"))
        alice = await connect("alice", user=("alice", "wonderland"))
        assert await alice.subscribe(("open/#", 1), ("closed/#", 1)) == [1, 0x80]
        alice.client.publish("closed/x", b"dropped", qos=1)
        alice.client.publish("open/x", b"passed", qos=1)
        assert (await alice.next("message"))[:2] == ("open/x", b"passed")
        assert broker.counts.publish_refused == 1

    conversation(play)


def test_it_comes_back_by_itself_after_an_outage(conversation, broker):
    async def play(connect):
        wanderer = await connect("wanderer")
        await wanderer.next("connected")
        broker.cut()
        await wanderer.next("disconnected")
        broker.restore()
        await wanderer.next("connected")
        await wanderer.subscribe(("t", 1))
        wanderer.client.publish("t", b"back", qos=1)
        assert (await wanderer.next("message"))[:2] == ("t", b"back")

    conversation(play)
