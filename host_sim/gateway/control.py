"""The control port: what `gateway devices` and `gateway command` ask a running gateway, over loopback HTTP.

The address and a random bearer token lie in `control.json` (mode 0600) in the data folder, so whoever may
read the store may use the port, and nobody else. A secret never crosses it, and no request can hold it up.
"""

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from host_sim.files import replace_file
from host_sim.gateway.client import FILE, MAX_WAIT
from host_sim.gateway.gateway import Gateway, GatewayError
from host_sim.gateway.hub import Device, Ticket
from host_sim.gateway.store import Registration
from host_sim.params import Problem, checked, declared
from hxtp.errors import COMMAND_INVALID, DEVICE_NOT_FOUND, INVALID_PARAMS, HxtpError
from hxtp.sign import equal

MAX_REQUEST = 65536  # bytes of a body
REQUEST_TIME = 5.0  # seconds to send a request
MAX_REQUESTS = 32  # at a time


class Control:
    """Serves a gateway's control port until `stop`.

    `write_board(registration, board)` makes the files of a new board and returns its hxtp.json.
    """

    def __init__(
        self,
        gateway: Gateway,
        folder: str | Path,
        write_board: Callable[[Registration, str], Path] | None = None,
    ) -> None:
        self.gateway = gateway
        self.write_board = write_board
        self.token = secrets.token_urlsafe(32).encode()
        self.slots = threading.BoundedSemaphore(MAX_REQUESTS)
        self._file = Path(folder) / FILE
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.control = self  # type: ignore[attr-defined]
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="control", daemon=True
        )

    def start(self) -> "Control":
        self._thread.start()
        replace_file(
            self._file, json.dumps({"port": self.port, "pid": os.getpid(), "token": self.token.decode()})
        )
        return self

    def stop(self) -> None:
        self._file.unlink(missing_ok=True)
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "Control":
        return self.start()

    def __exit__(self, *unused: object) -> None:
        self.stop()

    # -- what can be asked; each takes and gives an object that JSON can hold ---------------------------

    def devices(self, request: dict) -> dict:
        return {"devices": [_device(device) for device in self.gateway.devices()]}

    def command(self, request: dict) -> dict:
        """{"device", "action", "params", "life_s", "wait_s"}: send it, and wait for what becomes of it."""
        action, params = request.get("action"), request.get("params", {})
        if not isinstance(action, str) or not isinstance(params, dict):
            raise Problem(COMMAND_INVALID, "a command has an action (a string) and params (an object)")
        device = self._find(request.get("device"))
        values = checked(device.manifest, action, params)
        ticket = self.gateway.command(device.device_id, action, values, _seconds(request, "life_s", 300.0))
        with contextlib.suppress(TimeoutError):  # the answer says that it is still under way
            ticket.wait(min(_seconds(request, "wait_s", 15.0), MAX_WAIT))
        return {"command": _ticket(ticket), "device": device.device_id, "online": device.online}

    def register(self, request: dict) -> dict:
        """{"device_type", "board"}: make a device and its board's files on this machine."""
        device_type, board = request.get("device_type"), request.get("board")
        if not isinstance(device_type, str) or not isinstance(board, str) or not 0 < len(device_type) <= 36:
            raise Problem(COMMAND_INVALID, "a device has a device_type (1 to 36 characters) and a board")
        return self._provision(self.gateway.register(device_type), board)

    def renew(self, request: dict) -> dict:
        """{"device", "board"}: write the board's files again, with a password for another 30 days."""
        board = request.get("board")
        if not isinstance(board, str):
            raise Problem(COMMAND_INVALID, "which board data?")
        return self._provision(self.gateway.renew(self._find(request.get("device")).device_id), board)

    def _provision(self, registration: Registration, board: str) -> dict:
        if self.write_board is None:
            raise Problem(COMMAND_INVALID, "this gateway writes no board files")
        file = self.write_board(registration, board)
        return {"device": registration.device_id, "file": str(file), "expires": registration.password_expiry}

    def _find(self, wanted: Any) -> Device:
        # By id, or by the beginning of one where only one begins so.
        if not isinstance(wanted, str) or not wanted:
            raise Problem(DEVICE_NOT_FOUND, "which device?")
        known = self.gateway.devices()
        found = [device for device in known if device.device_id == wanted]
        found = found or [device for device in known if device.device_id.startswith(wanted)]
        if len(found) == 1:
            return found[0]
        names = [f"{device.device_id}  {device.device_type}" for device in found or known]
        if found:
            raise Problem(DEVICE_NOT_FOUND, f"{len(found)} devices begin with {wanted!r}", names)
        what = f"no device {wanted!r}" if known else "no device is registered"
        raise Problem(DEVICE_NOT_FOUND, what, names)


