"""Watches the cloud's WebSocket as a dashboard does: what devices tell, and what becomes of commands.

Must never show the token that it comes with.
"""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from host_sim.cloud_client.api import CloudError, Session
from host_sim.cloud_client.client import UNSETTLED
from host_sim.cloud_client.live import opened


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
        self._updates: dict[str, Mapping[str, Any]] = {}  # by command
        self._ready = threading.Event()
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
        except CloudError as error:
            self.trouble = str(error)
        except (KeyError, TypeError) as error:
            self.trouble = f"what the WebSocket told cannot be read: {error!r}"
        finally:
            self._loop.close()
            self._ready.set()

    async def _watch(self) -> None:
        async with opened(self._session, alive_s=None) as live:
            self._ready.set()
            while True:
                self._hear(await live.hear())

    def _hear(self, told: Mapping[str, Any]) -> None:
        if told["type"] == "state_update":
            self.states[told["device_id"]] = told["state"]
        else:
            self._updates[told["command_id"]] = told
        self.told[told["device_id"]] += 1
