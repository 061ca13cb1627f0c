"""`python -m host_sim board`: the firmware in the foreground, ended by Ctrl-C or by itself."""

import json
import signal
import subprocess
import sys

import pytest

from host_sim import ROOT

COMMAND = [sys.executable, "-m", "host_sim", "board"]


def start(*arguments):
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def until(process, text):
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return seen
    raise AssertionError("".join(seen))


def test_it_runs_the_firmware_until_ctrl_c(runtime, tmp_path):
    """Without a configuration the firmware says what is missing, and leaves the board at its prompt."""
    with start("--runtime", runtime, "--flash", str(tmp_path / "flash")) as process:
        seen = until(process, "the firmware has ended")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(20) == 0
    assert f"board starts (power-on, {runtime})" in "".join(seen)
    assert any("hxtp.json" in line and line.startswith("  | ") for line in seen)
    assert "(unplugged)" in rest and "Traceback" not in "".join(seen) + rest
    assert (tmp_path / "flash" / "fs" / "main.py").exists()


def test_it_takes_a_configuration_and_board_data(tmp_path):
    """The board data replaces what the configuration names; the CA file that it names comes along."""
    from host_sim.board.cli import _files

    (tmp_path / "mine.json").write_text(
        json.dumps({"ca": "my-ca.pem", "board": "elsewhere.json", "secret": "00"})
    )
    (tmp_path / "my-ca.pem").write_text("certificate")
    (tmp_path / "lamp.json").write_text("{}")
    files = _files(tmp_path / "mine.json", tmp_path / "lamp.json")
    assert json.loads(files["hxtp.json"]) == {"ca": "my-ca.pem", "board": "board.json", "secret": "00"}
    assert files["my-ca.pem"] == tmp_path / "my-ca.pem" and files["board.json"] == tmp_path / "lamp.json"


@pytest.mark.parametrize("content", [None, "not json", "[1]"])
def test_a_configuration_that_cannot_be_used_is_reported(tmp_path, content):
    if content is not None:
        (tmp_path / "hxtp.json").write_text(content)
    done = subprocess.run(
        [*COMMAND, "--config", str(tmp_path / "hxtp.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("host_sim board: ") and "Traceback" not in done.stderr


def test_it_unplugs_the_board_by_itself_when_told():
    done = subprocess.run(
        [*COMMAND, "--seconds", "0.2"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "board is off (unplugged)" in done.stdout
