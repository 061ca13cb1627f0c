"""Asks a cloud's REST API over HTTPS. Whatever goes wrong ends in one sentence that says what to do.

Must never put a token or a secret into an error, follow a redirect with one, or send one unencrypted over a
network.
"""

import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import BadStatusLine, HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from host_sim.trouble import Trouble

TIMEOUT = 15  # seconds for one request
MAX_ANSWER = 4 * 1024 * 1024  # bytes: a list of ten thousand devices


class CloudError(Trouble):
    """What was in the way, and what to do about it. `status`: HTTP's, 0 where there was no answer. `code`:
    what it is called, for programs."""

    code = "FAILED"

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class UsageError(CloudError):
    """An option is missing or wrong; says what to write."""


class Unreachable(CloudError):
    """The cloud did not answer. Whether it got the question is not known."""

    code = "UNREACHABLE"


class Refused(CloudError):
    """The cloud answered with an error. `code`: its name. `choices`: what is possible instead. `body`: all of
    it, which may hold a token to confirm with."""

    def __init__(self, answer: "Answer") -> None:
        try:
            self.body: Mapping[str, Any] = answer.json()
        except CloudError:
            self.body = {}
        super().__init__(told(answer), answer.status)
        self.code = str(self.body.get("error", ""))[:64]
        choices = self.body.get("choices")
        self.choices = [str(one)[:64] for one in choices[:256]] if isinstance(choices, list) else []


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the cloud's, its body as received. `headers`: by name in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Raises CloudError for a body that is no JSON object."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise CloudError(
                "what answers there is no HxTP cloud: its answer is no JSON object; check --cloud"
            )
        return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *unused: Any) -> None:
        return None


class Api:
    """The API at `base` (https://HOST[:PORT]/api/v1). `ca`: the file of the CA that vouches for it; None: the
    system's. Raises CloudError."""

    def __init__(self, base: str, ca: Path | None = None) -> None:
        self.base = _checked(base)
        self.host = urlsplit(self.base).netloc
        try:
            self.context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        except (OSError, ssl.SSLError) as error:
            raise CloudError(f"--ca: {ca} cannot be read as certificates in PEM form ({error})") from None
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=self.context), _NoRedirect, urllib.request.ProxyHandler({})
        )

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        """The answer, whatever its status; `X_NAME="…"` becomes the header X-NAME. Raises CloudError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            try:
                response = self._opener.open(request, timeout=TIMEOUT)
            except urllib.error.HTTPError as error:
                response = error
            with response:
                text = response.read(MAX_ANSWER + 1)
        except urllib.error.URLError as error:
            raise Unreachable(self._why(error.reason)) from None
        except (OSError, ValueError, HTTPException) as error:
            raise Unreachable(self._why(error)) from None
        if len(text) > MAX_ANSWER:
            raise CloudError(f"{self.host} answers with over {MAX_ANSWER} bytes: check --cloud")
        return Answer(
            response.status, {name.lower(): value for name, value in response.headers.items()}, text
        )

    def _why(self, reason: object) -> str:
        if isinstance(reason, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {self.host} is not one that this machine trusts "
                f"({reason.verify_message}): give its CA with --ca FILE (a cloud started here keeps it in "
                "DATA/pki/ca.pem)"
            )
        if isinstance(reason, ssl.SSLError):
            told = f"{self.host} does not speak TLS as expected ({reason.reason or reason})"
            # Over a network nothing else would be sent there.
            near = is_local(urlsplit(self.base).hostname or "")
            return f"{told}: {f'if it is plain HTTP, try {self._other()}' if near else 'check --cloud'}"
        if isinstance(reason, ConnectionResetError | BadStatusLine) and self.base.startswith("http:"):
            return f"{self.host} gives no answer in plain HTTP; it may speak https: try {self._other()}"
        if isinstance(reason, ConnectionResetError | BadStatusLine):
            return f"{self.host} ends the connection without an answer: try again; is it a broker's port?"
        if isinstance(reason, TimeoutError | socket.timeout):
            return f"{self.host} does not answer within {TIMEOUT} s: is the cloud running?"
        if isinstance(reason, ConnectionRefusedError):
            return f"nothing listens at {self.host}: start the cloud (host_sim cloud), or check --cloud"
        if isinstance(reason, socket.gaierror):
            return f"there is no host {self.host}: check --cloud"
        return f"{self.host} cannot be reached: {reason}"

    def _other(self) -> str:
        scheme, _, rest = self.base.partition(":")
        return f"{'http' if scheme == 'https' else 'https'}:{rest}"


class Session:
    """An Api with a token. `another` makes a new token where the cloud does not take this one (any more)."""

    def __init__(self, api: Api, token: str, another: Callable[[], str] | None = None) -> None:
        self.api = api
        self._token = token
        self._another = another

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """The answer, whatever its status. Raises CloudError."""
        answer = self.api.ask(method, path, body, Authorization=self.authorization)
        if answer.status == 401 and self._another is not None:
            self._token, self._another = self._another(), None
            answer = self.api.ask(method, path, body, Authorization=self.authorization)
        return answer

    @property
    def authorization(self) -> str:
        """The header's value, which must not be shown."""
        return f"Bearer {self._token}"

    def get(self, path: str) -> dict[str, Any]:
        """The answer's object. Raises Refused, CloudError."""
        return self._done(self.ask("GET", path))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer's object. Raises Refused, CloudError."""
        return self._done(self.ask("POST", path, body))

    def _done(self, answer: Answer) -> dict[str, Any]:
        if answer.status // 100 != 2:
            raise Refused(answer)
        return answer.json()


def _checked(base: str) -> str:
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.username:
        raise UsageError("--cloud is the API's address, such as https://127.0.0.1:8443/api/v1")
    if parts.scheme == "http" and not is_local(parts.hostname):
        raise UsageError("--cloud: over a network it has to be https://")
    path = parts.path.rstrip("/") or "/api/v1"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"


def is_local(host: str) -> bool:
    """Whether a host name means this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def told(answer: Answer) -> str:
    """What an error of the cloud's says, with its hint."""
    try:
        body = answer.json()
    except CloudError:
        return f"HTTP {answer.status}"
    parts = [str(body[name])[:300] for name in ("message", "hint") if body.get(name)]
    return "; ".join(parts) or f"HTTP {answer.status}"
