"""`python -m host_sim` says what is in the way, whoever starts it with whatever Python."""

import subprocess
import sys
import venv

import pytest

from host_sim import ROOT, __main__


def started(*command, timeout=60):
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT)


def test_a_python_without_the_packages_is_told_which_one_has_them(tmp_path):
    venv.create(tmp_path / "bare", with_pip=False)
    done = started(tmp_path / "bare" / "bin" / "python", "-m", "host_sim", "cloud")
    assert done.returncode == 2
    assert "lacks the package" in done.stderr and ".venv/bin/python" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_with_a_slip_gets_the_one_that_was_meant():
    done = started(sys.executable, "-m", "host_sim", "clod")
    assert done.returncode == 2
    assert "did you mean cloud?" in done.stderr


def test_an_import_that_is_our_own_fault_is_shown_as_one(monkeypatch):
    monkeypatch.setitem(__main__.COMMANDS, "broken", ("host_sim.no_such_module", ""))
    with pytest.raises(ModuleNotFoundError):
        __main__.main(["broken"])
