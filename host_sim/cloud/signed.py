"""Requests that a device signs itself (bootstrap, firmware check): who asks, and an answer it can trust.

A request counts from when its signature holds; before that nothing of it is remembered, and whatever is wrong
with it, be it a header that is missing, the answer is one and the same 401: nobody learns which devices there
are (HX3-PROV-03). From then on every answer is signed, an error too, wherever it arises (HX3-PROV-05): `app`
finds the `asker` in the request's state.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Header, Request, Response

from host_sim.cloud.access import address_of, limit, services_of
from host_sim.cloud.catalogue import devices, keys, nonces, tenants
from host_sim.cloud.errors import ApiError
from host_sim.cloud.links import keyring
from host_sim.cloud.links.records import DeviceKey
from host_sim.cloud.security.requests import HEADERS, Malformed, Signed
from host_sim.cloud.services import Services
from host_sim.cloud.settings import TENANT_SETTINGS

log = logging.getLogger(__name__)

REQUESTS = 120  # a minute and address
SCHEME = "HxTP"  # what a 401 asks for: the headers that sign a request
STALE_MS = 5000  # between two answers that bring a device the time (HX3-PROV-04)
_ASKS = {"WWW-Authenticate": SCHEME}
# Where there is no such device the same is asked and opened for nobody, so that this takes about as long: not
# exactly, since a row that is there has to be read. REQUESTS bounds how often somebody can measure it.
_NOBODY = os.urandom(32)
_NOWHERE = "00000000-0000-0000-0000-000000000000"  # no tenant's id


@dataclass(frozen=True, slots=True)
class Asker:
    """A device whose signature held. `refusal`: why its request is not served all the same, or empty."""

    device_id: str
    tenant_id: str
    purpose: str
    now: int
    refusal: str
    signed: Signed
    secret: bytes = field(repr=False)  # of the key that answers
    key_version: int = 1  # of the key that asked, with which it connects

    def answer(self, body: Mapping[str, Any], status: int = 200) -> Response:
        """A JSON answer with its signature."""
        content = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        headers = self.signed.answer(
            self.secret, self.purpose, self.device_id, self.tenant_id, self.now, status, content
        )
        return Response(content, status, headers, "application/json")

    def error(self, error: ApiError, request_id: str) -> Response:
        """An error with its signature."""
        answer = self.answer(error.body(request_id), error.status)
        answer.headers.update(error.headers)
        return answer

    def refused(self, request: Request) -> Response:
        """The answer to a request that is not served: the time to a stale one (HX3-PROV-04), or an error."""
        if self.refusal == "STALE":
            return self.answer({"server_time": self.now})
        if self.refusal == "NONCE_REUSED":
            told, hint, headers = "this request was answered before", "take a new nonce", _ASKS
            return self.error(ApiError(401, self.refusal, told, hint, headers), request.state.request_id)
        told, headers = "the time was told a moment ago", {"Retry-After": str(STALE_MS // 1000)}
        error = ApiError(429, self.refusal, told, "try again in 5 s", headers)
        return self.error(error, request.state.request_id)


_Text = str | None


async def headers(
    version: Annotated[_Text, Header(alias="X-HXTP-Version", examples=["HxTP/3.0"])] = None,
    timestamp: Annotated[_Text, Header(alias="X-HXTP-Timestamp", description="ms since 1970")] = None,
    nonce: Annotated[_Text, Header(alias="X-HXTP-Nonce", description="16 bytes or more, hex")] = None,
    message_id: Annotated[
        _Text, Header(alias="X-HXTP-Message-ID", description="1 to 36 plain characters")
    ] = None,
    signature: Annotated[_Text, Header(alias="X-HXTP-Signature", description="64 hex digits")] = None,
) -> None:
    """A dependency: the headers of a signed request, for the description. What form they have is judged by
    `asker` alone: they are credentials, so one of another form is no 400.
    """


def is_signed(request: Request) -> bool:
    """Whether a device asks, where somebody with a token might: who sends a token is taken by it."""
    return "authorization" not in request.headers and any(name in request.headers for name in HEADERS)


def digest(request: Request, body: bytes) -> str:
    """What the signature of a request with content is over: its body, or the query as sent (HX3-PROV-02)."""
    return sha256(body or request.scope["query_string"]).hexdigest()


def asker(request: Request, purpose: str, device_id: str | None, digest: str = "") -> Asker:
    """The device that signed this request. `device_id`: None where it names none. `digest`: SHA-256 of the
    body or the query, where it is signed.

    Raises ApiError: 429 by address, 401 for everything else (HX3-PROV-26).
    """
    services = services_of(request)
    limit(request, f"{purpose}:{address_of(request)}", REQUESTS)
    try:
        signed = Signed.of(request.headers)
    except Malformed as error:
        # The answer does not say it, or there would be more than one refusal.
        log.debug("no %s: %s", purpose, error)
        raise _refusal() from None
    if device_id is None:
        log.debug("no %s: it names no device", purpose)
        raise _refusal()
    with services.database.reading() as connection:
        tenant_id = devices.tenant_of(connection, device_id)
    found = _verified(services, signed, purpose, device_id, tenant_id or _NOWHERE, digest)
    if found is None or tenant_id is None:
        raise _refusal()
    request.state.asker = found
    return found


def _refusal() -> ApiError:
    return ApiError(
        401,
        "SIGNATURE_INVALID",
        "no device of this cloud signed this",
        "check the device's id and secret, and the form of each header: chapter 13 of the protocol",
        _ASKS,
    )


def _verified(
    services: Services, signed: Signed, purpose: str, device_id: str, tenant_id: str, digest: str
) -> Asker | None:
    now = services.now()
    with services.database.reading(tenant_id) as connection:
        row = devices.find(connection, tenant_id, device_id)
        known = keys.valid(connection, services.vault, tenant_id, device_id, now)
        limits = {**TENANT_SETTINGS, **tenants.settings_of(connection, tenant_id)}
    if not known:
        services.vault.open(services.vault.seal(_NOBODY, "nobody"), "nobody")
    if row is None or row.revoked_at is not None:
        known = []
    candidates = known or [DeviceKey(0, "", _NOBODY)]
    used = next(
        (key for key in candidates if signed.holds(key.secret, purpose, device_id, tenant_id, digest)), None
    )
    if used is None or not known:
        return None
    age = now - signed.timestamp
    stale = not -1000 * limits["future_s"] <= age <= 1000 * limits["max_age_s"]
    with services.database.writing(tenant_id) as connection:
        if used.slot == "next":
            # Before anything is signed with it (HX3-KEY-13).
            keyring.promote(connection, tenant_id, [device_id], now)
        if stale:
            first = nonces.take(connection, f"{device_id}/stale", "time", now, STALE_MS)
            refusal = "STALE" if first else "RATE_LIMIT_EXCEEDED"
        else:
            first = nonces.take(connection, f"{device_id}/http", signed.nonce, now)
            refusal = "" if first else "NONCE_REUSED"
    # Never again with one that was succeeded (HX3-KEY-12).
    answering = known[0] if used.slot == "previous" else used
    return Asker(device_id, tenant_id, purpose, now, refusal, signed, answering.secret, used.version)
