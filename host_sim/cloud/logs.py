"""Logs as events with fields: a line a request, and a line whenever somebody's rights change.

    2026-01-01T00:00:00.000Z info request method=GET route=/auth/me status=200 ms=3 request_id=… tenant=… …
    {"at": …, "level": "info", "logger": …, "event": "request", "method": "GET", …}        log_format = "json"

Must never hold a token, key, password, secret or what stands in a body or an address: a route is named by its
pattern, a caller by an id. What slips into a text all the same is blotted out before it is written.
"""

import json
import logging
import re
import time
from typing import Any

from host_sim.cloud.times import iso

FORMATS = ("text", "json")
requests = logging.getLogger("host_sim.cloud.requests")
audits = logging.getLogger("host_sim.cloud.audit")

_SECRETS = re.compile(
    r"(?P<query>[?&](?:token|code|access_token|ticket)=)[^&\s\"']+"
    r"|(?P<url>://[^\s/:@\"']*:)[^\s/@\"']+(?=@)"
    # A device's secret, a master key; of a digest, which looks the same, enough stays as well.
    r"|(?P<hex>(?<![0-9A-Za-z])[0-9a-fA-F]{8})[0-9a-fA-F]{56}(?![0-9A-Za-z])"
    r"|(?P<key>hxtp_[a-z0-9]{4})[A-Za-z0-9_-]{16,}"
    r"|(?P<jwt>eyJ)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    r"|(?P<code>HXT-[0-9a-fA-F]{4})[0-9a-fA-F]{12,}"
    r"|(?P<bearer>[Bb]earer )[A-Za-z0-9._~+/=-]+"
    # 32 random bytes without a name: of a confirmation, of the cloud's user at the broker.
    r"|(?P<random>(?<![\w-])(?=[\w-]*[0-9])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{4})[\w-]{39}(?![\w-])"
)


class Event:
    """A logged event; as text `name key=value …`."""

    def __init__(self, name: str, **fields: Any) -> None:
        self.name = name
        self.fields = fields

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{key}={_plain(value)}" for key, value in self.fields.items())])


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    text = str(value)
    return text if re.fullmatch(r"[^\s\"=\x00-\x1f\x7f]+", text) else json.dumps(text)


def blot(text: str) -> str:
    """The text without what looks like a token, a key or a code; enough stays to tell which it was."""
    return _SECRETS.sub(lambda found: f"{next(part for part in found.groups() if part is not None)}…", text)


class Lines(logging.Formatter):
    """One line a record, whatever it holds; a traceback is the exception to that in text."""

    def __init__(self, form: str = "text") -> None:
        super().__init__()
        self._json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        at, level = iso(int(record.created * 1000)), record.levelname.lower()
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        event = record.msg if isinstance(record.msg, Event) else None
        if not self._json:
            name = "" if event else f"{record.name} "
            text = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
            return blot(f"{at} {level} {name}{text}" + (f"\n{trace}" if trace else ""))
        told: dict[str, Any] = {"at": at, "level": level, "logger": record.name}
        told.update({"event": event.name, **event.fields} if event else {"message": record.getMessage()})
        if trace:
            told["traceback"] = trace
        return blot(json.dumps(told, default=str))


class _NoAddresses(logging.Filter):
    """Drops uvicorn's lines on WebSockets, which hold the address with the token in it, and its warnings of
    what is no HTTP, of which a stranger can cause any number: `unread` tells of that.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        text = str(record.msg)
        return "WebSocket %s" not in text and text not in _UNREAD


_UNREAD = ("Invalid HTTP request received.", "Unsupported upgrade request.")
_NO_ADDRESSES = _NoAddresses()


def guard() -> None:
    """Keep what the server's library would log of a WebSocket's address out of every log."""
    logging.getLogger("uvicorn.error").addFilter(_NO_ADDRESSES)  # adding it again changes nothing


def configure(level: str, form: str = "text") -> None:
    """Write the logs of this process to stderr. `level`: debug, info, warning, error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(form))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    guard()


def request(scope: Any, status: int | None, began: float) -> None:
    """A request that has ended. `status` None: the peer went away. `began`: time.perf_counter()."""
    if not requests.isEnabledFor(logging.INFO):
        return
    state = scope.get("state", {})
    caller = state.get("caller")
    requests.log(
        # 501 is meant: it says what this cloud does not have.
        logging.ERROR if status is not None and status >= 500 and status != 501 else logging.INFO,
        Event(
            "request",
            method=scope["method"],
            route=getattr(scope.get("route"), "path", None),
            status=status,
            ms=round(1000 * (time.perf_counter() - began), 1),
            request_id=state.get("request_id"),
            tenant=caller.user.tenant_id if caller else None,
            actor=caller.actor if caller else None,
        ),
    )


def unread(status: int, request_id: str) -> None:
    """What came was no request, or too much of one, and was answered so."""
    requests.info(Event("request", method=None, route=None, status=status, request_id=request_id))


def audit(action: str, *, risk: bool = False, **fields: Any) -> None:
    """Somebody's rights or a tenant's safety changed. `risk`: it got less safe, so it is a warning."""
    audits.log(logging.WARNING if risk else logging.INFO, Event("audit", action=action, **fields))
