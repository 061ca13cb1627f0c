"""The ROM of a virtual board on MicroPython: the stand-in modules as bytecode in a ROMFS image, run in place.

On an ESP32 `machine`, `network`, `umqtt.simple` and the others lie in flash and take none of the heap; from
the image, which the board's process maps outside of its heap, neither do the stand-ins. It must never hold
anything of the firmware, whose size in the heap is what one wants to see.

ROMFS is MicroPython's own (1.25 and later): records of kind, length and payload, the numbers in groups of
seven bits, highest first, all but the last with the top bit set.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from host_sim import ROOT
from host_sim.board import lean

CACHE = Path(os.environ.get("HXTP_CACHE") or ROOT / ".cache").resolve() / "board"
MODULES = Path(__file__).with_name("modules")
LAUNCH = Path(__file__).with_name("launch.py")
# In the order in which a board would look: the second one has what both runtimes share.
FOLDERS = (MODULES / "on_micropython", MODULES)
HEADER = b"\xd2\xcd\x31"
DATA, FOLDER, FILE = 2, 4, 5


def _number(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def _record(kind: int, payload: bytes) -> bytes:
    return _number(kind) + _number(len(payload)) + payload


def _named(name: str, payload: bytes) -> bytes:
    return _number(len(name)) + name.encode() + payload


def romfs(tree: dict[str, bytes | dict[str, bytes]]) -> bytes:
    """A ROMFS image of files (name → content) and folders of files (name → the same)."""
    body = b""
    for name, content in sorted(tree.items()):
        if isinstance(content, dict):
            inner = b"".join(_file(one, data) for one, data in sorted(content.items()))
            body += _record(FOLDER, _named(name, inner))
        else:
            body += _file(name, content)
    return HEADER + _number(len(body)) + body


def _file(name: str, content: bytes) -> bytes:
    return _record(FILE, _named(name, _record(DATA, content)))


def _sources() -> dict[str, Path]:
    """Path within the ROM, without its ending → source."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for source in [*folder.glob("*.py"), *folder.glob("umqtt/*.py")]:
            found.setdefault(str(source.relative_to(folder).with_suffix("")), source)
    return found


def rom(cache: Path = CACHE) -> Path:
    """The image of the stand-ins as they are now: made once, then found in `cache`."""
    from tools.mpy_sizes import compile_module

    sources = {name: source.read_text(encoding="utf-8") for name, source in _sources().items()}
    caller = LAUNCH.read_text(encoding="utf-8")
    digest = hashlib.sha256()
    for text in (*(Path(made).read_text(encoding="utf-8") for made in (__file__, lean.__file__)), caller):
        digest.update(text.encode() + b"\0")
    for name, text in sorted(sources.items()):
        digest.update(name.encode() + b"\0" + text.encode() + b"\0")
    image = cache / f"board-rom-{digest.hexdigest()[:16]}.romfs"
    if image.exists():
        return image
    tree: dict[str, bytes | dict[str, bytes]] = {}
    for name, text in lean.lean(sources, caller).items():
        folder, _, module = name.rpartition("/")
        # Named as the module's __file__, so that it is not a name more.
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "module.py"
            source.write_text(text, encoding="utf-8")
            code = compile_module(source, name=f"/rom/{name}.mpy")
        if folder:
            inner = tree.setdefault(folder, {})
            assert isinstance(inner, dict)
            inner[module + ".mpy"] = code
        else:
            tree[module + ".mpy"] = code
    cache.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=cache)
    with os.fdopen(descriptor, "wb") as file:
        file.write(romfs(tree))
    os.replace(unfinished, image)
    return image
