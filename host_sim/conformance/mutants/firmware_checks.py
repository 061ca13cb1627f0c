"""Reference clouds whose firmware check is broken in one place each: what they answer, take, and remember."""

from typing import Any

from host_sim.cloud import signed
from host_sim.cloud.catalogue import nonces
from host_sim.cloud.routes import firmware_check
from host_sim.cloud.security.requests import Signed
from host_sim.conformance.mutants import Edit, Held, Swap
from host_sim.conformance.mutants.named import Broken

PURPOSE = "firmware-check"


class OfChecks(Edit):
    """An edit that holds for firmware checks alone: bootstrap, by which the kit finds its broker, stays
    sound.
    """

    def value(self) -> Any:
        broken, sound = super().value(), getattr(self.owner, self.name)

        def either(*args: Any) -> Any:
            is_check = PURPOSE in args or getattr(args[0], "purpose", "") == PURPOSE
            return (broken if is_check else sound)(*args)

        return either


def check(name: str, what: str, cases: str, *edits: Edit | Swap) -> Broken:
    """One whose firmware check is broken."""
    return Broken(f"check-{name}", what, tuple(f"cloud-check-{case}" for case in cases.split()), edits)


def answering(*changes: tuple[str, str]) -> Edit:
    """An edit of what signs an answer."""
    return OfChecks(Signed, "answer", *changes)


def verifying(*changes: tuple[str, str]) -> Edit:
    """An edit of the verdict on a request."""
    return OfChecks(signed, "_verified", *changes)


def holding(text: str) -> Edit:
    """The signature may also be over `text`, an expression."""
    old = "return equal(Key(secret).mac(text), self.signature)"
    new = "return self.signature in (Key(secret).mac(text), Key(secret).mac(%s))"
    return Edit(Signed, "holds", (old, new % text))


def hashing(data: str) -> Edit:
    """What is hashed is `data`, an expression."""
    return Edit(signed, "digest", ('body or request.scope["query_string"]', data))


_ONCE = 'nonces.take(connection, f"{device_id}/http", signed.nonce, now)'
_STALE = 'nonces.take(connection, f"{device_id}/stale", "time", now, STALE_MS)'
_UNKNOWN = "if used is None or not known:\n"
_REWRITTEN = """(__import__("json").dumps(__import__("json").loads(body)).encode() if body
        else request.scope["query_string"])"""
_EARLIER = """key, earlier = Key(secret), __import__("dataclasses").replace
    return any(equal(key.mac(earlier(self, timestamp=self.timestamp - back)
        .text(purpose, device_id, tenant_id, digest)), self.signature) for back in range(2000))"""
_KNOWN = """(__import__("json").dumps({name: value for name, value in __import__("json").loads(body).items()
        if name in ("device_type", "current_version", "device_id")}).encode() if body
        else request.scope["query_string"])"""
_ANY_KEY = """known = [key for row in connection.exec_driver_sql("SELECT id FROM devices").all()
        for key in keys.valid(connection, services.vault, tenant_id, row[0], now)]"""
_STORED = (
    f"{_UNKNOWN}        if %s:\n"
    "            with services.database.writing(tenant_id) as connection:\n"
    "                %s\n"
)
# Cases in which something is right only where an answer is, a refusal, or a dry run.
_TOLD = (
    " answer-time as-sent clock error-signed forged-leaves-nothing headers-covered nonce-kept nothing-beside"
    " replayed stale stale-forged stale-rarely"
)
_REFUSED = (
    " as-sent content-covered forged-leaves-nothing headers-covered nothing-beside other-device same-refusal"
    " signed-text stale-forged"
)
ANSWERS = [
    check(
        "answer-unsigned",
        "does not sign its answers",
        "answered" + _TOLD,
        OfChecks(signed.Asker, "answer", ('headers, "application/json"', 'None, "application/json"')),
    ),
    check(
        "answer-by-the-secret",
        "signs answers by the secret itself",
        "answered" + _TOLD,
        answering(('Key(derive(secret, b"hxtp/3.0 http-answer"))', "Key(secret)")),
    ),
    check(
        "answer-to-nobody",
        "signs answers that fit every request",
        "answered" + _TOLD,
        answering((", self.message_id, self.nonce]", "]")),
    ),
    check(
        "answer-body-unsigned",
        "signs answers without their body",
        "answered" + _TOLD,
        answering(("sha256(body)", 'sha256(b"")')),
    ),
    check(
        "answer-of-bootstrap",
        "signs answers as bootstrap's",
        "answered" + _TOLD,
        answering(('f"{purpose}-answer"', '"bootstrap-answer"')),
    ),
    check(
        "answer-status-fixed",
        "signs every answer as a 200",
        "error-signed nonce-kept replayed stale-rarely",
        answering(("str(status)", '"200"')),
    ),
    check(
        "answer-time-repeated",
        "tells the time of the request instead of its own",
        "answer-time",
        OfChecks(
            signed.Asker, "answer", ("self.tenant_id, self.now,", "self.tenant_id, self.signed.timestamp,")
        ),
    ),
    check(
        "error-unsigned",
        "does not sign errors",
        "error-signed nonce-kept replayed stale-rarely",
        Edit(
            signed.Asker,
            "error",
            ("answer.headers.update(error.headers)", 'del answer.headers["X-HXTP-Signature"]'),
        ),
    ),
    check(
        "get-unknown",
        "judges a GET as if its query were no content",
        "answered as-sent error-signed forged-leaves-nothing headers-covered replayed stale-rarely",
        hashing("body"),
    ),
]

