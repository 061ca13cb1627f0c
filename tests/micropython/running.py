"""Runs one file of tests/unit under one of the MicroPython runtimes and reads the outcome.

The unix port, whose heap is as small as a device's, gets bytecode, as a device does: compiling a long test
file would take the very memory that the test is about. The WebAssembly port gets the sources.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from host_sim import ROOT
from host_sim.runtimes import Runtime, WasmRuntime
from tools.mpy_sizes import CompileError, compile_module

HERE = Path(__file__).resolve().parent
# In the order of import: a stand-in for a stock module goes before MicroPython's own of that name, as on the
# board.
FOLDERS = ("tests/unit", "firmware/lib", "firmware", "host_sim/board/modules")
# What the tests read besides.
DATA = ("tests/vectors",)
HEAP = "128K"
TIMEOUT = 300


@dataclass
class Outcome:
    """`ran` counts tests, `failed` names those that failed. `report` is for a reader: each failure with its
    traceback, or what the runtime printed where it came to no result.
    """

    passed: bool
    ran: int
    failed: list[str]
    report: str


def compiled_tree(target: Path, source: Path = ROOT) -> Path:
    """Copies what the tests import and read from `source` to `target`, each module as bytecode, and returns
    `target`.

    Tracebacks go on naming the sources.
    """
    for folder in (*FOLDERS, *DATA):
        for path in sorted((source / folder).rglob("*")):
            copy = target / path.relative_to(source)
            if path.is_dir() or copy.exists() or "__pycache__" in path.parts:
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not _compiled(path, copy):
                shutil.copy(path, copy)
    return target


def _compiled(source: Path, copy: Path) -> bool:
    """Whether the bytecode of `source` now lies where `copy` would; a broken module does not, and whoever
    imports its source on the device is told what is wrong with it.
    """
    if source.suffix != ".py":
        return False
    try:
        copy.with_suffix(".mpy").write_bytes(compile_module(source, name=str(source)))
    except CompileError:
        return False
    return True


def run_compiled(runtime: Runtime, tree: Path, file: Path, heap: str = HEAP) -> Outcome:
    """Runs the tests of `file`, which was among the sources of the `compiled_tree`, on the unix port."""
    folders = [str(tree / folder) for folder in FOLDERS]
    return _outcome(file, [*runtime.argv(heap), str(HERE / "runner.py"), str(file), *folders])


def run_sources(runtime: WasmRuntime, file: Path, root: Path = ROOT) -> Outcome:
    """Runs the tests of `file` of the checkout `root` on the WebAssembly port."""
    folders = [str(root / folder) for folder in FOLDERS]
    loader = [runtime.node, str(HERE / "wasm.mjs"), str(runtime.module), str(HERE / "runner.py")]
    copied = [*folders, *(str(root / folder) for folder in DATA)]
    return _outcome(file, [*loader, *copied, "--", str(file), *folders])


def _outcome(file: Path, command: list[str]) -> Outcome:
    """Passing takes exit status 0 and the runner's own closing line saying that none failed."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT)
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        return Outcome(False, 0, [f"(no end within {TIMEOUT} s)"], output)
    output = done.stdout.decode(errors="replace")
    failed = re.findall(r"^FAIL (.+)$", output, re.MULTILINE)
    last = re.search(r"^ran (\d+), failed (\d+)\s*\Z", output, re.MULTILINE)
    if not last:
        return Outcome(False, 0, failed or [f"(no result, exit status {done.returncode})"], output)
    return Outcome(done.returncode == 0 and last[2] == "0", int(last[1]), failed, _failures(output))


def _failures(output: str) -> str:
    """The part of the output that is about failures, with the source line under each place of a traceback."""
    lines, showing = [], False
    for line in output.splitlines():
        if line.startswith("FAIL "):
            showing = True
            lines.append("")
        elif re.match(r"(ok \w+|ran \d+, failed \d+)$", line):
            showing = False
        place = re.match(r'  File "(.+)", line (\d+), in ', line)
        if showing and not (place and place[1].endswith(("runner.py", "<stdin>"))):
            lines.append(line)
            if place:
                lines.extend(_source(Path(place[1]), int(place[2])))
    return "\n".join(lines)


def _source(path: Path, number: int) -> list[str]:
    try:
        return [f"    {path.read_text().splitlines()[number - 1].strip()}"]
    except (OSError, IndexError):
        return []
