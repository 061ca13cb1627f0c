"""`python -m host_sim board`: the firmware in the foreground, ended by Ctrl-C or by itself."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from host_sim import ROOT
from host_sim.board import cli
from host_sim.board.scratch import MARK, PREFIX, scratch

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
    (tmp_path / "mine.json").write_text(
        json.dumps({"ca": "my-ca.pem", "board": "elsewhere.json", "secret": "00"})
    )
    (tmp_path / "my-ca.pem").write_text("certificate")
    (tmp_path / "lamp.json").write_text("{}")
    files = cli._files(tmp_path / "mine.json", tmp_path / "lamp.json")
    assert json.loads(files["hxtp.json"]) == {"ca": "my-ca.pem", "board": "board.json", "secret": "00"}
    assert files["my-ca.pem"] == tmp_path / "my-ca.pem" and files["board.json"] == tmp_path / "lamp.json"


@pytest.mark.parametrize(
    "content, says",
    [
        (None, "there is no {}; --config wants the device's hxtp.json"),
        ('{"ca" 1}', "{} is no JSON: Expecting ':' delimiter: line 1 column 7"),
        ("[" * 100_000, "{} is no JSON"),
        ("[1]", "{} is not a JSON object"),
        (b"\xff", "{} is no text of UTF-8"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_reported_by_name(tmp_path, capsys, content, says):
    file = tmp_path / "hxtp.json"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    assert cli.main(["--config", str(file)]) == 2
    assert capsys.readouterr().err.startswith("host_sim board: " + says.format(file))


def test_board_data_that_are_not_there_are_reported_by_name(tmp_path, capsys):
    assert cli.main(["--board", str(tmp_path / "nofile.json")]) == 2
    assert f"there is no {tmp_path}/nofile.json; --board wants a file" in capsys.readouterr().err
    assert cli.main(["--board", str(tmp_path)]) == 2
    assert f"{tmp_path} cannot be read (Is a directory); --board wants a file" in capsys.readouterr().err


@pytest.mark.parametrize("inside", ["", "fs/lib"])
def test_a_flash_that_cannot_be_written_ends_in_one_sentence(tmp_path, capsys, inside):
    """A file stands where a folder should be: in the place of the flash, or in it."""
    flash = tmp_path / "flash"
    (flash / inside).parent.mkdir(parents=True, exist_ok=True)
    (flash / inside).write_text("")
    assert cli.main(["--flash", str(flash)]) == 1
    err = capsys.readouterr().err
    assert (
        err.startswith(f"host_sim board: the flash cannot be written to {flash} (") and err.count("\n") == 1
    )
    assert "name another folder with --flash" in err


def test_it_unplugs_the_board_by_itself_when_told():
    done = subprocess.run(
        [*COMMAND, "--seconds", "0.2"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (off,) = re.findall(r"\[ *([0-9.]+)\] board is off \(unplugged\)", done.stdout)
    times = re.findall(r"(?m)^\[ *([0-9.]+)\]", done.stdout)
    assert float(off) == max(map(float, times)) > 0


def test_it_ends_quietly_where_nobody_reads_what_the_board_does(tmp_path):
    """As `| head` leaves it."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "--flash", str(tmp_path)], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=60
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_sigterm_unplugs_it_as_ctrl_c_does(tmp_path):
    with start("--flash", str(tmp_path)) as process:
        until(process, "the firmware has ended")
        process.terminate()
        assert "(unplugged)" in process.stdout.read() and process.wait(20) == 0


@contextlib.contextmanager
def another_board(folder):
    """The flash of a board in another process, which is killed in the end."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from host_sim.board.scratch import scratch\n"
            "with scratch() as flash:\n"
            "    (flash / 'fs').mkdir()\n"
            "    (flash / 'fs' / 'main.py').touch()\n"
            "    print(flash, flush=True)\n"
            "    input()",
        ],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_killed_board_left_behind_goes_with_the_next_start_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARK).touch()
    others = [tmp_path / f"{PREFIX}{name}" for name in ("mine", "file", "link")]
    others[0].mkdir()
    others[1].touch()
    others[2].symlink_to(elsewhere)
    with another_board(tmp_path) as dead:
        pass
    assert (dead / "fs" / "main.py").exists()
    with another_board(tmp_path) as alive:
        assert not dead.exists()
        with scratch() as flash:
            assert flash.parent == tmp_path and set(tmp_path.iterdir()) == {flash, alive, elsewhere, *others}
        assert not flash.exists() and (alive / "fs" / "main.py").exists() and (elsewhere / MARK).exists()
