"""What the exchange tells the rest of the cloud once it is committed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Notice:
    """Something happened to a device. `at`: ms since 1970.

    `kind`: "hello", "manifest", "state", "telemetry", "heartbeat", "ack", "error", "ota_status" with the
    authentic `body`; "will", a hint that nobody signed; "presence" when {"away": bool} changed, by a hint or
    by the device's next word; "refused" with its `code`; "command" when a command got another state: `body`
    is then {"id", "action", "state", "error", "result"}.
    """

    kind: str
    tenant_id: str
    device_id: str
    at: int
    code: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
