"""The public Python SDK at the same work: a command with the same fields and the same body, verified.

The SDK that there is to install (hxtp-py) signs with Ed25519 and not with HMAC, so that it is given commands
that it signed itself. Nothing here is used to build or to judge a message of ours.
"""

import importlib.metadata
import json
from collections.abc import Callable


def verifying(
    count: int, body: dict, device: str, tenant: str, client: str
) -> tuple[str, Callable[[], None]]:
    """What is measured (name and version), and the work: parse and validate `count` messages. Raises
    ModuleNotFoundError.
    """
    from hxtp_py.core.envelope import build_envelope
    from hxtp_py.core.nonce import NonceCache
    from hxtp_py.crypto.engine import get_public_key
    from hxtp_py.validation.pipeline import SequenceTracker, validate_message

    secret = b"\xab" * 32
    public = get_public_key(secret).hex()
    texts = [
        json.dumps(
            build_envelope(
                private_key_hex=secret.hex(),
                device_id=device,
                tenant_id=tenant,
                message_type="command",
                params=body,
                action="light_on",
                client_id=client,
                sequence=number,
            ),
            separators=(",", ":"),
        ).encode()
        for number in range(1, count + 1)
    ]
    now = json.loads(texts[-1])["timestamp"]

    def run() -> None:
        nonces, sequence = NonceCache(), SequenceTracker()
        for text in texts:
            result = validate_message(
                json.loads(text),
                public_key_hex=public,
                nonce_cache=nonces,
                sequence_tracker=sequence,
                now_ms=now,
            )
            if not result.ok:
                raise AssertionError(f"the SDK refused a message of its own benchmark: {result.code}")

    return f"hxtp-py {importlib.metadata.version('hxtp-py')}", run
