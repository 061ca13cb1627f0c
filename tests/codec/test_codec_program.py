"""The codec as a program: a line in, a line out, whatever the line is; and how it ends."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.codec.asking import NONCE, SECRET, sign_request, verify_request

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "host_sim", "codec"]
PATIENCE = 60  # seconds after which a hanging program is a failure
RESET = b'{"op":"reset"}\n'
OK = b'{"ok":true}\n'
BAD = b'{"ok":false,"code":"BAD_REQUEST"}\n'


@pytest.fixture
def codec():
    """The program with open pipes; it has to be gone, one way or the other, when the test is."""
    with subprocess.Popen(
        COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        yield process
        process.kill()


def run(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, input=data, capture_output=True, timeout=PATIENCE, check=False
    )


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    """The next line of the program, which must come without another line being sent."""
    line = b""
    while not line.endswith(b"\n"):
        assert select.select([process.stdout], [], [], PATIENCE)[0], "no answer"
        part = os.read(process.stdout.fileno(), 65536)
        assert part, process.stderr.read().decode()
        line += part
    return line


def test_each_line_is_answered_before_the_next_is_sent(codec):
    """A whole conversation: sign, verify, tamper, replay; the answers are flushed."""

    def ask(request):
        codec.stdin.write(json.dumps(request).encode() + b"\n")
        return json.loads(line_of(codec))

    reply = ask(sign_request(framed=True))
    wire = bytes.fromhex(reply["wire_hex"])
    assert ask(verify_request(wire))["ok"]
    assert ask({"op": "reset"}) == {"ok": True}
    assert ask(verify_request(wire.replace(b":80", b":81"))) == {"ok": False, "code": "HASH_MISMATCH"}
    assert ask(verify_request(wire, seen_nonces=[NONCE])) == {"ok": False, "code": "NONCE_REUSED"}
    assert ask({"op": "no such"}) == {"ok": False, "code": "BAD_REQUEST"}
    assert ask(verify_request(wire, "auto", direction="to_device"))["ok"]
    codec.stdin.close()
    assert codec.wait(PATIENCE) == 0
    assert codec.stderr.read() == b""


def test_the_end_of_the_input_ends_the_program():
    done = run(b"")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_last_line_without_its_end_is_a_line():
    assert run(RESET + RESET.strip()).stdout == OK + OK


def test_junk_is_answered_line_by_line_and_nothing_is_lost():
    junk = [b"", b"junk", b"null", b"{}", b"\xff\xfe", b"\x00", b'{"op":"reset"', b"\r", b"[" * 1_000_000]
    done = run(b"".join(line + b"\n" + RESET for line in junk))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (BAD + OK) * len(junk)


@pytest.mark.parametrize("end", [b"\n" + RESET, b""])
def test_ten_megabytes_in_a_line(end):
    done = run(b"[" * 10_000_000 + end)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == BAD + (OK if end else b"")


def test_the_longest_line():
    room = (1 << 20) - len(RESET.strip())
    longest = RESET.strip() + b" " * room
    assert run(longest + b"\n" + RESET).stdout == OK + OK
    assert run(longest).stdout == OK
    assert run(longest + b" \n" + RESET).stdout == BAD + OK


def test_answers_are_ascii_and_one_line_each():
    body = '{"a":"\u00e9\\n\U0001f600"}'
    wire = json.loads(run(json.dumps(sign_request(body_json=body)).encode()).stdout)["wire_hex"]
    done = run(json.dumps(verify_request(bytes.fromhex(wire))).encode())
    assert done.stdout.isascii() and done.stdout.count(b"\n") == 1
    assert json.loads(done.stdout)["body_json"] == body


def test_the_secret_is_in_no_output():
    lines = [
        sign_request(),
        sign_request(framed="x"),
        verify_request(b"{}"),
        verify_request(b"", secret_hex=SECRET * 2),
    ]
    done = run(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    assert done.stdout.count(b"\n") == len(lines)
    assert SECRET.encode() not in done.stdout + done.stderr


def test_an_interrupt_ends_it_without_a_traceback(codec):
    codec.stdin.write(RESET)
    assert line_of(codec) == OK
    codec.send_signal(signal.SIGINT)
    assert codec.wait(PATIENCE) == 130
    assert codec.stderr.read() == b""


def test_a_reader_that_goes_away_ends_it_without_a_traceback(codec):
    codec.stdin.write(RESET)
    assert line_of(codec) == OK
    codec.stdout.close()
    codec.stdin.write(RESET * 3)
    codec.stdin.close()
    assert codec.wait(PATIENCE) == 0
    assert codec.stderr.read() == b""


def test_help_and_arguments():
    done = run(b"", "--help")
    assert done.returncode == 0 and b'"op":"verify"' in done.stdout and done.stderr == b""
    done = run(b"", "--profile", "pipe10")
    assert done.returncode == 2 and done.stdout == b"" and b'"op":"verify"' in done.stderr
