"""Where the bytecode of a module goes: `python tools/mpy_parts.py firmware/lib/hxtp/session.py …`.

A part weighs what the module shrinks by without it, its names and texts included where nobody else uses
them; so the parts of a class add up to less than the class. Compiles as for a board; writes nothing into
firmware/.
"""

import ast
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.mpy_sizes import FIRMWARE, WITH_LINES, CompileError, compile_module, level

LEAST = 20  # bytes: lighter ones are not shown


def parts(source: Path, option: str) -> list[tuple[str, int]]:
    """(name, bytes) of each function, class, method and constant, in the order of the module, which comes
    first. Raises CompileError.
    """
    text = source.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    whole = _size(text, option, source.name)
    found = [(source.name, whole)]
    for name, node in _nodes(ast.parse(text).body):
        indent = " " * node.col_offset
        without = [*lines[: node.lineno - 1], f"{indent}pass\n", *lines[node.end_lineno :]]
        found.append((name, whole - _size("".join(without), option, source.name)))
    return found


def _nodes(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield owner + node.name, node
        elif isinstance(node, ast.Assign):
            yield owner + ", ".join(ast.unparse(target) for target in node.targets), node
        if isinstance(node, ast.ClassDef):
            yield from _nodes(node.body, node.name + ".")


def _size(text: str, option: str, name: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "module.py"
        source.write_text(text, encoding="utf-8")
        return len(compile_module(source, option, name=name))


def main(argv: list[str]) -> int:
    if not argv:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        for argument in argv:
            source = Path(argument).resolve()
            inside = source.is_relative_to(FIRMWARE)
            option = level(source.relative_to(FIRMWARE).as_posix()) if inside else WITH_LINES
            for name, size in parts(source, option):
                if size >= LEAST:
                    print(f"{size:6,}  {name}")
    except (OSError, CompileError, SyntaxError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