CALLS = {
    ("GET", "/devices"): Control.devices,
    ("POST", "/command"): Control.command,
    ("POST", "/register"): Control.register,
    ("POST", "/renew"): Control.renew,
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # one request for a connection
    server_version = "hxtp-gateway"
    sys_version = ""
    timeout = REQUEST_TIME

    def handle(self) -> None:
        control: Control = self.server.control  # type: ignore[attr-defined]
        if not control.slots.acquire(blocking=False):
            return
        # The socket's own timeout starts anew with each byte; this one does not.
        self._late = threading.Timer(REQUEST_TIME, self.connection.shutdown, [2])
        self._late.start()
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the peer went away: nobody is left to be told
        finally:
            self._late.cancel()
            control.slots.release()

    def do_GET(self) -> None:
        self._answer_to("GET")

    def do_POST(self) -> None:
        self._answer_to("POST")

    def _answer_to(self, method: str) -> None:
        control: Control = self.server.control  # type: ignore[attr-defined]
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if not equal(given, b"Bearer " + control.token):
            return self._answer(401, {"code": "PERMISSION_DENIED", "message": "wrong token", "choices": []})
        call = CALLS.get((method, self.path))
        if call is None:
            return self._answer(404, {"code": "NOT_FOUND", "message": "no such call", "choices": []})
        request = self._body() if method == "POST" else {}
        if request is None:
            return None
        self._late.cancel()
        try:
            return self._answer(200, call(control, request))
        except Problem as problem:
            error = {"code": problem.code, "message": problem.detail, "choices": problem.choices}
        except HxtpError as refusal:
            error = {"code": refusal.code, "message": refusal.detail or refusal.code, "choices": []}
        except GatewayError as trouble:
            error = {"code": "UNAVAILABLE", "message": str(trouble), "choices": []}
        except OSError as trouble:
            error = {"code": "STORAGE", "message": str(trouble), "choices": []}
        return self._answer(400, error)

    def _body(self) -> dict | None:
        text = self.headers.get("Content-Length", "")
        if not (text.isascii() and text.isdigit()) or len(text) > 9:
            return self._answer(411, {"code": COMMAND_INVALID, "message": "how long is it?", "choices": []})
        if int(text) > MAX_REQUEST:
            return self._answer(
                413, {"code": "PAYLOAD_TOO_LARGE", "message": f"{MAX_REQUEST} bytes at most", "choices": []}
            )
        try:
            body = json.loads(self.rfile.read(int(text)))
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return self._answer(400, {"code": COMMAND_INVALID, "message": "not a JSON object", "choices": []})
        return body

    def _answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: an access log on the terminal of `gateway serve` would only hide what matters."""


def _seconds(request: dict, name: str, default: float) -> float:
    value = request.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86400:
        raise Problem(INVALID_PARAMS, f"{name} is more than 0 and at most 86400 seconds")
    return float(value)


def _device(device: Device) -> dict:
    return {
        "device_id": device.device_id,
        "device_type": device.device_type,
        "online": device.online,
        "session": device.session,
        "firmware_version": device.firmware_version,
        "boot_count": device.boot_count,
        "last_seen": device.last_seen,
        "state": device.state,
        "actions": sorted(declared(device.manifest)),
        "refused": dict(device.refused),
        "pending": [_ticket(ticket) for ticket in device.pending],
    }


def _ticket(ticket: Ticket) -> dict:
    return {
        "message_id": ticket.message_id,
        "action": ticket.action,
        "state": ticket.state,
        "error": ticket.error,
        "attempts": ticket.attempts,
        "result": dict(ticket.result),
    }
