"""Firmware checks of the kit's device: requests that it signs, right until a case spoils one, and the judging
of what the cloud answers (chapter 13).

Written from the text: it must never use what our own cloud signs or judges with. Times are ms.
"""

import json
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from host_sim.conformance.case import Failed, Skipped
from host_sim.conformance.cloud.device import Device
from host_sim.conformance.cloud.line import Answer
from hxtp.session import uuid4
from hxtp.sign import Key, derive

PATH = "/firmware/check"
PURPOSE = "firmware-check"
VERSION = "HxTP/3.0"
METHODS = ("POST", "GET")
SIGNATURE = "x-hxtp-signature"
NO_SUCH_PATH = (404, 405, 501)
SLOP = 5000  # by which the clocks may differ
LONGEST_WAIT = 61  # s, where the cloud limits requests
AGO, AHEAD = 310000, 200000  # what is stale, also where the cloud had us wait


@dataclass(frozen=True)
class Check:
    """A request as it is sent. `content`: the body, or None where the query is all. `key` has signed, and
    `names` are the purpose, the device and the tenant that it has signed.
    """

    method: str
    query: str
    content: bytes | None
    headers: dict[str, str]
    key: Key = field(repr=False)
    names: tuple[str, str, str]

    def sending(
        self,
        method: str | None = None,
        query: str | None = None,
        content: bytes | None = None,
        **headers: str | None,
    ) -> "Check":
        """By another method, or with another query, content or headers after they were signed; a header that
        is None is left out.
        """
        changed = {**self.headers, **{header(name): value for name, value in headers.items()}}
        return replace(
            self,
            method=method or self.method,
            query=self.query if query is None else query,
            content=self.content if content is None else content,
            headers={name: value for name, value in changed.items() if value is not None},
        )

    def signing(self, *names: str, over: bytes | str | None = None, key: Key | None = None) -> "Check":
        """Signed over other names, another content or by another key. `over`: bytes, of which the hash is
        signed, or what stands in the text instead of a hash, the separator before it included.
        """
        content = (self.content or self.query.encode()) if over is None else over
        tail = content if isinstance(content, str) else f"|{sha256(content).hexdigest()}"
        stamp = (self.headers[header(name)] for name in ("timestamp", "message_id", "nonce"))
        text = "|".join((VERSION, *(names or self.names), *stamp)) + tail
        signature = (self.key if key is None else key).mac(text.encode()).hex()
        return replace(self, headers={**self.headers, header("signature"): signature})


def header(name: str) -> str:
    """`message_id` and the others as they are called in a request."""
    return {"message_id": "X-HXTP-Message-ID"}.get(name, f"X-HXTP-{name.capitalize()}")


@dataclass(frozen=True)
class Reply:
    """`trusted`: signed by the device's cloud, and in answer to this very request (HX3-PROV-05)."""

    answer: Answer
    trusted: bool
    wrong: str  # what is the matter with its signature

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def signed(self) -> bool:
        return SIGNATURE in self.answer.headers

    @property
    def members(self) -> dict[str, Any]:
        try:
            found = json.loads(self.answer.body)
        except (ValueError, RecursionError):
            found = None
        return found if isinstance(found, dict) else {}

    @property
    def told(self) -> bool:
        """Whether it says if there is an update."""
        return "update_available" in self.members

    def __str__(self) -> str:
        signed = "trusted" if self.trusted else self.wrong
        return f"{self.status}, {signed}, {self.answer.body[:200].decode('utf-8', 'replace')}"


def judged(check: Check, answer: Answer, secret: bytes) -> tuple[bool, str]:
    """Whether `answer` is signed as an answer to `check` has to be, and if not, what it is instead."""
    told = answer.headers.get(SIGNATURE)
    if told is None:
        return False, "unsigned"
    by_secret, right = Key(secret), Key(derive(secret, b"hxtp/3.0 http-answer"))
    stamp = answer.headers.get("x-hxtp-timestamp", "")
    purpose, *names = check.names
    asked = check.headers.get(header("message_id"), ""), check.headers.get(header("nonce"), "")
    ends = str(answer.status), sha256(answer.body).hexdigest()

    def is_over(key: Key, *text: str) -> bool:
        return key.mac("|".join((VERSION, *text)).encode()).hex() == told

    if is_over(right, f"{purpose}-answer", *names, stamp, *asked, *ends):
        return True, ""
    for what, key, text in (
        ("signed by the secret itself", by_secret, (f"{purpose}-answer", *names, stamp, *asked, *ends)),
        ("signed for no request", right, (f"{purpose}-answer", *names, stamp, *ends)),
        ("signed without its status", right, (f"{purpose}-answer", *names, stamp, *asked, ends[1])),
        ("signed without its body", right, (f"{purpose}-answer", *names, stamp, *asked, ends[0])),
        ("signed as a request", right, (purpose, *names, stamp, *asked, *ends)),
        ("signed as bootstrap's answer", right, ("bootstrap-answer", *names, stamp, *asked, *ends)),
    ):
        if is_over(key, *text):
            return False, what
    return False, "with a signature that does not hold"


