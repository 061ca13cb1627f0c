"""Writes the account to a terminal or a file: at most 100 columns, colour only where wanted and possible.

It must never write a character that the output cannot take: there are plain ones for all that we draw with.
"""

import os
import sys
import textwrap
import time
from collections.abc import Iterable
from typing import TextIO

WIDTH = 100
INDENT = "    "

_STYLES = {"bold": "1", "dim": "2", "good": "32", "bad": "31"}
_PLAIN = str.maketrans(dict(zip("▁▔▂▃▄▅▆▇█▒│─→·…✓✗×°–µ", "_~.:-=+*#%|->.~+!xo-u", strict=True)))


class Screen:
    """`colour` None: if the output is a terminal and the environment does not say otherwise."""

    def __init__(self, out: TextIO | None = None, colour: bool | None = None) -> None:
        self._out = out or sys.stdout
        if colour is None:
            colour = (
                self._out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
            )
        self._colour = colour
        self._begun = time.monotonic()
        self._step = 0
        try:
            "▁▔→µ✓".encode(self._out.encoding or "ascii")
            self._plain = False
        except (UnicodeEncodeError, LookupError):
            self._plain = True

    def seconds(self) -> float:
        """Since this screen began."""
        return time.monotonic() - self._begun

    def title(self, text: str) -> None:
        self._write(self._style("bold", text))

    def step(self, title: str, sentence: str) -> None:
        """Begin a step: what happens next, in one plain sentence."""
        self._step += 1
        heading = f"{self._step}. {title}"
        self._write("")
        at = f"{self.seconds():.1f} s".rjust(WIDTH - len(heading))
        self._write(self._style("bold", heading) + self._style("dim", at))
        self.text(sentence)

    def text(self, text: str) -> None:
        for line in _wrap(text, WIDTH - len(INDENT)):
            self._write(INDENT + line)

    def fact(self, text: str) -> None:
        """Something that was checked and holds."""
        self._marked("good", "✓", text)

    def trouble(self, text: str) -> None:
        self._marked("bad", "✗", text)

    def note(self, text: str) -> None:
        for line in _wrap(text, WIDTH - len(INDENT)):
            self._write(INDENT + self._style("dim", line))

    def commands(self, lines: Iterable[str]) -> None:
        """Lines to be copied: however long, they are never broken."""
        for line in lines:
            self._write(INDENT * 2 + line)

    def drawing(self, lines: str | Iterable[str]) -> None:
        """Lines as they are, at most 92 columns wide."""
        for line in lines.splitlines() if isinstance(lines, str) else lines:
            self._write(INDENT * 2 + line[: WIDTH - 2 * len(INDENT)].rstrip())

    def quote(self, lines: Iterable[str]) -> None:
        """Lines of any length; nothing of them is lost."""
        room = WIDTH - 2 * len(INDENT)
        for line in lines:
            for start in range(0, max(1, len(line)), room):
                self._write(INDENT * 2 + line[start : start + room])

    def _marked(self, style: str, mark: str, text: str) -> None:
        first, *others = _wrap(text, WIDTH - len(INDENT) - 2) or [""]
        self._write(f"{INDENT}{self._style(style, mark)} {first}")
        for line in others:
            self._write(f"{INDENT}  {line}")

    def _style(self, name: str, text: str) -> str:
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if self._colour else text

    def _write(self, line: str) -> None:
        if self._plain:
            encoding = self._out.encoding or "ascii"
            line = line.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
        print(line, file=self._out, flush=True)


def _wrap(text: str, width: int) -> list[str]:
    # A path that is broken in two can neither be read nor copied.
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