REQUESTS = [
    check(
        "signature-not-checked",
        "takes any signature",
        "forged" + _REFUSED,
        Edit(Signed, "holds", ("return equal(", "return True or equal(")),
    ),
    check(
        "signature-half",
        "compares the first half of the signature",
        "forged",
        Edit(
            Signed,
            "holds",
            (
                "equal(Key(secret).mac(text), self.signature)",
                "equal(Key(secret).mac(text)[:16], self.signature[:16])",
            ),
        ),
    ),
    check(
        "refusal-signed",
        "signs what it says to strangers",
        "forged malformed" + _REFUSED,
        Edit(signed, "_refusal", ("_ASKS,", '{**_ASKS, "X-HXTP-Signature": "0" * 64},')),
    ),
    check(
        "refusal-other",
        "refuses strangers by a 403",
        "forged malformed" + _REFUSED,
        Edit(signed, "_refusal", ("401,", "403,")),
    ),
    check(
        "purpose-ignored",
        "takes what was signed for bootstrap",
        "signed-text",
        holding('self.text("bootstrap", device_id, tenant_id)'),
    ),
    check(
        "hash-optional",
        "takes a signature that is over no hash",
        "signed-text",
        holding("self.text(purpose, device_id, tenant_id)"),
    ),
    check(
        "hash-of-nothing",
        "takes the hash of nothing for any",
        "signed-text",
        holding('self.text(purpose, device_id, tenant_id, __import__("hashlib").sha256(b"").hexdigest())'),
    ),
    check(
        "time-about",
        "takes a signature over a time up to 2 s earlier",
        "headers-covered",
        OfChecks(Signed, "holds", ("return equal(Key(secret).mac(text), self.signature)", _EARLIER)),
    ),
    check(
        "hash-of-the-known",
        "hashes the members that it knows",
        "content-covered as-sent",
        hashing(_KNOWN),
    ),
    check(
        "hash-rewritten",
        "hashes the body as it would write it",
        "as-sent",
        hashing(_REWRITTEN),
    ),
    check(
        "hash-trimmed",
        "trims the body before it hashes it",
        "as-sent",
        hashing('(body.strip() or request.scope["query_string"])'),
    ),
    check(
        "hash-any-case",
        "hashes in lower case",
        "as-sent",
        hashing('(body or request.scope["query_string"]).lower()'),
    ),
    check(
        "query-first",
        "hashes the query where there is one, also of a POST",
        "nothing-beside",
        hashing('request.scope["query_string"] or body'),
    ),
    check(
        "get-with-body",
        "answers the query of a GET whose body is signed",
        "nothing-beside",
        Held(firmware_check._who_asks, ('if request.method == "GET" and body:', "if False:")),
    ),
    check(
        "nonce-before-signature",
        "remembers the nonce of a check that nobody signed",
        "forged-leaves-nothing as-sent headers-covered",
        verifying((_UNKNOWN, _STORED % ("True", _ONCE))),
    ),
    check(
        "any-device",
        "takes the secret of any of its devices",
        "other-device",
        verifying(("known = keys.valid(connection, services.vault, tenant_id, device_id, now)", _ANY_KEY)),
    ),
    check(
        "unknown-told",
        "tells who asks that there is no such device",
        "same-refusal",
        Edit(
            signed,
            "asker",
            (
                "if found is None or tenant_id is None:",
                'if tenant_id is None:\n        raise ApiError(401, "DEVICE_NOT_FOUND", "no such device")\n'
                "    if found is None:",
            ),
        ),
    ),
    check(
        "nameless-told",
        "tells who asks that a device has to be named",
        "same-refusal",
        Edit(
            signed,
            "asker",
            (
                'log.debug("no %s: it names no device", purpose)',
                'raise ApiError(400, "BAD_REQUEST", "device_id is missing")',
            ),
        ),
    ),
    check(
        "version-ignored",
        "does not look at the version",
        "malformed",
        Edit(Signed, "of", ("if version != VERSION:", "if not version:")),
    ),
    check(
        "malformed-told",
        "tells who asks what is wrong with a header",
        "malformed",
        Edit(
            signed,
            "asker",
            (
                'log.debug("no %s: %s", purpose, error)',
                'raise ApiError(400, "BAD_REQUEST", str(error)) from None',
            ),
        ),
    ),
]

