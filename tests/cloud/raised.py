"""Which errors a function of the cloud may answer, read from the sources without running them.

What a function names (calls, hands on, depends on) it may run, and what that raises comes out of it, unless
it catches ApiError and raises nothing instead. A name that could mean several things means all of them.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from host_sim import ROOT

PACKAGE = "host_sim.cloud"
# What routes do not call, or what makes no errors of the API: its methods are never meant.
BESIDE = tuple(f"{PACKAGE}.{name}" for name in ("app", "exchange", "front", "live", "server"))
PLAIN = {"add", "begin", "read"}  # of sets, files and others as well
OF_CALLER = "tenant_id"  # a property of Caller, and a member of much else
MAKERS = {"conflict": 409, "bad_request": 400, "not_found": 404}  # of errors.py
FIXED = {  # which have a code of their own; the last is for what passes through the framework
    "bad_request": "BAD_REQUEST",
    "not_found": "NOT_FOUND",
    "HTTPException": "PAYLOAD_TOO_LARGE",
}
CATCHES = {"ApiError", "Exception", "BaseException"}


@dataclass(frozen=True)
class Site:
    """Where an error is made. `code` is None where it is computed. `message`: a pattern, or None likewise."""

    where: str
    status: int | None
    code: str | None
    message: str | None
    hint: str | None
    headers: frozenset[str]


@dataclass
class Node:
    """A function, a method or a name of a module."""

    sites: list[Site] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # of other nodes
    methods: set[str] = field(default_factory=set)  # of whatever class


class Sources:
    """All of the cloud's modules."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._methods: dict[str, list[str]] = {}
        trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in _modules()}
        for module, tree in trees.items():
            scope = _scope(module, tree)
            for one in tree.body:
                if isinstance(one, ast.ClassDef):
                    for part in one.body:
                        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                            name = f"{module}.{one.name}.{part.name}"
                            self.nodes[name] = _node(name, part, scope, f"{module}.{one.name}")
                            if not module.startswith(BESIDE):
                                self._methods.setdefault(part.name, []).append(name)
                elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                    self.nodes[f"{module}.{one.name}"] = _node(f"{module}.{one.name}", one, scope)
                elif isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None:
                    targets = one.targets if isinstance(one, ast.Assign) else [one.target]
                    for target in targets:
                        if isinstance(target, ast.Name):
                            name = f"{module}.{target.id}"
                            self.nodes[name] = _node(name, one.value, scope)

    def sites(self) -> Iterator[Site]:
        """All of them."""
        for node in self.nodes.values():
            yield from node.sites

    def raised(self, name: str) -> frozenset[Site]:
        """All that may come out of a node."""
        found: set[Site] = set()
        seen, left = set(), [name]
        while left:
            one = left.pop()
            if one in seen or one not in self.nodes:
                continue
            seen.add(one)
            node = self.nodes[one]
            found.update(node.sites)
            for wanted in node.names:
                left += [wanted, f"{wanted}.__init__"]
            for method in node.methods:
                left += self._methods.get(method, ())
        return frozenset(found)


def _modules() -> Iterator[tuple[str, Path]]:
    folder = ROOT / "host_sim" / "cloud"
    for path in folder.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


class Scope(dict[str, str]):
    """What the names of a module stand for, by their full names. `texts`: those that are texts."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}


def _scope(module: str, tree: ast.Module) -> Scope:
    scope = Scope()
    for one in ast.walk(tree):
        if isinstance(one, ast.ImportFrom | ast.Import):
            within = f"{one.module}." if isinstance(one, ast.ImportFrom) else ""
            for alias in one.names:
                scope[alias.asname or alias.name] = f"{within}{alias.name}"
    for one in tree.body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            scope[one.name] = f"{module}.{one.name}"
        elif isinstance(one, ast.Assign):
            for name in one.targets:
                if isinstance(name, ast.Name):
                    scope[name.id] = f"{module}.{name.id}"
                    if isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
                        scope.texts[name.id] = one.value.value
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            scope[one.target.id] = f"{module}.{one.target.id}"
    return scope


def _node(name: str, tree: ast.AST, scope: "Scope", of_class: str = "") -> Node:
    node = Node()
    for one in _comes_out(tree):
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name):
            maker = one.func.id
            if maker in ("ApiError", "Refused", "HTTPException") or maker in MAKERS:
                node.sites += _sites(name, maker, one, tree, scope)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load) and one.id in scope:
            if not scope[one.id].startswith(f"{PACKAGE}.errors."):
                node.names.add(scope[one.id])
        elif isinstance(one, ast.Attribute):
            base = one.value.id if isinstance(one.value, ast.Name) else None
            if one.attr == OF_CALLER and base != "caller":
                continue
            if base == "self" and of_class:
                node.names.add(f"{of_class}.{one.attr}")
            elif base in scope:
                node.names.add(f"{scope[base]}.{one.attr}")
            elif one.attr not in PLAIN and not one.attr.startswith("__"):
                node.methods.add(one.attr)
    return node


def _comes_out(tree: ast.AST) -> Iterator[ast.AST]:
    """All below, but what is raised only to be caught."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Try) and any(map(_swallows, child.handlers)):
            for part in (*child.handlers, *child.orelse, *child.finalbody):
                yield from _comes_out(part)
        elif isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef) and child in tree.decorator_list:
            continue
        else:
            yield from _comes_out(child)


def _swallows(handler: ast.ExceptHandler) -> bool:
    named = (
        {one.id for one in ast.walk(handler.type) if isinstance(one, ast.Name)} if handler.type else CATCHES
    )
    raises = any(isinstance(one, ast.Raise) for part in handler.body for one in ast.walk(part))
    return bool(named & CATCHES) and not raises


def _sites(where: str, maker: str, call: ast.Call, tree: ast.AST, scope: "Scope") -> Iterator[Site]:
    given = list(call.args)
    status: int | None = MAKERS.get(maker, 409)
    if maker in ("ApiError", "HTTPException"):
        first = given.pop(0)
        status = first.value if isinstance(first, ast.Constant) else None
    codes: list[str | None] = [FIXED[maker]] if maker in FIXED else _values(given.pop(0), tree, scope)
    hint = next(
        (one.value for one in call.keywords if one.arg == "hint"), given[1] if len(given) > 1 else None
    )
    named = frozenset(
        key.value
        for one in [*call.args, *(keyword.value for keyword in call.keywords)]
        if isinstance(one, ast.Dict)
        for key in one.keys
        if isinstance(key, ast.Constant)
    )
    message = _pattern(given[0]) if given and maker != "not_found" else None
    for code in codes:
        yield Site(
            where.removeprefix(f"{PACKAGE}."),
            status,
            code,
            message,
            _pattern(hint) if hint is not None else None,
            named,
        )


def _values(text: ast.AST, tree: ast.AST, scope: "Scope") -> list[str | None]:
    """What a text may be, with None for what is computed."""
    if isinstance(text, ast.Constant):
        return [text.value]
    if isinstance(text, ast.IfExp):
        return _values(text.body, tree, scope) + _values(text.orelse, tree, scope)
    if isinstance(text, ast.Name):
        if text.id in scope.texts:
            return [scope.texts[text.id]]
        for one in ast.walk(tree):
            if isinstance(one, ast.Assign) and [ast.unparse(target) for target in one.targets] == [text.id]:
                return _values(one.value, tree, scope)
    return [None]


def _pattern(text: ast.AST) -> str | None:
    """What a text looks like whose parts are known, as a regular expression."""
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        return re.escape(text.value)
    if isinstance(text, ast.JoinedStr):
        return "".join(
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in text.values
        )
    return None
