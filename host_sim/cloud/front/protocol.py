"""uvicorn's HTTP and WebSocket protocols, bounded: a head has a size, a number of lines and a time, a body
and an answer a least speed, and what is no HTTP at all is answered in the API's one shape of errors.

    connection → head … complete → body … complete → answer → the next head, at most `keep-alive` later

Must never write an answer into another one that is under way, nor keep what it has refused to read.
"""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from host_sim.cloud import logs
from host_sim.cloud.errors import ApiError
from host_sim.cloud.front import answers
from host_sim.cloud.front.seats import Seats

HEADERS = 100  # of a request
SOCKET_LINE = 8000  # bytes that the WebSocket's library takes of a line, less the header's name
SLOWEST = 1024  # bytes a second that a body has to come with, and an answer to be read with
FRAMING = 65536  # bytes that a body may take on the wire beyond twice its own
UNREAD_S = 60.0  # over which an answer that waits has to be read with SLOWEST
LINGER_S = 1.0  # that a refused peer has to read why, which it may not get if it is cut off while it sends,
LINGER = 1 << 20  # bytes of which are dropped meanwhile


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a request's head: its bytes, and the seconds that it may take. A TLS handshake has as many."""

    head_bytes: int
    head_s: float


class TooLarge(Exception):
    """The head is over its bounds."""


class Http(HttpToolsProtocol):
    """One connection of HTTP. `leave` is called when it has ended, whatever it has become."""

    def __init__(self, *given: Any, bounds: Bounds, seats: Seats, leave: Callable[[], None], **more: Any):
        super().__init__(*given, **more)
        self.ws_protocol_class = functools.partial(Socket, seats=seats, leave=leave)  # type: ignore[assignment]
        self._bounds = bounds
        self._seats = seats
        self._leave = leave
        self._in_head = True  # or before one; else in a body
        self._head = 0  # bytes that came since the last request was complete
        self._body = 0  # bytes of the body
        self._wire = 0  # and what they took
        self._seen = 0  # of the body, when the timer was set
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None  # runs while an answer is not read
        self._over = False  # the head was over its bounds
        self._deaf = False  # what comes is dropped
        self._dropped = 0  # bytes

    # -- as asyncio calls it ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._stop_timer()
        self._read_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._dropped += len(data)
            if self._dropped > LINGER:
                self.transport.abort()
            return
        if self._in_head:
            self._head += len(data)
        else:
            self._wire += len(data)
        super().data_received(data)
        if self._deaf or self.transport.is_closing():
            return
        if not self._in_head:
            if self._wire > 2 * self._body + FRAMING:
                self._refuse(_malformed())
        elif self._head > self._bounds.head_bytes:
            self._refuse(self._too_large())
        elif self._head and self._timer is None:
            self._set_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    def resume_writing(self) -> None:
        self._read_on()
        super().resume_writing()

    def _look_again(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(UNREAD_S, self._look, waiting)

    def _look(self, waited: int) -> None:
        """Whether the peer reads on, of whose answer so many bytes waited a while ago."""
        if waited - self.transport.get_write_buffer_size() < SLOWEST * UNREAD_S:
            self.transport.abort()
        else:
            self._look_again()

    def _read_on(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    # -- as the parser calls it -----------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes behind a body nobody reads
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._bounds.head_bytes or len(self.headers) > HEADERS:
            self._over = True
            raise TooLarge
        super().on_headers_complete()
        self._in_head = False
        self._head = self._body = self._wire = 0
        self._stop_timer()
        self._set_timer()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._stop_timer()
        super().on_message_complete()

    # -- refusals ---------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """uvicorn's word for whatever the parser did not take. `msg` is always the same."""
        self._refuse(self._too_large() if self._over else _malformed())

    def handle_websocket_upgrade(self) -> None:
        longest = max(len(self.url), *(len(value) for _, value in self.headers))
        if longest > SOCKET_LINE:
            self._refuse(self._too_large(SOCKET_LINE))
        elif self.cycle is not None and not self.cycle.response_complete:
            self._refuse(_malformed())  # after the answer that is under way
        else:
            self._read_on()
            super().handle_websocket_upgrade()

    def _too_large(self, most: int | None = None) -> ApiError:
        return ApiError(
            431,
            "HEADERS_TOO_LARGE",
            f"a request's head has at most {most or self._bounds.head_bytes} bytes in {HEADERS} lines",
            "send fewer and shorter headers; what is long belongs into the body",
        )

    def _refuse(self, error: ApiError) -> None:
        """Read nothing more. Answer, unless that would fall into another answer; then only close after it."""
        self._deaf = True
        self._stop_timer()
        self._unset_keepalive_if_required()
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if self._in_head and (answering or self.pipeline):
            cycle.keep_alive = False
            return
        if not self._in_head:
            if self.pipeline or not answering or cycle.response_started:
                self.transport.close()
                return
            # The request's own answer has no reader any more.
            cycle.disconnected = True
            cycle.message_event.set()
        self.flow.resume_reading()
        _answer(self.transport, self._seats, error)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.abort)

    # -- time -------------------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        self._seen = self._body
        self._timer = self.loop.call_later(self._bounds.head_s, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self._in_head:
            if self.flow.read_paused or self._body - self._seen >= SLOWEST * self._bounds.head_s:
                self._set_timer()
            else:
                self._refuse(_slow(f"a body has to come with {SLOWEST} bytes a second"))
        elif self._head:
            self._refuse(_slow(f"a request's head has to come within {self._bounds.head_s:g} s"))
        else:
            self.transport.close()  # nothing was asked, so nothing is answered


class Socket(WebSocketsSansIOProtocol):
    """One connection of WebSocket, from the request to upgrade on."""

    def __init__(self, *given: Any, seats: Seats, leave: Callable[[], None], **more: Any) -> None:
        super().__init__(*given, **more)
        self._seats = seats
        self._leave = leave

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def handle_connect(self, event: Any) -> None:
        told = self.conn.accept(event)
        if told.status_code == 101:
            return super().handle_connect(event)
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        headers = {
            name: told.headers[name] for name in ("Upgrade", "Sec-WebSocket-Version") if name in told.headers
        }
        error = ApiError(
            told.status_code,
            "UPGRADE_REQUIRED" if told.status_code == 426 else "BAD_REQUEST",
            "this is no handshake of a WebSocket",
            "use a library for WebSockets (RFC 6455, version 13)",
            headers,
        )
        _answer(self.transport, self._seats, error)
        self.transport.close()


def _answer(transport: asyncio.Transport, seats: Seats, error: ApiError) -> None:
    name = answers.request_id()
    seats.refused[error.code] += 1
    logs.unread(error.status, name)
    transport.write(answers.whole(error, name))


def _malformed() -> ApiError:
    return ApiError(400, "BAD_REQUEST", "this is no HTTP/1.1 request", "send one: see RFC 9112")


def _slow(message: str) -> ApiError:
    return ApiError(408, "REQUEST_TIMEOUT", message, "send it at once")
