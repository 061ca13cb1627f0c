"""The SDK that pip installs, hxtp-py 1.2.0: it speaks 3.1 on the WebSocket, and is refused by that name."""

import asyncio

import pytest
from hxtp_py.client import AsyncHxTPClient
from hxtp_py.transport.websocket import WebSocketTransport

from tests.cloud.programs import PLAIN, address, token_of
from tests.cloud.waiting import WAIT


@pytest.fixture(scope="module")
def cloud_settings():
    return PLAIN


def test_a_client_of_a_later_protocol_is_refused_by_its_version_and_may_stay(cloud, api, device):
    """HX3-VAL-03, HX3-VAL-13: its hello is counted by that code and not answered."""
    lamp = device()

    async def scene():
        transport = WebSocketTransport(address(cloud), token=token_of(api()))
        client = AsyncHxTPClient(
            url=address(cloud),
            tenant_id=lamp.registration["tenant_id"],
            device_id=lamp.id,
            private_key_hex="ab" * 32,
            client_id="app",
            transport=transport,
            auto_reconnect=False,
        )
        heard = asyncio.Queue()
        await client.connect()
        transport.on_message(heard.put_nowait)
        await transport.send("ping")
        answer = await asyncio.wait_for(heard.get(), WAIT)
        while answer != "pong":
            answer = await asyncio.wait_for(heard.get(), WAIT)
        await client.disconnect()

    before = cloud.services.live.refused.copy()
    asyncio.run(scene())
    assert cloud.services.live.refused - before == {"VERSION_MISMATCH": 1}
    assert lamp.sim.runs == []
