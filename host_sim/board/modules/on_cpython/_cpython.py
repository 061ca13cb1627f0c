"""Make a CPython process look like an ESP32 to the firmware: time, sockets, TLS, files and the odd missing
function.

It must only ever run in a started board's own process: it changes the standard library's modules in place.
Nothing here shadows `ssl`, `socket` or `time`: they stay CPython's, with MicroPython's behaviour where the
two differ.
"""

import builtins
import contextlib
import errno
import gc
import os
import select
import socket
import ssl
import sys
import time

import _air
import _board
import _flash
import _x509

_Poll = select.poll
_SSLSocket = ssl.SSLSocket
_load_verify_locations = ssl.SSLContext.load_verify_locations
_verify_mode = ssl.SSLContext.verify_mode


@contextlib.contextmanager
def _micropython_errors():
    """Time-outs and would-block as MicroPython raises them: OSError with an errno."""
    try:
        yield
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        raise BlockingIOError(errno.EAGAIN, "EAGAIN") from None
    except TimeoutError as error:
        raise OSError(errno.ETIMEDOUT, "ETIMEDOUT") from error


class _Stream:
    """MicroPython's stream methods over _receive(n) and _transmit(data).

    read(n) waits for all n bytes or the end of the stream; a non-blocking stream with nothing to read gives
    None.
    """

    def read(self, n=-1):
        data = b""
        while n < 0 or len(data) < n:
            try:
                part = self._receive(4096 if n < 0 else n - len(data))
            except BlockingIOError:
                return data or None
            if not part:
                break
            data += part
        return data

    def readinto(self, buffer, n=-1):
        data = self.read(len(buffer) if n < 0 else n)
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def readline(self):
        line = b""
        while not line.endswith(b"\n"):
            part = self.read(1)
            if not part:
                return line or part
            line += part
        return line

    def write(self, data, n=-1):
        data = memoryview(data.encode() if isinstance(data, str) else data).cast("B")
        data = data[:n] if n >= 0 else data
        sent = 0
        while sent < len(data):
            try:
                sent += self._transmit(data[sent:])
            except BlockingIOError:
                return sent or None
        return sent


class Socket(_Stream, socket.socket):
    def _receive(self, n):
        with _micropython_errors():
            return super().recv(n)

    def _transmit(self, data):
        with _micropython_errors():
            return super().send(data)

    recv = _receive
    send = _transmit

    def connect(self, address):
        with _micropython_errors():
            super().connect(address)

    def accept(self):
        with _micropython_errors():
            return super().accept()


class TLSSocket(_Stream, ssl.SSLSocket):
    """As MicroPython's: a handshake that was put off is made by the first reads and writes."""

    _shaken = False

    def _receive(self, n):
        with _micropython_errors():
            self._shake()
            return _SSLSocket.read(self, n)

    def _transmit(self, data):
        with _micropython_errors():
            self._shake()
            return _SSLSocket.write(self, data)

    recv = _receive
    send = _transmit

    def _shake(self):
        if not self._shaken:
            self.do_handshake()

    def do_handshake(self, block=False):
        super().do_handshake(block)
        self._shaken = True
        if self.server_side or self.context.verify_mode == ssl.CERT_NONE:
            return
        for der in [self.getpeercert(True), *self.context.get_ca_certs(True)]:
            fault = _x509.fault(der)
            if fault:
                raise ssl.SSLCertVerificationError(fault)


def _set_verify_mode(context, mode):
    """MicroPython has no check_hostname: with a required certificate the name is checked, without one nothing
    is."""
    if context.protocol == ssl.PROTOCOL_TLS_CLIENT:
        context.check_hostname = mode == ssl.CERT_REQUIRED
    _verify_mode.__set__(context, mode)


def _load_cadata(context, cafile=None, capath=None, cadata=None):
    if isinstance(cadata, (bytes, bytearray)) and bytes(cadata).lstrip().startswith(b"-----"):
        cadata = bytes(cadata).decode()
    _load_verify_locations(context, cafile, capath, cadata)


def _wrap_socket(
    sock,
    server_side=False,
    key=None,
    cert=None,
    cert_reqs=ssl.CERT_NONE,
    cadata=None,
    server_hostname=None,
    do_handshake=True,
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = cert_reqs
    if cadata is not None:
        context.load_verify_locations(cadata=cadata)
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context.wrap_socket(
        sock, server_side=server_side, do_handshake_on_connect=do_handshake, server_hostname=server_hostname
    )


class Poll:
    """MicroPython's poll object: gives back the objects that were registered, and knows what TLS has read
    ahead."""

    def __init__(self):
        self._poll = _Poll()
        self._objects = {}

    def register(self, stream, mask=select.POLLIN | select.POLLOUT):
        self._objects[stream.fileno()] = (stream, mask)
        self._poll.register(stream.fileno(), mask)

    modify = register

    def unregister(self, stream):
        for number, (held, _) in list(self._objects.items()):
            if held is stream:
                del self._objects[number]
                self._poll.unregister(number)

    def poll(self, timeout=-1):
        ready = [
            (stream, select.POLLIN)
            for stream, mask in self._objects.values()
            if mask & select.POLLIN and isinstance(stream, ssl.SSLSocket) and stream.pending()
        ]
        return ready or [(self._objects[n][0], events) for n, events in self._poll.poll(timeout)]

    def ipoll(self, timeout=-1, _flags=0):
        return iter(self.poll(timeout))


def install():
    for name in ("ticks_ms", "ticks_us", "ticks_add", "ticks_diff", "sleep", "sleep_ms", "sleep_us"):
        setattr(time, name, getattr(_board, name))
    for name in ("time", "time_ns", "gmtime", "mktime"):
        setattr(time, name, getattr(_board, name))
    time.localtime = _board.gmtime
    time.ticks_cpu = _board.ticks_us
    socket.socket = Socket
    socket.getaddrinfo = _air.getaddrinfo
    ssl.SSLContext.sslsocket_class = TLSSocket
    ssl.SSLContext.load_verify_locations = _load_cadata
    ssl.SSLContext.verify_mode = property(_verify_mode.__get__, _set_verify_mode)
    ssl.wrap_socket = _wrap_socket
    select.poll = Poll
    builtins.open = _flash.open_file
    os.rename = _flash.rename
    os.remove = os.unlink = _flash.remove
    os.mkdir = _flash.mkdir
    os.rmdir = _flash.rmdir
    gc.mem_free = lambda: 100000
    gc.mem_alloc = lambda: 28000
    gc.threshold = lambda *_amount: -1
    sys.print_exception = _print_exception


def _print_exception(error, file=None):
    import traceback

    traceback.print_exception(error, file=file or sys.stdout)
