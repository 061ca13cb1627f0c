"""The device's question for its broker, signed with its secret, and the check of the signed answer
(HX3-PROV-01 to 07).

Must never take an answer that is not signed for this very question.
"""

import hashlib
import os
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from host_sim.cloud_client.api import Api, CloudError, told
from host_sim.cloud_client.registration import Identity
from hxtp import VERSION
from hxtp.session import uuid4
from hxtp.sign import Key, derive, equal

PURPOSE = "bootstrap"


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Where a device's broker is. `mqtt`: mqtts://HOST:PORT. `expiry`: of its password, in seconds since
    1970. `ca`: CA certificates in PEM, None where the cloud names none."""

    mqtt: str
    expiry: int
    ca: str | None


def ask(api: Api, identity: Identity, now: int | None = None) -> Bootstrap:
    """Ask the cloud. `now`: ms since 1970. Raises CloudError; status 401 or 404: the cloud does not know the
    device (any more)."""
    now = time.time_ns() // 1000000 if now is None else now
    nonce, message_id = os.urandom(16).hex(), uuid4(os.urandom(16))
    names = f"{identity.device_id}|{identity.tenant_id}"
    text = f"{VERSION}|{PURPOSE}|{names}|{now}|{message_id}|{nonce}"
    answer = api.ask(
        "GET",
        f"/device/{identity.device_id}/bootstrap",
        X_HXTP_Version=VERSION,
        X_HXTP_Timestamp=str(now),
        X_HXTP_Nonce=nonce,
        X_HXTP_Message_ID=message_id,
        X_HXTP_Signature=Key(identity.secret).mac(text.encode()).hex(),
    )
    if answer.status != 200:
        raise CloudError(f"the cloud refuses the device's bootstrap: {told(answer)}", answer.status)
    body = answer.json()
    signed = "|".join(
        (
            VERSION,
            f"{PURPOSE}-answer",
            names,
            str(body.get("server_time")),
            message_id,
            nonce,
            str(answer.status),
            hashlib.sha256(answer.body).hexdigest(),
        )
    )
    right = Key(derive(identity.secret, b"hxtp/3.0 http-answer")).mac(signed.encode()).hex()
    if not equal(right.encode(), answer.headers.get("x-hxtp-signature", "").encode()):
        raise CloudError("the bootstrap answer is not signed by this device's cloud: check --cloud and --ca")
    return _read(body)


def _read(body: dict) -> Bootstrap:
    mqtt, expiry, ca = body.get("mqtt_endpoint"), body.get("password_expiry"), body.get("ca")
    if not isinstance(mqtt, str) or urlsplit(mqtt).scheme != "mqtts":
        raise CloudError("the bootstrap answer names no broker (mqtt_endpoint, mqtts://HOST:PORT)")
    if type(expiry) is not int:
        raise CloudError("the bootstrap answer does not say how long the broker's password holds")
    return Bootstrap(mqtt, expiry, _certificates(ca))


def _certificates(found: object) -> str | None:
    """The set of CA certificates in one text, whether it came as a list or as one."""
    each = found if isinstance(found, list) else [found]
    return "".join(f"{one.strip()}\n" for one in each if isinstance(one, str) and one.strip()) or None
