"""A fast path and `hxtp` side by side: what both say of a message, and what both remember of it."""

from typing import Any
from unittest import mock

from host_sim import fast
from hxtp import envelope
from hxtp.errors import HxtpError
from hxtp.replay import Floor
from tests.reference.drawing import DEVICE, MASKS, NOW, PREVIOUS, SECRET, TENANT

ALWAYS = ("code", "authentic", "rotated", "type", "action", "body")
PARSED = (
    "device_id",
    "tenant_id",
    "message_id",
    "sequence",
    "timestamp",
    "nonce",
    "payload_hash",
    "signature",
    "signed",
    "framed",
)
FAST = [path for path in fast.PATHS if path != "hxtp"]


def state(verifier: envelope.Verifier) -> list[Any]:
    """All that a verifier's replay objects remember."""
    return [{name: repr(value) for name, value in vars(slot[1]).items()} for slot in verifier.slots]


def tell(verifier: envelope.Verifier, message: Any) -> dict[str, Any]:
    """What there is to know of a judged message; a missing attribute is known to be missing."""
    told = {name: getattr(message, name) for name in ALWAYS}
    told |= {name: getattr(message, name, "missing") for name in PARSED}
    told["slot"] = None if message.slot is None else verifier.slots.index(message.slot)
    try:
        told["params"] = repr(message.params())
    except (ValueError, HxtpError, RecursionError) as problem:
        told["params"] = type(problem)
    return told


def taken(verifier: envelope.Verifier, data: bytes, now: int = NOW, channel: str | None = None) -> Any:
    """The message, if the fast path accepts it by itself, else None."""
    with mock.patch.object(verifier, "by_hxtp", return_value=None):
        return verifier.judge(data, now, channel)


def agree(
    data: bytes,
    direction: str = "any",
    device_id: str | None = DEVICE,
    tenant_id: str | None = TENANT,
    now: int | None = NOW,
    max_age_ms: int = 300_000,
    last_sequence: int = -1,
    seen: tuple[str, ...] = (),
    tenant_required: bool | None = None,
    channel: str | None = None,
    replay: Any = Floor,
) -> str | None:
    """Ask every fast path and `hxtp` about one message, twice: fresh, and again once it was accepted.

    Returns the code of the first verdict.
    """
    required = direction == "to_device" and tenant_id is not None
    verifiers = {}
    for path in ("hxtp", *FAST):
        past = [replay(last_sequence), replay(last_sequence)]
        if replay is Floor:
            for floor in past:
                floor.nonces = [nonce.encode() for nonce in seen]
        slots = list(zip([fast.Key(SECRET), fast.Key(PREVIOUS)], past, strict=True))
        verifier = fast.verifier(
            MASKS[direction],
            slots,
            device_id,
            tenant_id,
            required if tenant_required is None else tenant_required,
            path=path,
        )
        verifier.max_age = max_age_ms
        verifiers[path] = verifier
    ours = verifiers.pop("hxtp")
    for path, theirs in verifiers.items():
        assert type(theirs) is not type(ours)
        untouched = state(theirs)
        message, wanted = theirs.judge(data, now, channel), ours.judge(data, now, channel)
        assert tell(theirs, message) == tell(ours, wanted), (path, data)
        assert state(theirs) == untouched, (path, data)
        if wanted.code is None:
            theirs.accept(message)
    if wanted.code is None:
        ours.accept(wanted)
        again = ours.judge(data, now, channel)
        for path, theirs in verifiers.items():
            assert state(theirs) == state(ours), (path, data)
            assert tell(theirs, theirs.judge(data, now, channel)) == tell(ours, again), (path, data)
    return wanted.code
