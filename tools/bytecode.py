"""Makes build/firmware: what is copied onto an ESP32, its modules as bytecode.

`python tools/bytecode.py [--lines] [FOLDER]`. Compiling on the device takes heap that it needs for its
manifest. What only a cloud loads stays at home. `--lines`: tracebacks name the line in lib/ too.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.mpy_sizes import WITH_LINES, CompileError, compile_module, known_as, level

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
AS_SOURCE = ("boot.py", "main.py")  # MicroPython looks for these two by name
CLOUD_ONLY = ("lib/hxtp/cloud.py", "lib/hxtp/window.py")


def build(target: Path, lines: bool = False) -> list[Path]:
    """Fill the folder anew and return its files. `lines`: keep all line numbers. Raises CompileError."""
    if target.exists():
        shutil.rmtree(target)
    for source in sorted(FIRMWARE.rglob("*")):
        name = source.relative_to(FIRMWARE)
        if source.is_dir() or "__pycache__" in name.parts or name.as_posix() in CLOUD_ONLY:
            continue
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".py" and name.as_posix() not in AS_SOURCE:
            option = WITH_LINES if lines else level(name.as_posix())
            code = compile_module(source, option, name=known_as(name.as_posix()))
            copy.with_suffix(".mpy").write_bytes(code)
        else:
            shutil.copyfile(source, copy)
    return sorted(path for path in target.rglob("*") if path.is_file())


def main(argv: list[str]) -> int:
    lines = "--lines" in argv
    folders = [argument for argument in argv if argument != "--lines"]
    target = Path(folders[0]) if folders else ROOT / "build" / "firmware"
    if target.exists() and not (target / "boot.py").exists():
        print(f"{target} is there and is not a firmware folder: name another one", file=sys.stderr)
        return 2
    try:
        files = build(target, lines)
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        what = f"{error.strerror}: {error.filename}"
        again = "python tools/bytecode.py FOLDER"
        print(f"{target} cannot be written ({what}); for another folder: {again}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in files)
    print(f"{target}: {len(files)} files, {size / 1000:.1f} kB.")
    print("Put hxtp.json and ca.pem beside them, then, with the board on USB:")
    print(f"  mpremote cp -r {target}/. :")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
