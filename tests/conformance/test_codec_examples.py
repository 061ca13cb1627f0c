"""The worked codecs in JavaScript and C, and ours: all pass the vectors, and they agree beyond them."""

import json
import random
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host_sim import codec, node
from host_sim.conformance import cli, vectors
from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
CODECS = ROOT / "protocol_spec" / "codecs"
SOURCES = {"javascript": CODECS / "javascript" / "codec.mjs", "c": CODECS / "c" / "codec.c"}
HEADERS = ("/usr/include/jansson.h", "/usr/include/openssl/hmac.h")


@pytest.fixture(scope="module")
def javascript():
    found = node.find() or missing(f"Node {node.OLDEST_NODE}", "make setup")
    return [found.program, str(SOURCES["javascript"])]


@pytest.fixture(scope="module")
def c(program, tmp_path_factory):
    """Built without a warning."""
    for header in HEADERS:
        if not Path(header).exists():
            missing(header, "make packages")
    folder = tmp_path_factory.mktemp("codec")
    compiler = [f"CC={program('gcc')}", f"BUILD={folder}", "CFLAGS=-O1 -Werror"]
    subprocess.run([program("make"), "-s", "-C", SOURCES["c"].parent, *compiler], check=True, timeout=120)
    return [str(folder / "codec")]


@pytest.fixture(params=["javascript", "c"])
def example(request):
    return request.getfixturevalue(request.param)


def test_it_passes_all_that_is_not_about_the_json_profiles(example, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert cli.main(["--codec", shlex.join(example), "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["passed"] >= 300 and not found["failed"] and not found["xfailed"]
    skipped = {case["message"] for case in found["cases"] if case["status"] == "skipped"}
    assert skipped == {f"the codec has no {name}" for name in ("json-full", "json-header", "auto")}
    assert {tuple(case["needs"]) for case in found["cases"] if case["status"] == "passed"} == {()}


def test_ours_passes_all(tmp_path, capsys):
    report = tmp_path / "report.json"
    command = shlex.join([sys.executable, "-m", "host_sim", "codec"])
    assert cli.main(["--codec", command, "--json", str(report)]) == 0
    found = json.loads(report.read_text())
    assert found["passed"] == found["planned"] > len(vectors.load())


# Answers once for whatever one read brings: right as long as lines come one by one and are short.
CARELESS = """
import json, os, sys
from host_sim import codec
while chunk := os.read(0, 65536):
    print(json.dumps(codec.answer(chunk)), flush=True)
"""


def test_a_codec_that_takes_a_read_for_a_line_is_noticed(tmp_path, capsys):
    """HX3-CODEC-01."""
    script = tmp_path / "careless.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{CARELESS}")
    report = tmp_path / "report.json"
    argv = ["--codec", shlex.join([sys.executable, str(script)]), "--json", str(report), "--timeout", "0.5"]
    assert cli.main([*argv, "--only", "lines-*", "--only", "frame-bare"]) == 1
    failed = {c["id"] for c in json.loads(report.read_text())["cases"] if c["status"] == "failed"}
    # Whether pieces arrive apart is for the machine to decide; these do not depend on it.
    assert failed >= {"lines-at-once", "lines-overlapping", "lines-longest"}
    assert "frame-bare" not in failed


@pytest.mark.parametrize("name", SOURCES)
def test_it_is_short(name):
    lines = SOURCES[name].read_text().splitlines()
    assert len(lines) < 400 and max(map(len, lines)) <= 120


def answers(command: list[str], lines: list[bytes]) -> list[dict[str, Any]]:
    done = subprocess.run(
        command, input=b"\n".join(lines) + b"\n", stdout=subprocess.PIPE, timeout=120, check=True
    )
    found = done.stdout.splitlines()
    assert len(found) == len(lines)  # HX3-CODEC-01
    return [json.loads(answer) for answer in found]


def test_it_agrees_with_ours_on_spoilt_vectors(example):
    """HX3-CODEC-02, HX3-CODEC-05, HX3-CODEC-11."""
    lines = list(spoilt(random.Random(7), 2500))
    for line, theirs in zip(lines, answers(example, lines), strict=True):
        assert theirs == codec.answer(line), line


def test_it_goes_on_after_a_line_beyond_the_limits(example):
    """HX3-CODEC-01, HX3-CODEC-13: such a line may be refused, and costs one answer."""
    deep = b'{"op":"reset","x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    members = b'{"op":"reset"' + b"".join(b',"%d":0' % i for i in range(5000)) + b"}"
    long = b'{"op":"reset","x":"' + b"x" * (1 << 20) + b'"}'
    for command in (example, [sys.executable, "-m", "host_sim", "codec"]):
        found = answers(command, [deep, members, long, b'{"op":"reset"}'])
        assert all(answer in ({"ok": True}, {"ok": False, "code": "BAD_REQUEST"}) for answer in found)
        assert found[2] == {"ok": False, "code": "BAD_REQUEST"} and found[3] == {"ok": True}


# What stands for something else in a message, and in a request.
BYTES = (
    b"\\u0041",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"null",
    b"1.0",
    b"-0",
    b'"',
    b"\xef\xbb\xbf",
    b"1e5",
    b"\x00",
    b"  ",
)
VALUES = (
    *(None, True, False, 0, 1, -1, 7.0, -0.0, 0.5, 1e300, 10**16, 2**53 - 1, 2**53, 10**30),
    *("", "x", "7", "é", 'a"b\\c', "\0", "\ud800", "ab" * 32, "AB" * 32, "command", [], {}, ["a"], {"a": 1}),
)
TEXTS = (
    "",
    " {} \n",
    "{",
    "[]",
    '{"a":1}x',
    '{"a":1,"a":2}',
    '{},"x":{}',
    '{"a":"é"}',
    '{"a":-0}',
    "{}\u00a0",
    "{}\0",
)


def spoilt(random, count):
    """Request lines: the vectors of pipe10, each with a few bytes, members or values changed."""
    chosen = [vector for vector in vectors.load() if vector.profile == "pipe10" and len(vector.line) < 9000]
    for _ in range(count):
        vector = random.choice(chosen)
        if vector.request is None:
            yield vector.line
            continue
        request = json.loads(json.dumps(vector.request))
        wire = request.get("wire_hex")
        if random.random() < 0.5 and isinstance(wire, str) and len(wire) % 2 == 0 and wire.isalnum():
            request["wire_hex"] = spoilt_bytes(random, bytes.fromhex(wire)).hex() if is_hex(wire) else wire
        if random.random() < 0.5:
            fields = request.get("fields")
            members = fields if isinstance(fields, dict) and random.random() < 0.6 else request
            name = random.choice([*members, "unknown"])
            if random.random() < 0.3:
                members.pop(name, None)
            else:
                members[name] = random.choice(VALUES)
        if "body_json" in request and random.random() < 0.4:
            request["body_json"] = random.choice(TEXTS)
        line = json.dumps(request, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
        yield (spoilt_bytes(random, line) if random.random() < 0.1 else line).replace(b"\n", b" ")


def is_hex(text):
    return not text.lower().strip("0123456789abcdef")


def spoilt_bytes(random, data):
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(data) + 1)
        end = random.choice((at, at + 1, at + random.randrange(20)))
        new = random.choice((*BYTES, b"", data[at:end] * 2, bytes([random.randrange(256)])))
        data = data[:at] + new + data[end:]
    return data
