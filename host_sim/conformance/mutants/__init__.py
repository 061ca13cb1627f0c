"""Deliberately broken implementations, to prove that the kit notices: small edits of our code, not copies.

An edit names a function or constant and what becomes of it, and holds while a `with applied(…)` lasts. Edits
are of this process: nothing else may use the edited code meanwhile.
"""

import inspect
import logging
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from host_sim.conformance.case import KitError


class Edit:
    """In the source of `owner.name`, a function or method, each `old`, which is there once, becomes `new`."""

    def __init__(self, owner: Any, name: str, *changes: tuple[str, str]) -> None:
        self.owner, self.name, self._changes = owner, name, changes

    def value(self) -> Any:
        function = getattr(self.owner, self.name)
        return self._edited(textwrap.dedent(inspect.getsource(function)), function)

    def _edited(self, source: str, function: Any) -> Any:
        name = function.__name__
        for old, new in self._changes:
            if source.count(old) != 1:
                raise KitError(f"a mutant no longer fits the code: {name} has {old!r} not exactly once")
            source = source.replace(old, new)
        if inspect.iscoroutinefunction(function) and not source.startswith("async"):
            source = f"async {source}"
        scope: dict[str, Any] = {}
        exec(compile(source, f"<mutant of {name}>", "exec"), function.__globals__, scope)
        return scope[name]


class Held(Edit):
    """The same for a function that others hold already, as a framework does: it keeps its name and gets
    another inside.
    """

    def __init__(self, function: Any, *changes: tuple[str, str]) -> None:
        super().__init__(function, "__code__", *changes)

    def value(self) -> Any:
        source = textwrap.dedent(inspect.getsource(self.owner))
        # Without its decorators, which have done their work.
        return self._edited(source[source.index(f"def {self.owner.__name__}(") :], self.owner).__code__


class Swap:
    """`owner.name` is `value` instead."""

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self.owner, self.name, self._value = owner, name, value

    def value(self) -> Any:
        return self._value


class Faults(logging.Handler):
    """Takes what is logged while mutants run, much of it expected, off the screen. Keeps what a mutation,
    rather than the code that it spoils, stumbled over.
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            last = traceback.extract_tb(error.__traceback__)[-1]
            if Path(last.filename).parent == Path(__file__).parent:
                place = f"{Path(last.filename).name}:{last.lineno}"
                self._found = f"{type(error).__name__}: {error} ({place})"

    def taken(self) -> str | None:
        found, self._found = self._found, None
        return found


@contextmanager
def applied(edits: tuple[Edit | Swap, ...]) -> Iterator[None]:
    with ExitStack() as undo:
        for edit in edits:
            new = edit.value()
            if edit.name in vars(edit.owner):
                undo.callback(setattr, edit.owner, edit.name, vars(edit.owner)[edit.name])
            elif isinstance(edit, Held):
                undo.callback(setattr, edit.owner, edit.name, edit.owner.__code__)
            else:  # inherited
                undo.callback(delattr, edit.owner, edit.name)
            setattr(edit.owner, edit.name, new)
        yield
