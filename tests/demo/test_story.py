"""The demonstration as a newcomer meets it: a program that tells a story and ends."""

import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from host_sim.demo.cli import play
from host_sim.demo.screen import Screen
from host_sim.files import lock_folder

ROOT = Path(__file__).resolve().parents[2]
STEPS = (
    "Hello",
    "Manifest",
    "Light to 80 %",
    "Relay pulse",
    "Infrared",
    "A wrong parameter",
    "Somebody has to say yes",
    "The garage again, please",
    "Still there",
    "The network is cut, and comes back",
    "Totals",
)
LIMIT = 150  # seconds: the story ends itself in less


class Told:
    """A story told in this process: its exit status, and what stood on the screen."""

    def __init__(self, folder: Path, firmware: Path | None = None) -> None:
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, "utf-8")
        self.status = play(Screen(out), folder, firmware=firmware)
        self.output = raw.getvalue().decode()


class Demo:
    """`python -m host_sim demo` in a process group of its own."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "host_sim", "demo", "--folder", str(folder), *options],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            encoding="utf-8",
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.output += line

    def read_until(self, text: str) -> None:
        end = time.monotonic() + LIMIT
        while text not in self.output:
            assert self._reader.is_alive() and time.monotonic() < end, self.output
            time.sleep(0.02)

    def end(self) -> int:
        """Wait for it; its exit status. Nothing of it may be left."""
        self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        end = time.monotonic() + 5
        while self.alive() and time.monotonic() < end:
            time.sleep(0.05)  # a process that was killed is there until it is waited for
        assert not self.alive(), "a process outlived the demonstration"
        return self.process.returncode

    def alive(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        if self.alive():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        self.process.stdout.close()


@pytest.fixture
def demo(tmp_path):
    """demo(*options) starts one; whatever is left of it is ended with the test."""
    started = []

    def start(*options: str, **environment: str) -> Demo:
        started.append(Demo(tmp_path / "demo", *options, **environment))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def changed(tmp_path):
    """changed(name, old, new): the story with firmware in which a line is another one."""

    def tell(name: str, old: str, new: str) -> Told:
        copy = tmp_path / "firmware"
        shutil.copytree(ROOT / "firmware", copy, ignore=shutil.ignore_patterns("__pycache__"))
        text = (copy / name).read_text()
        assert old in text
        (copy / name).write_text(text.replace(old, new))
        return Told(tmp_path / "demo", copy)

    return tell


def secrets(folder: Path) -> list[str]:
    """What nobody may be told: the boards' secrets, the cloud's key, the beginning of every token."""
    boards = [json.loads(path.read_text()) for path in folder.glob("boards/*/fs/hxtp.json")]
    key = (folder / "cloud" / "master.key").read_text().strip()
    return [*(board["secret"] for board in boards), key, "eyJ"]


@pytest.mark.slow
def test_the_story_comes_true_and_stays_for_commands_by_hand_until_ctrl_c(demo):
    running = demo("--keep")
    running.read_until("ir_send_nec address=4 command=9")
    line = next(line for line in running.output.splitlines() if " relay_pulse duration=500" in line).split()
    sent = subprocess.run(
        [sys.executable, *line[1:]], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT
    )
    assert (sent.returncode, sent.stdout) == (0, "relay_pulse: executed\n"), sent.stderr
    running.read_until("GPIO26  high at 0 ms, low at ")
    os.killpg(running.process.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches the boards' processes too
    assert running.end() == 0, running.output
    output = running.output
    assert "Traceback" not in output
    places = [output.index(f"{number}. {step}") for number, step in enumerate(STEPS, 1)]
    assert places == sorted(places)
    for said in (
        "brightness 80",
        "address 0x04, command 0x08",
        "400 PARAMS_INVALID: brightness cannot be 300",
        "409 CONFIRMATION_REQUIRED",
        "the same command_id, and nothing is sent again",
        "GPIO27 is high",
    ):
        assert said in output
    refused = re.findall(r"\d\. .*?([A-Z]+_[A-Z]+) +no pin moved, no answer", output)
    assert refused == ["NONCE_REUSED", "HASH_MISMATCH", "SIGNATURE_INVALID", "SIGNATURE_INVALID"]
    copied = [line for line in output.splitlines() if "-m host_sim client" in line]  # never broken in two
    assert max(len(line) for line in output.splitlines() if line not in copied) <= 100
    assert "\x1b" not in output and re.search(r"came true in [\d.]+ s", output)
    consoles = sorted(running.folder.glob("*.console.txt"))
    assert [path.name for path in consoles] == [
        "blaster.console.txt",
        "lamp.console.txt",
        "relays.console.txt",
    ]
    told = output + "".join(path.read_text() for path in consoles)
    hidden = secrets(running.folder)
    assert len(hidden) == 5 and not any(secret in told for secret in hidden)
    for name in ("hxtp.json", "ca.pem"):
        mode = (running.folder / "boards" / "lamp" / "fs" / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600


@pytest.mark.slow
def test_the_story_comes_true_on_micropython(demo, micropython):
    running = demo("--runtime", "micropython")
    assert running.end() == 0, running.output
    assert "(micropython)" in running.output


def test_a_capability_that_raises_is_named_with_the_console_to_look_at(changed, tmp_path):
    told = changed(
        "capabilities/relay.py", "def relay_pulse(self, params):", "def relay_pulse(self, params, oops):"
    )
    assert told.status == 1
    assert "relay_pulse ended as failed: INTERNAL_ERROR" in told.output
    assert "TypeError" in told.output and "relays.console.txt" in told.output
    assert "TypeError" in (tmp_path / "demo" / "relays.console.txt").read_text()
    assert "Traceback" not in told.output.split("✗")[0]


def test_a_board_with_a_wrong_secret_is_named(changed):
    told = changed("lib/hxtp_device/settings.py", "unhexlify(secret)", "bytes(32)")
    assert told.status == 1
    said = " ".join(told.output.split())
    assert re.search(r"the broker refused the login of the \w+: wrong secret or expired password", said)


def test_firmware_that_does_not_start_is_named(changed):
    told = changed("main.py", "guard", "gaurd")
    assert told.status == 1
    assert "ended with ImportError" in told.output


def test_a_relay_that_does_not_move_is_noticed_though_it_says_executed(changed):
    told = changed(
        "capabilities/relay.py",
        "def relay_pulse(self, params):",
        "def relay_pulse(self, params):\n        return None",
    )
    assert told.status == 1
    assert "GPIO26 did not go high and low again" in told.output


def test_firmware_that_takes_a_replayed_command_is_found_out(changed):
    told = changed("lib/hxtp/envelope.py", "            code = NONCE_REUSED", "            code = None")
    assert told.status == 1
    assert "✗" in told.output and "NONCE_REUSED       no pin moved" not in told.output


def test_two_stories_in_one_folder_do_not_mix(tmp_path):
    lock = lock_folder(tmp_path / "demo")
    try:
        told = Told(tmp_path / "demo")
    finally:
        os.close(lock)
    assert told.status == 1
    assert "is used by another process" in " ".join(told.output.split())


def test_a_folder_that_cannot_be_one_is_named(tmp_path):
    (tmp_path / "demo").write_text("a file of somebody's")
    told = Told(tmp_path / "demo")
    assert told.status == 1
    assert "demo cannot be used" in " ".join(told.output.split())


def test_a_start_that_is_interrupted_leaves_nothing_behind(demo):
    running = demo()
    running.read_until("Starting a cloud")
    os.kill(running.process.pid, signal.SIGINT)
    # CPython ends by the signal itself where it came while a text was being executed, as some packages do.
    assert running.end() in (130, -signal.SIGINT)
    assert "interrupted" in running.output and "Traceback" not in running.output


def test_output_that_cannot_take_the_drawings_gets_plain_ones_and_an_interrupted_story_leaves_nothing(demo):
    running = demo(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    running.read_until("4. Relay pulse")
    os.kill(running.process.pid, signal.SIGTERM)
    assert running.end() == 130
    assert "interrupted" in running.output and "Traceback" not in running.output
    assert "GPIO25  ___" in running.output and "?" not in running.output
