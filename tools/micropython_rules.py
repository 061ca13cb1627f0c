"""What firmware/ may not use though it compiles and type-checks: `python tools/micropython_rules.py`.

Stock ESP32 firmware lacks these, and neither mpy-cross nor pyright sees it: code with them fails on the
device only, when its line is reached. The arrows of the layout are checked too: the protocol imports no
device, no clock, no socket.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"

# The protocol is sans-I/O: everything else is passed in.
PROTOCOL_MODULES = {"binascii", "hashlib", "json", "struct", "micropython", "hxtp"}
# What stock ESP32 firmware has, built in or frozen (no hmac, typing, enum, functools, dataclasses, logging
# …).
STOCK_MODULES = {
    *(
        "array",
        "asyncio",
        "binascii",
        "collections",
        "cryptolib",
        "deflate",
        "errno",
        "gc",
        "hashlib",
        "heapq",
        "io",
    ),
    *(
        "json",
        "math",
        "os",
        "platform",
        "random",
        "re",
        "select",
        "socket",
        "ssl",
        "struct",
        "sys",
        "time",
        "tls",
    ),
    *(
        "_thread",
        "bluetooth",
        "dht",
        "ds18x20",
        "esp",
        "esp32",
        "espnow",
        "machine",
        "micropython",
        "mip",
        "neopixel",
    ),
    *("network", "ntptime", "onewire", "requests", "umqtt", "vfs"),
}
OWN_MODULES = {"hxtp", "hxtp_device", "capabilities", "boot", "main"}

# Methods of str, bytes, int and hash objects that CPython has and MicroPython has not.
MISSING_METHODS = {
    *(
        "hexdigest",
        "zfill",
        "ljust",
        "rjust",
        "removeprefix",
        "removesuffix",
        "casefold",
        "swapcase",
        "expandtabs",
    ),
    *("isalnum", "isascii", "isdecimal", "isidentifier", "isnumeric", "isprintable", "istitle", "format_map"),
    *("maketrans", "bit_length", "bit_count"),
}
MISSING_ARGUMENTS = {"sort_keys": "json.dumps there has no sort_keys"}


def problems(source: str, protocol: bool) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) for one file's text; `protocol` says whether it is part of hxtp."""
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        for name in _imports(node):
            top = name.split(".")[0]
            if protocol and top not in PROTOCOL_MODULES:
                yield line, f"hxtp imports {name}; it may use {', '.join(sorted(PROTOCOL_MODULES))} only"
            elif top not in STOCK_MODULES | OWN_MODULES:
                yield line, f"stock ESP32 firmware has no module {name}"
        if isinstance(node, ast.Attribute) and node.attr in MISSING_METHODS:
            yield line, f"MicroPython has no .{node.attr}()"
        if isinstance(node, ast.keyword) and node.arg in MISSING_ARGUMENTS:
            yield node.value.lineno, MISSING_ARGUMENTS[node.arg]
        if isinstance(node, ast.Slice) and node.step is not None and ast.unparse(node.step) != "1":
            yield line, "MicroPython slices bytes and strings with a step of 1 only"


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module or ""]
    return []


def check(path: Path, firmware: Path = FIRMWARE) -> list[str]:
    """The problems of one file of `firmware` as `path:line: text`, in the order of the lines."""
    inside = path.relative_to(firmware)
    found = sorted(problems(path.read_text(), protocol=inside.parts[:2] == ("lib", "hxtp")))
    return [f"{firmware.name}/{inside}:{line}: {text}" for line, text in found]


def main() -> int:
    files = sorted(FIRMWARE.rglob("*.py"))
    found = [text for path in files for text in check(path)]
    print("\n".join(found) if found else f"MicroPython rules: {len(files)} files, nothing to object to")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
