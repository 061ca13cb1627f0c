"""Draws text from standard input as a picture of a terminal, an SVG.

docs/demo.svg: `python -m host_sim demo --no-colour | python tools/terminal_picture.py docs/demo.svg 3. 9.`,
which is what stands from the line that begins with `3.` to the one that begins with `9.`
"""

import sys
from html import escape
from pathlib import Path

CHAR, LINE, MARGIN = 7.8, 17, 16  # px at 13 px type
COLOURS = {"✓": "#7ec699", "✗": "#f08d8d"}
PLAIN, DIM, HEAD = "#d6deeb", "#8aa0b8", "#ffffff"


def colour_of(line: str) -> str:
    """Headings white, results by their mark, explanations plain, drawings dim."""
    text = line.strip()
    if line[:1].strip():
        return HEAD
    return COLOURS.get(text[:1], DIM if line.startswith("        ") else PLAIN)


def picture(lines: list[str]) -> str:
    """The SVG of the lines, as wide as the longest."""
    width = round(max(map(len, lines), default=1) * CHAR + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN
    rows = [
        f'<text x="{MARGIN}" y="{MARGIN + (n + 1) * LINE - 4}" fill="{colour_of(line)}">{escape(line)}</text>'
        for n, line in enumerate(lines)
        if line.strip()
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="13"',
            ' font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" xml:space="preserve">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#10202e"/>',
            *rows,
            "</svg>",
            "",
        ]
    )


def main(argv: list[str]) -> int:
    if len(argv) not in (1, 3):
        print("usage: terminal_picture.py FILE.svg [FIRST-LINE-BEGINS END-LINE-BEGINS]", file=sys.stderr)
        return 2
    lines = sys.stdin.read().splitlines()
    if len(argv) == 3:
        first, end = (
            next((n for n, line in enumerate(lines) if line.startswith(word)), -1) for word in argv[1:]
        )
        if not 0 <= first < end:
            print(f"no line begins with {argv[1]!r}, or none after it with {argv[2]!r}", file=sys.stderr)
            return 1
        lines = lines[first:end]
    while lines and not lines[-1].strip():
        lines.pop()
    Path(argv[0]).write_text(picture(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
