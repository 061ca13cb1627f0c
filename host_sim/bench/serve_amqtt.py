"""`serve_amqtt.py PORT`: amqtt's broker for anybody on the loopback interface, until standard input ends.
Needs amqtt, and nothing of ours.
"""

import asyncio
import logging
import sys

from amqtt.broker import Broker

SETTINGS = {
    "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}


async def main() -> None:
    logging.disable(logging.CRITICAL)
    broker = Broker(SETTINGS)
    await broker.start()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await broker.shutdown()


asyncio.run(main())
