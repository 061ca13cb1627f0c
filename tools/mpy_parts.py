"""Where the bytecode of a module goes: `python tools/mpy_parts.py firmware/lib/hxtp/session.py …`.

A part weighs what the module shrinks by without it, its names and texts included where nobody else uses
them; so the parts of a class add up to less than the class. Before them, what the bytes are: names, other
constants, instructions. Several modules are also weighed as one, to see what dividing them costs. Compiles
as for a board; writes nothing into firmware/.
"""

import ast
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.mpy_sizes import FIRMWARE, WITH_LINES, CompileError, compile_module, level

LEAST = 20  # bytes: lighter ones are not shown

# Constants of a .mpy, by their kind: text, bytes, int, float, complex have a size, two of them a zero behind.
_SIZED = (5, 6, 7, 8, 9)
_ENDED = (5, 6)
_TUPLE = 10


def parts(source: Path, option: str) -> list[tuple[str, int]]:
    """(name, bytes) of each function, class, method and constant, in their order. Raises CompileError."""
    text = source.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    whole = _size(text, option, source.name)
    found = []
    for name, node in _nodes(ast.parse(text).body):
        indent = " " * node.col_offset
        without = [*lines[: node.lineno - 1], f"{indent}pass\n", *lines[node.end_lineno :]]
        found.append((name, whole - _size("".join(without), option, source.name)))
    return found


def kinds(code: bytes) -> tuple[int, int, int]:
    """Bytes of names, of other constants, and of instructions with the little around them, in a .mpy."""
    at = 4  # behind the magic number, version, features and width of integers

    def number() -> int:
        nonlocal at
        value = 0
        while True:
            byte = code[at]
            at += 1
            value = value << 7 | byte & 127
            if byte < 128:
                return value

    def constant() -> None:
        nonlocal at
        kind = code[at]
        at += 1
        if kind == _TUPLE:
            for _ in range(number()):
                constant()
        elif kind in _SIZED:
            size = number()
            at += size + (kind in _ENDED)

    count, constants = number(), number()
    start = at
    for _ in range(count):
        size = number()
        if not size & 1:  # an odd one is a name that every firmware has, by its number
            at += (size >> 1) + 1
    names = at - start
    start = at
    for _ in range(constants):
        constant()
    return names, at - start, len(code) - names - (at - start)


def joined(sources: list[Path]) -> str:
    """The modules of a package as one, without their imports of each other: to be compiled, not to be run."""
    texts = []
    own = "|".join(source.stem for source in sources)
    for source in sources:
        text = source.read_text(encoding="utf-8")
        package = source.parent.name
        text = re.sub(rf"^from {package}\b[^\n(]*(\([^)]*\))?[^\n]*\n", "", text, flags=re.MULTILINE)
        texts.append(re.sub(rf"(?<![\w.\"])({own})\.(?=[A-Za-z_])", "", text))
    return "\n".join(texts)


def _nodes(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield owner + node.name, node
        elif isinstance(node, ast.Assign):
            yield owner + ", ".join(ast.unparse(target) for target in node.targets), node
        if isinstance(node, ast.ClassDef):
            yield from _nodes(node.body, node.name + ".")


def _size(text: str, option: str, name: str) -> int:
    return len(_compiled(text, option, name))


def _compiled(text: str, option: str, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "module.py"
        source.write_text(text, encoding="utf-8")
        return compile_module(source, option, name=name)


def _show(name: str, code: bytes) -> None:
    names, constants, instructions = kinds(code)
    print(f"{len(code):6,}  {name}: names {names:,}, constants {constants:,}, instructions {instructions:,}")


def main(argv: list[str]) -> int:
    if not argv:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        sources = [Path(argument).resolve() for argument in argv]
        for source in sources:
            inside = source.is_relative_to(FIRMWARE)
            option = level(source.relative_to(FIRMWARE).as_posix()) if inside else WITH_LINES
            _show(source.name, compile_module(source, option))
            for name, size in parts(source, option):
                if size >= LEAST:
                    print(f"{size:6,}    {name}")
        if len(sources) > 1:
            _show("all as one", _compiled(joined(sources), option, "all.py"))
    except (OSError, CompileError, SyntaxError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