class Checks:
    """What a case says and expects of one device. Raises Skipped where the cloud has nothing of the kind."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._api = device.line.api()
        self._waited = False
        self.about = {
            "device_type": "conformance",
            "current_version": "1.0.0",
            "device_id": device.device_id,
        }
        reply = self.ask(self.check())
        if not reply.signed and reply.status in NO_SUCH_PATH:
            raise Skipped(f"the cloud has no {PATH}: it answers {reply.status}")

    def check(self, method: str = "POST", content: bytes | None = None, age: int = 0, **fields: str) -> Check:
        """A right request `age` ms ago. `content`: the body, or for GET the query; `fields`: `nonce`,
        `message_id` or `timestamp` of the caller's choice.
        """
        device = self._device
        if content is None:
            text = urlencode(self.about) if method == "GET" else json.dumps(self.about)
            content = text.encode()
        headers = {
            "version": VERSION,
            "timestamp": str(device.line.now() - age),
            "nonce": device.random(16).hex(),
            "message_id": uuid4(device.random(16)),
            **fields,
        }
        query, body = (content.decode(), None) if method == "GET" else ("", content)
        named = {header(name): value for name, value in headers.items()}
        names = (PURPOSE, device.device_id, device.tenant_id)
        return Check(method, query, body, named, device.key, names).signing()

    def ask(self, check: Check) -> Reply:
        """Send it as it is; where the cloud limits requests, once more when it says, but once a case."""
        path = PATH + (f"?{check.query}" if check.query else "")
        while True:
            answer = self._api.as_device(check.method, path, check.content, check.headers)
            reply = Reply(answer, *judged(check, answer, self._device.secret))
            wait = answer.headers.get("retry-after", "")
            if reply.status != 429 or reply.signed or not wait.isdecimal() or self._waited:
                return reply
            self._waited = True
            self._device.wait(1000 * min(int(wait) + 1, LONGEST_WAIT))

    # -- what is expected -----------------------------------------------------------------------

    def expect_told(self, check: Check, what: str) -> Reply:
        """The signed answer whether there is an update."""
        reply = self.ask(check)
        if (
            reply.status != 200
            or not reply.trusted
            or not isinstance(reply.members.get("update_available"), bool)
        ):
            raise Failed(f"{what} to be answered 200, signed, with update_available", str(reply))
        return reply

    def expect_trusted(self, reply: Reply, what: str) -> None:
        if not reply.trusted:
            raise Failed(f"a signed answer to {what}", str(reply))

    def expect_refused(self, check: Check, what: str) -> Reply:
        """Refused as from somebody that the cloud does not know (HX3-PROV-26)."""
        reply = self.ask(check)
        if reply.status != 401 or reply.signed or reply.told or "server_time" in reply.members:
            raise Failed(f"{what} to be refused by an unsigned 401", str(reply))
        return reply

    def expect_reused(self, check: Check, what: str) -> None:
        reply = self.ask(check)
        if reply.status != 401 or not reply.trusted or reply.members.get("error") != "NONCE_REUSED":
            raise Failed(f"{what} to be refused by a signed 401 NONCE_REUSED", str(reply))

    def expect_time(self, check: Check, what: str) -> None:
        """The signed answer to a stale request: the time and nothing else."""
        reply = self.ask(check)
        if not reply.trusted or set(reply.members) != {"server_time"}:
            raise Failed(f"{what} to be answered by a signed server_time and nothing else", str(reply))
        self.expect_now(reply.members["server_time"], "server_time")

    def expect_now(self, told: Any, what: str) -> None:
        now = self._device.line.now()
        if type(told) is not int or abs(told - now) > SLOP:
            raise Failed(f"{what} of the moment", f"{told!r} at {now}")