NEWNESS = [
    check("nonces-forgotten", "takes a nonce again", "replayed nonce-kept", verifying((_ONCE, "True"))),
    check(
        "nonces-by-message",
        "takes a nonce again under another message id",
        "replayed nonce-kept",
        verifying((_ONCE, _ONCE.replace("signed.nonce", "signed.nonce + signed.message_id"))),
    ),
    check(
        "nonces-unsigned",
        "does not sign that a nonce was used",
        "replayed nonce-kept",
        Edit(
            signed.Asker,
            "refused",
            ("return self.error(ApiError(401,", "answer = self.error(ApiError(401,"),
            (
                "told, hint, headers), request.state.request_id)",
                "told, hint, headers), request.state.request_id)\n"
                '        del answer.headers["X-HXTP-Signature"]\n        return answer',
            ),
        ),
    ),
    check(
        "nonces-for-300-s",
        "forgets a nonce after 300 s",
        "nonce-kept",
        Edit(nonces, "take", ("life: int = KEPT_MS", "life: int = 300000")),
    ),
    check(
        "age-not-checked",
        "takes checks of any age",
        "stale stale-forged stale-rarely",
        verifying(('<= 1000 * limits["max_age_s"]', "")),
    ),
    check(
        "future-not-checked",
        "takes checks of the future",
        "stale",
        verifying(('-1000 * limits["future_s"] <= ', "")),
    ),
    check(
        "age-too-strict",
        "takes no check of more than 200 s ago",
        "clock",
        verifying(('1000 * limits["max_age_s"]', "200000")),
    ),
    check(
        "future-too-strict",
        "takes no check of the future",
        "clock",
        verifying(('-1000 * limits["future_s"]', "0")),
    ),
    check(
        "stale-told-more",
        "tells a stale check more than the time",
        "stale stale-forged stale-rarely",
        Edit(
            signed.Asker,
            "refused",
            ('{"server_time": self.now}', '{"server_time": self.now, "update_available": False}'),
        ),
    ),
    check(
        "stale-refused",
        "refuses a stale check without the time",
        "stale stale-forged stale-rarely",
        Edit(signed.Asker, "refused", ('if self.refusal == "STALE":', "if False:")),
    ),
    check(
        "stale-takes-nonce",
        "uses the nonce of a stale check up",
        "stale",
        verifying((f"first = {_STALE}", f"first = {_STALE} and {_ONCE}")),
    ),
    check(
        "stale-always-told",
        "tells the time as often as it is asked",
        "stale-rarely",
        verifying((f"first = {_STALE}", "first = True")),
    ),
    check(
        "stale-told-to-all",
        "tells the time to who signed nothing",
        "stale-forged",
        Edit(
            signed,
            "asker",
            (
                "    if found is None or tenant_id is None:\n",
                "    if found is None and abs(services.now() - signed.timestamp) > 300000:\n"
                '        raise ApiError(401, "STALE", "stale", server_time=services.now())\n'
                "    if found is None or tenant_id is None:\n",
            ),
        ),
    ),
    check(
        "stale-used-by-all",
        "lets a stranger use up that the time is told",
        "stale-forged",
        verifying((_UNKNOWN, _STORED % ("abs(now - signed.timestamp) > 300000", _STALE))),
    ),
]

ALL = ANSWERS + REQUESTS + NEWNESS
