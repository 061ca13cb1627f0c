"""One connection: a dashboard until its first authentic signed message, a signed session from then on.

    dashboard     is told `state_update`, and `command_update`, `telemetry_update` or `presence_update` where
                  it asked for that; "ping" is answered
    signed        is told signed acks, errors, states and telemetry, and nothing else (HX3-TRANS-13)

What does not count is never answered. Must never read on while a message is still being dealt with, send
anything unsigned after the change, or outlive the rights of whoever connected.
"""

import asyncio
import contextlib
import json
import logging
import time
from typing import Any

from fastapi.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from host_sim.cloud.access import identify
from host_sim.cloud.callers import Caller
from host_sim.cloud.errors import ApiError
from host_sim.cloud.live import orders, signed
from host_sim.cloud.live.outbox import Out, Outbox, Overflow
from host_sim.cloud.live.signed import Seat
from host_sim.cloud.live.texts import text_of
from host_sim.cloud.security.vault import VaultError
from host_sim.cloud.services import Services
from host_sim.cloud.storage.database import FAILURES
from hxtp import envelope
from hxtp.errors import INTERNAL_ERROR

log = logging.getLogger(__name__)

# Close codes of our own; 1009 is a message that is too big.
JUNK = 4400
UNAUTHENTICATED = 4401
FORBIDDEN = 4403
IDLE = 4408
TOO_MANY = 4429
FAILED = 1011

EVENTS = ("state", "command", "telemetry", "presence")  # what a dashboard may ask for
PENDING = 256  # commands of a client whose end is awaited
WRITES = 4  # messages in a row, before others have their turn


