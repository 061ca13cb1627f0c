"""How fast a command is verified and dispatched: `hxtp`, and the host's faster paths, each beside its floor.

A floor does what no verification can do without, written as tightly as the same library allows: parse the
JSON, one SHA-256 and one HMAC over the same bytes, and nothing else.
"""

import contextlib
import json
from collections.abc import Callable
from hashlib import sha256

from host_sim import fast
from host_sim.bench import verify_sdk
from host_sim.bench.rows import Row
from host_sim.bench.timing import RUNS, interleaved
from hxtp import envelope, frame, sign
from hxtp.replay import Floor

SIZE = 665  # bytes of a message with its frame
COUNT = 500
NOW = 1_777_200_000_000
SECRET = b"\xab" * 32
CLIENT = "hxtp-cloud-of-the-living-room-lights"
DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "11111111-2222-4333-8444-555555555555"
BODY = b'{"action":"light_on","brightness":%d,"color":"#ffeedd","transition":40}'


def messages() -> list[bytes]:
    """Commands of one sender with rising numbers, each SIZE bytes long."""
    found = []
    for number in range(1_000_001, 1_000_001 + COUNT):
        message_id = f"20212223-2425-4627-a829-{number:012x}"
        fields = {
            "message_type": "command",
            "device_id": DEVICE,
            "tenant_id": TENANT,
            "client_id": CLIENT,
            "message_id": message_id,
            "request_id": message_id,
            "sequence_number": number,
            "timestamp": NOW,
            "nonce": f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}",
            "action": "light_on",
        }
        found.append(envelope.build(sign.Key(SECRET), fields, BODY % (10 + number % 90)))
    assert {len(message) for message in found} == {SIZE}, len(found[0])
    return found


class Dispatcher:
    """What is measured: judge, remember, read the body, find what is to be called."""

    def __init__(self, path: str, key: type[sign.Key]) -> None:
        self._path = path
        self._key = key(SECRET)
        self._called = {"light_on": 0}

    def __call__(self, data: list[bytes]) -> None:
        verifier = fast.verifier(
            frame.TO_DEVICE, [(self._key, Floor())], DEVICE, TENANT, True, path=self._path
        )
        called = self._called
        for payload in data:
            message = verifier.judge(payload, NOW, "cmd")
            if message.code is None:
                verifier.accept(message)
                called[message.params()["action"]] += 1
        if called["light_on"] % len(data):
            raise AssertionError(f"{self._path} refused a message of its own benchmark")


def floor_stdlib(data: list[bytes]) -> None:
    parse = json.JSONDecoder().raw_decode
    inner, outer = sha256(b"\x36" * 64), sha256(b"\x5c" * 64)
    for payload in data:
        text = payload[8:]
        parse(text.decode())
        sha256(text).digest()
        one = inner.copy()
        one.update(text)
        two = outer.copy()
        two.update(one.digest())
        two.digest()


def floor_msgspec() -> Callable[[list[bytes]], None]:
    import msgspec

    fields = {name: str for name in json.loads(messages()[0][8:])}
    fields |= {"sequence_number": int, "timestamp": int, "params": dict}
    parse = msgspec.json.Decoder(msgspec.defstruct("Envelope", list(fields.items()), gc=False)).decode

    def run(data: list[bytes]) -> None:
        inner, outer = sha256(b"\x36" * 64), sha256(b"\x5c" * 64)
        for payload in data:
            text = payload[8:]
            parse(text)
            sha256(text).digest()
            one = inner.copy()
            one.update(text)
            two = outer.copy()
            two.update(one.digest())
            two.digest()

    return run


def measure() -> list[Row]:
    """All of them in one run, messages per second."""
    data = messages()
    work: dict[str, Callable[[list[bytes]], None]] = {
        "floor of the standard library": floor_stdlib,
        "verify_hxtp": Dispatcher("hxtp", sign.Key),
        "verify_stdlib": Dispatcher("stdlib", fast.Key),
    }
    if "msgspec" in fast.PATHS:
        work |= {"floor of msgspec": floor_msgspec(), "verify_fast": Dispatcher("msgspec", fast.Key)}
    pieces = {name: lambda piece=piece: piece(data) for name, piece in work.items()}
    sdk = "without hxtp-py: not installed"
    with contextlib.suppress(ModuleNotFoundError):
        name, pieces["sdk"] = verify_sdk.verifying(COUNT, json.loads(BODY % 55), DEVICE, TENANT, CLIENT)
        sdk = f"peer: {name}, the same fields and body, which it signs with Ed25519"
    spent = interleaved(pieces)
    speed = {name: COUNT / seconds for name, seconds in spent.items()}
    stdlib = speed["floor of the standard library"]
    note = f"a framed command of {SIZE} bytes; floor: {{}} parses it, one SHA-256 and one HMAC of its JSON"
    rows = [
        Row(
            "verify_hxtp",
            speed["verify_hxtp"],
            "1/s",
            stdlib,
            speed.get("sdk"),
            RUNS,
            f"{note.format('json')}; {sdk}",
        ),
        Row("verify_stdlib", speed["verify_stdlib"], "1/s", stdlib, None, RUNS, "the same floor"),
    ]
    if "verify_fast" in speed:
        rows.append(
            Row(
                "verify_fast",
                speed["verify_fast"],
                "1/s",
                speed["floor of msgspec"],
                None,
                RUNS,
                note.format("msgspec"),
            )
        )
    return rows
