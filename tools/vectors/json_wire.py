"""Messages of the two JSON profiles, as `wire.py` makes those of pipe10.

Canonical JSON of params is never computed here: a table writes it down beside the body, so that it is a claim
and not another implementation. Only the envelope, whose values are ids and numbers, is put together.
"""

import json
from typing import Any

from tools.vectors import wire
from tools.vectors.wire import ACTIVE, BODY, CANONICAL, CANONICAL_ALONE, FIELDS, Raw, Wire, mac, sha256

EMPTY_ALONE = '{"protocol":"hxtp/3.0"}'
HEADER = frozenset((*FIELDS, "protocol_version", "sequence", "payload_hash"))


def canonical(parts: dict[str, str]) -> str:
    """An object of members whose values are canonical already, `protocol` put in."""
    parts = {**parts, "protocol": '"hxtp/3.0"'}
    return "{" + ",".join(f'"{name}":{parts[name]}' for name in sorted(parts)) + "}"


def _value(value: Any) -> str:
    # Ids are ASCII; numbers are quoted, and so is whatever else a table puts in their place.
    return json.dumps(value) if isinstance(value, str) and not isinstance(value, Raw) else f'"{value}"'


def _fields(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**FIELDS, **changes}.items() if value is not None}


def json_full(
    body: str | None = BODY,
    canon: str | None = CANONICAL,
    hashed: str | None = BODY,
    key: bytes = ACTIVE,
    texts: dict[str, str | None] | None = None,
    more: dict[str, tuple[str, str]] | None = None,
    signed: str | None = None,
    **changes: Any,
) -> Wire:
    """A bare json-full message. `canon` is the canonical JSON of the body, `hashed` the text whose hash is
    payload_hash (None: without one), `more` further members with their text and its canonical form, `signed`
    another text to sign. `texts` and `changes` as in `pipe10`.
    """
    values = _fields(changes)
    if hashed is not None:
        values.setdefault("payload_hash", sha256(hashed))
    parts = {name: _value(value) for name, value in values.items()}
    if body is not None and canon is not None:
        parts["params"] = canon
    parts.update({name: written for name, (_, written) in (more or {}).items()})
    signed = canonical(parts) if signed is None else signed
    values.setdefault("signature", mac(key, signed))
    added = {name: text for name, (text, _) in (more or {}).items()}
    return _wire(values, body, {**added, **(texts or {})}, signed)


def json_header(
    body: str | None = BODY,
    hashed: str | None = CANONICAL_ALONE,
    key: bytes = ACTIVE,
    texts: dict[str, str | None] | None = None,
    signed: str | None = None,
    **changes: Any,
) -> Wire:
    """A bare json-header message. `hashed` is the canonical JSON of the body with `protocol` in it, the text
    whose hash is payload_hash (None: without one); the rest as in `json_full`.
    """
    values = _fields(changes)
    if hashed is not None:
        values.setdefault("payload_hash", sha256(hashed))
    parts = {name: _value(value) for name, value in values.items() if name in HEADER}
    signed = canonical(parts) if signed is None else signed
    values.setdefault("signature", mac(key, signed))
    return _wire(values, body, texts or {}, signed)


def _wire(values: dict[str, Any], body: str | None, texts: dict[str, str | None], signed: str) -> Wire:
    data = wire.assemble(values, "params", body, texts)
    return Wire(data, str(values.get("message_type")), "{}" if body is None else body, signed)


def header_text(**changes: Any) -> str:
    """The signed text of json-header for the fields by default, these changed, and the body by default."""
    values = {"payload_hash": sha256(CANONICAL_ALONE), **_fields(changes)}
    return canonical({name: _value(value) for name, value in values.items()})


def full_text(**changes: Any) -> str:
    """The signed text of json-full, likewise."""
    values = {"payload_hash": sha256(BODY), **_fields(changes)}
    return canonical({**{name: _value(value) for name, value in values.items()}, "params": CANONICAL})
