"""`load_gmqtt.py PORT COUNT`: the work of `host_sim.bench.load`, done by two gmqtt clients in one loop, as an
application would do it. Prints the seconds. Needs gmqtt, and nothing of ours.
"""

import asyncio
import sys
import time

import gmqtt
from gmqtt.mqtt.constants import MQTTv311

TOPIC = "hxtp/bench/device/0123456789abcdef0123456789abcdef/telemetry"
PAYLOAD = bytes(range(256)) * 2
WINDOW = 1024
TIMEOUT = 60.0


async def run(port: int, count: int) -> float:
    received = 0
    subscribed = asyncio.Event()
    done = asyncio.Event()

    def on_message(client, topic, payload, qos, properties):
        nonlocal received
        received += 1
        if received == count:
            done.set()
        return 0

    subscriber = gmqtt.Client("bench-subscriber")
    subscriber.on_message = on_message
    subscriber.on_subscribe = lambda *args: subscribed.set()
    publisher = gmqtt.Client("bench-publisher")
    await subscriber.connect("127.0.0.1", port, version=MQTTv311)
    await publisher.connect("127.0.0.1", port, version=MQTTv311)
    subscriber.subscribe(TOPIC, qos=0)
    await asyncio.wait_for(subscribed.wait(), TIMEOUT)
    start = time.perf_counter()
    for sent in range(count):
        publisher.publish(TOPIC, PAYLOAD, qos=0)
        while sent - received >= WINDOW:
            await asyncio.sleep(0)
    await asyncio.wait_for(done.wait(), TIMEOUT)
    seconds = time.perf_counter() - start
    await publisher.disconnect()
    await subscriber.disconnect()
    return seconds


print(asyncio.run(run(int(sys.argv[1]), int(sys.argv[2]))))
