"""Faster ways through pipe10 for hosts; here one is chosen, and nowhere else.

    verifier = fast.verifier(direction, [(fast.Key(secret), replay)], device_id, tenant_id)

The protocol is `hxtp`. What stands here gives its verdicts, its messages and its bytes for the form in which
messages are usually written, and hands everything else over to it. It must never decide anything differently:
the tests compare verdict for verdict and state for state.

Paths: "hxtp" is `hxtp.envelope` itself, "stdlib" needs nothing else, "msgspec" needs that package.
"""

from collections.abc import Sequence
from typing import Any

from host_sim.fast import with_stdlib
from host_sim.fast.building import build
from host_sim.fast.keys import Key
from hxtp import envelope

__all__ = ["PATHS", "Key", "build", "verifier"]

# The fastest first.
PATHS: dict[str, type[envelope.Verifier]] = {}
try:
    from host_sim.fast import with_msgspec
except ModuleNotFoundError as missing:
    if missing.name != "msgspec":
        raise
else:
    PATHS["msgspec"] = with_msgspec.Verifier
PATHS["stdlib"] = with_stdlib.Verifier
PATHS["hxtp"] = envelope.Verifier


def verifier(
    direction: int,
    slots: Sequence[tuple[Any, Any]],
    device_id: str | None = None,
    tenant_id: str | None = None,
    tenant_required: bool = False,
    *,
    path: str | None = None,
) -> envelope.Verifier:
    """A verifier with the interface and the verdicts of `hxtp.envelope.Verifier`, of which the arguments are.

    `path`: a name in PATHS; None for the fastest there is. Raises KeyError for a path that is not there.
    """
    kind = PATHS[path] if path else next(iter(PATHS.values()))
    return kind(direction, slots, device_id, tenant_id, tenant_required)
