"""The largest manifest that a device declares still fits in a message."""

import pytest

from hxtp import envelope, frame
from hxtp.errors import HxtpError
from hxtp.frame import MAX_BODY
from hxtp.registry import Registry
from hxtp.sign import Key


class Many:
    KIND = name = "many"

    def __init__(self, count: int, more: int = 0) -> None:
        self.actions = {f"do_{i}": (1000 + i, "x" * (1 + more * (i == 0)), {}) for i in range(count)}

    def __getattr__(self, name: str):
        if not name.startswith("do_"):
            raise AttributeError(name)
        return lambda params: None

    def state(self) -> dict:
        return {}


def test_the_largest_manifest_fits_in_a_message():
    registry, part = Registry(), Many(40)
    registry.add(part)
    room = MAX_BODY - len(registry.manifest())
    part.actions = Many(40, room).actions  # filled up to the very last byte
    registry.refresh()
    text = registry.manifest()
    assert len(text) == MAX_BODY
    ids = {"device_id": '"' * 36, "tenant_id": '"' * 36, "client_id": '"' * 36}
    ids |= {"message_id": "0" * 36, "request_id": "0" * 36, "nonce": "0" * 32}
    numbers = {"sequence_number": envelope.MAX_INTEGER, "timestamp": envelope.MAX_INTEGER}
    fields = {"message_type": "manifest"} | ids | numbers
    message = envelope.build(Key(b"\xab" * 32), fields, text.encode(), True)
    assert len(message) <= frame.MAX_JSON + frame.HEADER
    part.actions = Many(40, room + 1).actions
    with pytest.raises(HxtpError):
        registry.refresh()
    assert registry.manifest() == text
