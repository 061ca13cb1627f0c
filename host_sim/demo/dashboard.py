"""Watches the cloud's WebSocket as a dashboard does: what devices tell, and what becomes of commands.

Must never show the token that it comes with.
"""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from host_sim.cloud_client.api import CloudError, Session
from host_sim.cloud_client.client import UNSETTLED


class Dashboard:
    """Connected between `start` and `stop`.

    `states`: the last state of each device. `told`: messages so far, by the device that they are about.
    `trouble`: why the connection ended by itself.
    """

    def __init__(self, session: Session) -> None:
        self.states: dict[str, dict[str, Any]] = {}
        self.told: Counter[str] = Counter()
        self.trouble: str | None = None
        self._session = session
        self._updates: dict[str, dict[str, Any]] = {}  # by command
        self._ready = threading.Event()
        # The library's other client reads and writes in two threads, which Python's TLS does not stand.
        self._loop = asyncio.new_event_loop()
        self._watching: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="dashboard", daemon=True)

    def start(self, timeout: float = 20.0) -> "Dashboard":
        """Raises CloudError."""
        self._thread.start()
        if not self._ready.wait(timeout):
            self.stop()
            raise CloudError(f"the WebSocket did not answer within {timeout:g} s")
        if self.trouble is not None:
            self.stop()
            raise CloudError(self.trouble)
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            # The loop may have ended just now.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._cancel)
            self._thread.join(10)

    def ended(self, command_id: str) -> Mapping[str, Any] | None:
        """What was told last of a command, with "status", "error" and "result", once it has ended."""
        update = self._updates.get(command_id)
        return update if update is not None and update["status"] not in UNSETTLED else None

    # -- its own thread -------------------------------------------------------------------------

    def _cancel(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._watching = self._loop.create_task(self._watch())
        try:
            self._loop.run_until_complete(self._watching)
        except asyncio.CancelledError:
            pass  # `stop` wants it
        except ConnectionClosed as closed:
            said = closed.rcvd.reason if closed.rcvd is not None else ""
            self.trouble = f"the cloud ended the WebSocket: {said or 'the connection was lost'}"
        except (OSError, WebSocketException) as error:
            self.trouble = f"the WebSocket cannot be reached: {error}"
        except (ValueError, KeyError, TypeError) as error:
            self.trouble = f"what the WebSocket told cannot be read: {error!r}"
        finally:
            self._loop.close()
            self._ready.set()

    async def _watch(self) -> None:
        address = f"{self._session.api.base.replace('http', 'ws', 1)}/ws/state?events=state,command"
        # Nobody is far away here: what takes long is a busy machine, and no reason to end the connection.
        async with connect(
            address,
            ssl=self._session.api.context,
            additional_headers={"Authorization": self._session.authorization},
            proxy=None,
            ping_interval=None,
            close_timeout=2,
        ) as socket:
            await socket.send("ping")  # the answer shows that all that happens from now on is told
            while True:
                self._hear(await socket.recv())

    def _hear(self, text: str | bytes) -> None:
        if text == "pong":
            self._ready.set()
            return
        told = json.loads(text)
        if told["type"] == "state_update":
            self.states[told["device_id"]] = told["state"]
        else:
            self._updates[told["command_id"]] = told
        self.told[told["device_id"]] += 1
