"""A device's end of the requests that it signs itself, written from the protocol's chapters 7 and 13."""

import hashlib
import itertools
import os
import time

from hxtp.sign import Key, derive

_numbers = itertools.count(1)


class Asking:
    """Of a device that was registered. `purpose`: bootstrap, or firmware-check."""

    def __init__(self, registration, purpose="bootstrap"):
        self.device, self.tenant = registration["device_id"], registration["tenant_id"]
        self.secret = bytes.fromhex(registration["device_secret"])
        self.purpose = purpose

    def headers(self, age=0, content=None, **changed):
        """`age`: of the request, in ms. `content`: its body or query, where the purpose has one."""
        ms = time.time_ns() // 1000000 - age
        fields = {
            "ms": str(ms),
            "message_id": f"m-{next(_numbers)}",
            "nonce": os.urandom(16).hex(),
            **changed,
        }
        signed = ["HxTP/3.0", self.purpose, self.device, self.tenant, *fields.values()]
        if content is not None:
            signed.append(hashlib.sha256(content).hexdigest())
        return {
            "X-HXTP-Version": "HxTP/3.0",
            "X-HXTP-Timestamp": fields["ms"],
            "X-HXTP-Nonce": fields["nonce"],
            "X-HXTP-Message-ID": fields["message_id"],
            "X-HXTP-Signature": Key(self.secret).mac("|".join(signed).encode()).hex(),
        }

    def trusts(self, answer, headers):
        """Whether this is the cloud's answer to the request with these headers."""
        text = "|".join(
            [
                "HxTP/3.0",
                f"{self.purpose}-answer",
                self.device,
                self.tenant,
                answer.headers.get("X-HXTP-Timestamp", ""),
                headers.get("X-HXTP-Message-ID", ""),
                headers.get("X-HXTP-Nonce", ""),
                str(answer.status_code),
                hashlib.sha256(answer.content).hexdigest(),
            ]
        )
        tag = Key(derive(self.secret, b"hxtp/3.0 http-answer")).mac(text.encode()).hex()
        return answer.headers.get("X-HXTP-Signature") == tag