class Closing(Exception):
    """The connection is to end, with this code and for this reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Connection:
    """`events`: what a dashboard wants to be told, of EVENTS."""

    def __init__(
        self,
        websocket: WebSocket,
        services: Services,
        caller: Caller,
        credential: str,
        events: frozenset[str] = frozenset(("state",)),
    ) -> None:
        self._websocket = websocket
        self._services = services
        self._live = services.live
        self._caller = caller
        self._tenant_id = caller.tenant_id
        self._credential = credential
        self._events = events
        self._seat = Seat()
        self._outbox = Outbox()
        self._overflow = asyncio.Event()
        self._refused = 0  # in a row
        self._tokens = float(self._live.bounds.burst)
        self._filled = time.monotonic()
        # Commands of the client by id, and the ends that came before their command was known to be ours.
        self._pending: dict[str, tuple[str, str]] = {}
        self._early: dict[str, Out] | None = None

    async def run(self) -> None:
        """Serve it until either side ends it. Raises Closing."""
        work = {
            asyncio.create_task(one())
            for one in (self._read, self._write, self._watch, self._wait_for_overflow)
        }
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._live.dropped += self._outbox.dropped
        for task in done:
            with contextlib.suppress(WebSocketDisconnect):
                task.result()

    # -- what happens (on the event loop) -----------------------------------------------------------

    def deliver(self, item: Out) -> None:
        """Something happened in the tenant."""
        signer = self._seat.signer
        if item.kind == "command":
            if signer is None:
                if "command" in self._events:
                    self._put(item)
            elif item.body["id"] in self._pending:
                self._ended(item.body["id"], item.body)
            elif self._early is not None:
                self._early[item.body["id"]] = item
        elif signer is None:
            if item.kind in self._events:
                self._put(item)
        elif item.kind == "presence":
            return  # no SDK knows it
        elif signer.kind == "client" or signer.id == item.device_id:
            self._put(item)

    def _put(self, item: Out) -> None:
        try:
            self._outbox.put(item)
        except Overflow:
            self._overflow.set()

    def _ended(self, command_id: str, ended: Any) -> None:
        message_id, device_id = self._pending.pop(command_id)
        self._put(Out("ack", device_id, orders.ack_body(ended, message_id), vital=True))

    async def _wait_for_overflow(self) -> None:
        await self._overflow.wait()
        raise Closing(TOO_MANY, "read what you are sent: too much waits")

    # -- out ----------------------------------------------------------------------------------------

    async def _write(self) -> None:
        written = 0
        while True:
            item = await self._outbox.take()
            if self._seat.signer is not None:
                await self._write_signed(item)
            else:
                await self._websocket.send_text(text_of(item))
            written += 1
            if written % WRITES == 0:
                # To write does not suspend while the system takes it, and what waits may be much.
                await asyncio.sleep(0)

    async def _write_signed(self, item: Out) -> None:
        if item.kind in ("pong", "pong json", "command", "presence"):
            return  # was asked for before the change
        bodies = [item.body]
        if item.kind == "ack":
            # A device may answer what has no portable form; how the command ended is told all the same.
            bodies.append({name: value for name, value in item.body.items() if name != "result"})
        for body in bodies:
            try:
                data = signed.sign(
                    self._caller, self._seat, item.kind, item.device_id, body, self._services.now()
                )
            except (TypeError, ValueError):
                continue
            if self._seat.framed:
                await self._websocket.send_bytes(data)
            else:
                await self._websocket.send_text(data.decode())
            return
        self._live.dropped += 1

    # -- in -----------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            try:
                received = await asyncio.wait_for(self._websocket.receive(), self._live.bounds.idle_s)
            except TimeoutError:
                raise Closing(IDLE, "nothing was heard for too long: send ping now and then") from None
            if received["type"] == "websocket.disconnect":
                return
            self._spend()
            text = received.get("text")
            if self._seat.signer is None and text is not None and self._is_ping(text):
                self._refused = 0
                continue
            await self._message(text.encode() if text is not None else received["bytes"])

    def _spend(self) -> None:
        bounds, now = self._live.bounds, time.monotonic()
        self._tokens = min(bounds.burst, self._tokens + (now - self._filled) * bounds.messages_per_s)
        self._filled = now
        if self._tokens < 1:
            raise Closing(TOO_MANY, f"at most {bounds.messages_per_s} messages a second")
        self._tokens -= 1

    def _is_ping(self, text: str) -> bool:
        if text == "ping":
            self._put(Out("pong", "", {}))
            return True
        try:
            value = json.loads(text) if len(text) <= 256 else None
        except (ValueError, RecursionError):
            return False
        if isinstance(value, dict) and value.get("type") == "ping":
            self._put(Out("pong json", "", {"id": value["id"]} if isinstance(value.get("id"), int) else {}))
            return True
        return False

    async def _message(self, data: bytes) -> None:
        try:
            verdict = await run_in_threadpool(self._judged, data)
        except ApiError as error:
            raise _gone(error) from None
        except (*FAILURES, VaultError) as error:
            log.error("a signed message could not be judged: %s", type(error).__name__)
            raise Closing(FAILED, "the cloud failed; connect again") from None
        if verdict.code:
            self._live.refused[verdict.code] += 1
            self._refused += 1
            if self._refused >= self._live.bounds.refused:
                raise Closing(
                    JUNK, f"{self._refused} messages in a row were refused, {verdict.code} the last"
                )
            return
        self._refused = 0
        self._live.accepted[verdict.profile] += 1
        if verdict.message.type == "command":
            await self._order(verdict.message)

    def _judged(self, data: bytes) -> signed.Verdict:
        """By what holds now: secrets that the tenant takes no more, or rights that ended, are none."""
        self._caller = self._known()
        return signed.receive(self._services, self._caller, self._seat, data)

    async def _order(self, message: envelope.Message) -> None:
        assert self._seat.signer is not None
        self._early = {}
        try:
            ordered = await run_in_threadpool(
                orders.order, self._services, self._credential, self._seat.signer, message
            )
            if len(self._pending) >= PENDING:
                self._pending.pop(next(iter(self._pending)))
            self._pending[ordered.command_id] = message.message_id, message.device_id
            early = self._early.get(ordered.command_id)
            ended = ordered.ended or (early.body if early is not None else None)
            if ended is not None:
                self._ended(ordered.command_id, ended)
        except ApiError as refusal:
            self._refuse(refusal, message)
        except FAILURES as error:
            log.error("a command could not be taken: %s", type(error).__name__)
            self._refuse(ApiError(500, INTERNAL_ERROR, "the cloud failed", "send it again"), message)
        finally:
            self._early = None

    def _refuse(self, refusal: ApiError, message: envelope.Message) -> None:
        body = orders.error_body(refusal, message.message_id)
        self._put(Out("error", message.device_id, body, vital=True))

    # -- rights -------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._live.bounds.recheck_s)
            try:
                self._caller = await run_in_threadpool(self._again)
            except ApiError as error:
                raise _gone(error) from None
            except FAILURES as error:
                log.warning("rights could not be looked up again: %s", type(error).__name__)

    def _known(self) -> Caller:
        caller = identify(self._services, self._credential)
        orders.allowed(caller)
        if caller.tenant_id != self._tenant_id:
            raise ApiError(401, "UNAUTHORIZED", "the tenant is another one now")
        return caller

    def _again(self) -> Caller:
        caller = self._known()
        if not signed.trusted(self._services, caller, self._seat):
            raise ApiError(401, "UNAUTHORIZED", "the client has been revoked")
        return caller


def _gone(error: ApiError) -> Closing:
    return Closing(UNAUTHENTICATED if error.status == 401 else FORBIDDEN, error.message)
