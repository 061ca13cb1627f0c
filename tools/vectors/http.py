"""Vectors of what a device and its cloud say to each other over HTTP: signed requests, and their answers.

No codec reads them, as no codec has such a request: they are for the tests of whoever writes a cloud or a
device. Must never compute a verdict: a row says what it is. Signatures are made by the standard library.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tools.vectors import wire
from tools.vectors.notes import Note

VERSION = "HxTP/3.0"
PURPOSE = "firmware-check"
SCHEMA = "http.schema.json"
CHECKS = "http/firmware-check.json"
ANSWERED, STALE, REUSED, REFUSED = "answered", "stale", "reused", "refused"
FOR_ANSWERS, FOR_MQTT = b"hxtp/3.0 http-answer", b"hxtp/3.0 mqtt"
NAMES = {
    "version": "X-HXTP-Version",
    "timestamp": "X-HXTP-Timestamp",
    "nonce": "X-HXTP-Nonce",
    "message_id": "X-HXTP-Message-ID",
    "signature": "X-HXTP-Signature",
}


def derived(secret: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869) to 32 bytes, without salt."""
    return bytes.fromhex(wire.mac(bytes.fromhex(wire.mac(bytes(32), secret)), info + b"\x01"))


@dataclass(frozen=True)
class Request:
    """`body`: its text, or None without one. `text`: what its signature is over."""

    method: str
    query: str
    body: str | None
    headers: Mapping[str, str]
    text: str = ""

    @property
    def content(self) -> str:
        return self.query if self.body is None else self.body

    def told(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "query": self.query,
            "body": self.body,
            "headers": dict(self.headers),
        }

    def signed(self, text: str, key: bytes = wire.ACTIVE) -> "Request":
        """With the signature of another text."""
        headers = {**self.headers, NAMES["signature"]: wire.mac(key, text)}
        return replace(self, headers=headers, text=text)

    def over(self, tail: str, *head: str, key: bytes = wire.ACTIVE) -> "Request":
        """Signed over another end of the text, the separator included, and other names if there are."""
        stamp = [self.headers[NAMES[name]] for name in ("timestamp", "message_id", "nonce")]
        start = head or (VERSION, PURPOSE, wire.DEVICE, wire.TENANT)
        return self.signed("|".join((*start, *stamp)) + tail, key)

    def having(self, **changed: str | None) -> "Request":
        """With headers changed after they were signed; None: without."""
        headers = {**self.headers, **{NAMES[name]: value for name, value in changed.items()}}
        return replace(self, headers={name: value for name, value in headers.items() if value is not None})


def request(method: str, content: str, **headers: str) -> Request:
    """A right one. `content`: of a POST the body, of a GET the query."""
    values = {
        "version": VERSION,
        "timestamp": str(wire.NOW),
        "nonce": wire.NONCE,
        "message_id": wire.MESSAGE,
        **headers,
    }
    query, body = ("", content) if method == "POST" else (content, None)
    plain = Request(method, query, body, {NAMES[name]: value for name, value in values.items()})
    return plain.over(f"|{wire.sha256(content)}")


@dataclass(frozen=True)
class Answer:
    """Of a cloud, to `to`."""

    to: Request
    status: int
    body: str
    headers: Mapping[str, str]
    text: str = ""

    def told(self) -> dict[str, Any]:
        return {"status": self.status, "headers": dict(self.headers), "body": self.body}

    def parts(self) -> dict[str, str]:
        """What a right signature is over, in order."""
        return {
            "version": VERSION,
            "purpose": f"{PURPOSE}-answer",
            "device": wire.DEVICE,
            "tenant": wire.TENANT,
            "server_ms": self.headers[NAMES["timestamp"]],
            "message_id": self.to.headers[NAMES["message_id"]],
            "nonce": self.to.headers[NAMES["nonce"]],
            "status": str(self.status),
            "hash": wire.sha256(self.body),
        }

    def signed(self, key: bytes | None = None, text: str | None = None, **changed: str | None) -> "Answer":
        """With other parts (None: without), or over another text."""
        parts = {**self.parts(), **changed}
        over = "|".join(value for value in parts.values() if value is not None) if text is None else text
        secret = derived(wire.ACTIVE, FOR_ANSWERS) if key is None else key
        return replace(self, headers={**self.headers, NAMES["signature"]: wire.mac(secret, over)}, text=over)

    def having(self, **changed: str | None) -> "Answer":
        """With headers changed after they were signed; None: without."""
        headers = {**self.headers, **{NAMES[name]: value for name, value in changed.items()}}
        return replace(self, headers={name: value for name, value in headers.items() if value is not None})


def answer(to: Request, body: str, status: int = 200, server_ms: int = wire.NOW + 1000) -> Answer:
    """A right one."""
    headers = {NAMES["version"]: VERSION, NAMES["timestamp"]: str(server_ms)}
    return Answer(to, status, body, headers).signed()


