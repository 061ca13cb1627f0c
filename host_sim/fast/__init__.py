"""Faster ways through pipe10 for hosts; here one is chosen, and nowhere else.

    link = fast.Link(device_id, tenant_id, [(fast.Key(secret), window)], random)       as hxtp.cloud.Link
    session = fast.Session(identity, key, counter, registry, random)                   as hxtp.session.Session

The protocol is `hxtp`. What stands here gives its verdicts, its messages and its bytes for the form in which
messages are usually written, and hands everything else over to it. It must never decide anything differently:
the tests compare verdict for verdict and state for state.

Paths: "hxtp" is `hxtp.envelope` itself, "stdlib" needs nothing else, "msgspec" needs that package.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from host_sim.compact import stored_by
from host_sim.fast import with_stdlib
from host_sim.fast.building import build
from host_sim.fast.keys import Key, SmallKey
from hxtp import cloud, envelope, session

__all__ = ["CHOSEN", "PATHS", "Key", "Link", "Path", "Session", "SmallKey", "build", "verifier"]


@dataclass(frozen=True, slots=True)
class Path:
    """A way to judge and to build messages, as the `wire` of a Session or a Link wants it."""

    Verifier: type[envelope.Verifier]
    build: Callable[..., bytes]


# The fastest first.
PATHS: dict[str, Path] = {}
try:
    from host_sim.fast import with_msgspec
except ModuleNotFoundError as missing:
    if missing.name != "msgspec":
        raise
else:
    PATHS["msgspec"] = Path(with_msgspec.Verifier, build)
PATHS["stdlib"] = Path(with_stdlib.Verifier, build)
PATHS["hxtp"] = Path(envelope.Verifier, envelope.build)

CHOSEN = next(iter(PATHS.values()))


class Link(cloud.Link):
    """A cloud's end of one device, on the chosen path."""

    wire = CHOSEN


class Session(session.Session):
    """A device's end, on the chosen path; there may be thousands."""

    __slots__ = stored_by(session.Session)
    wire = CHOSEN

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._manifest_hash = sys.intern(self._manifest_hash)  # most of them have the same


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

    `path`: a name in PATHS; None for the chosen one. Raises KeyError for a path that is not there.
    """
    kind = PATHS[path] if path else CHOSEN
    return kind.Verifier(direction, slots, device_id, tenant_id, tenant_required)