@dataclass(frozen=True)
class Row:
    """One test. `expected`: all that it has to come to."""

    id: str
    comment: str
    given: dict[str, Any]
    expected: dict[str, Any]
    flags: tuple[str, ...]
    clauses: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Tests with a heading, about requests or about answers."""

    name: str
    comment: str
    about: str
    rows: list[Row] = field(default_factory=list)


NOTES = {
    "Valid": Note("A request or an answer that has to be taken.", ("HX3-PROV-02", "HX3-PROV-05")),
    "AsSent": Note(
        "The hash is of bytes. Who hashes what a parser made of them refuses honest devices, and takes what "
        "was changed on the way.",
        ("HX3-PROV-02",),
    ),
    "Covered": Note(
        "Whatever the signature does not cover, anybody on the way can change.",
        ("HX3-PROV-02", "HX3-PROV-05"),
    ),
    "SignedText": Note(
        "Texts that are signed by mistake, or that were signed for something else.",
        ("HX3-PROV-02", "HX3-PROV-05"),
    ),
    "Hmac": Note(
        "Signatures that are nearly right: another key, or a part of the digits.",
        ("HX3-PROV-02", "HX3-KEY-02"),
    ),
    "WrongDevice": Note(
        "A device speaks for itself alone, and who names none is nobody.", ("HX3-PROV-26", "HX3-PROV-02")
    ),
    "Header": Note(
        "A header that is missing, or of another form, is refused like a wrong signature.", ("HX3-PROV-26",)
    ),
    "Time": Note(
        "The edges of 300 s and 60 s, in ms. Who is told the time has signed the request.",
        ("HX3-PROV-03", "HX3-PROV-04", "HX3-VAL-05"),
    ),
    "Replay": Note("A nonce counts once, and only with a signature.", ("HX3-SEQ-07", "HX3-PROV-26")),
    "OtherAnswer": Note(
        "An answer to another request, or of another purpose, is none: it may be old news.",
        ("HX3-PROV-05", "HX3-PROV-06"),
    ),
}


def asks(
    id: str,
    comment: str,
    sent: Request,
    verdict: str,
    flag: str,
    at: int = wire.NOW,
    seen: tuple[str, ...] = (),
    **by: str,
) -> Row:
    """A row about a request. `at`: when it comes; `seen`: nonces of this device that were taken in the last
    600 s; `by`: what it is answered by, where that is not what every request here asks.
    """
    given = {"request": sent.told(), "now_ms": at, "seen_nonces": list(seen)}
    expected: dict[str, object] = {"verdict": verdict}
    if verdict != REFUSED:
        expected["signed_text"] = sent.text
    if verdict == ANSWERED:
        expected["asked"] = {"device_type": "esp32", "current_version": "1.1.0", **by}
    return Row(f"check-{id}", comment, given, expected, (flag,), NOTES[flag].clauses)


def says(id: str, comment: str, told: Answer, trusted: bool, flag: str, to: Request | None = None) -> Row:
    """A row about an answer. `to`: the request that waits for one, where that is not the one it was given
    to.
    """
    given = {"request": (to or told.to).told(), "answer": told.told()}
    expected: dict[str, object] = {"trusted": trusted}
    if trusted:
        expected["signed_text"] = told.text
    return Row(f"check-answer-{id}", comment, given, expected, (flag,), NOTES[flag].clauses)


def document(groups: list[Group]) -> dict[str, Any]:
    """The file as JSON values. ValueError for a flag that nobody explains, or nobody uses."""
    rows = [row for group in groups for row in group.rows]
    used = {flag for row in rows for flag in row.flags}
    if used != NOTES.keys():
        raise ValueError(f"flags and notes differ: {sorted(used ^ NOTES.keys())}")
    return {
        "protocol": VERSION,
        "schema": SCHEMA,
        "generator": "python -m tools.vectors",
        "numberOfTests": len(rows),
        "device": {
            "device_id": wire.DEVICE,
            "tenant_id": wire.TENANT,
            "secret_hex": wire.ACTIVE.hex(),
            "other_device_id": OTHER,
            "other_secret_hex": wire.STRANGER.hex(),
        },
        "notes": {
            flag: {"explanation": note.explanation, "clauses": list(note.clauses)}
            for flag, note in NOTES.items()
        },
        "testGroups": [
            {
                "name": group.name,
                "comment": group.comment,
                "about": group.about,
                "tests": [
                    {
                        "id": row.id,
                        "comment": row.comment,
                        "flags": list(row.flags),
                        "clauses": list(row.clauses),
                        **row.given,
                        "expected": row.expected,
                    }
                    for row in group.rows
                ],
            }
            for group in groups
        ],
    }


OTHER = "fedcba9876543210fedcba9876543210"  # another device of the tenant


def body(**changed: str | None) -> str:
    """What a device posts."""
    return json.dumps({name: value for name, value in {**ABOUT, **changed}.items() if value is not None})


def query(**changed: str | None) -> str:
    """The same as a query."""
    return "&".join(f"{name}={value}" for name, value in {**ABOUT, **changed}.items() if value is not None)


ABOUT: dict[str, str | None] = {
    "device_type": "esp32",
    "current_version": "1.1.0",
    "device_id": wire.DEVICE,
}
