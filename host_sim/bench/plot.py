"""Draws what was measured beside what it should be: `python -m host_sim.bench.plot [bench.json] > FILE.svg`.

One bar a row, as a share of its aim; whatever reaches the line does what it should. It must never show a
figure that is not in the file.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from host_sim.bench.__main__ import BENCH_JSON

WIDTH, LINE, LEFT, RIGHT, TOP = 960, 26, 300, 250, 46  # LEFT: the names; RIGHT: the figures
FULL = 2.0  # of the aim; longer bars end here
INK, MET, MISSED = "#333333", "#2a9d8f", "#e9a23b"


@dataclass(frozen=True, slots=True)
class Aim:
    """`most`: less is better. `of_floor`: a share of the row's own floor, and not a value in its unit."""

    value: float
    most: bool = False
    of_floor: bool = False


AIMS = {
    "verify_hxtp": Aim(0.3, of_floor=True),
    "verify_stdlib": Aim(0.7, of_floor=True),
    "verify_fast": Aim(0.6, of_floor=True),
    "broker_tcp": Aim(100_000),
    "fleet_bytes_per_device": Aim(4000, most=True),
    "hmac_micropython_us": Aim(15, most=True),
    "hmac_micropython_bytes": Aim(384, most=True),
    "mpy_bytes_protocol": Aim(12_000, most=True),
    "mpy_bytes_device": Aim(40_000, most=True),
    "firmware_min_heap": Aim(128 * 1024, most=True),
    "fuzz_step_us": Aim(2, most=True, of_floor=True),
    "rest_to_ack": Aim(500),
    "rest_to_ack_batch": Aim(2000),
    "rest_to_ack_room": Aim(2000),
    "rest_to_ack_postgresql": Aim(800),
    "rest_to_ack_batch_postgresql": Aim(2000),
    "rest_to_ack_room_postgresql": Aim(2000),
    "first_command": Aim(60, most=True),
    "ingest": Aim(1 / 3, of_floor=True),
    "ingest_exchange": Aim(1 / 3, of_floor=True),
}


def reached(row: dict[str, Any]) -> float:
    """How much of its aim a row of bench.json has; 1 is enough. Raises KeyError for a row that has no aim."""
    aim = AIMS[row["name"]]
    value = row["value"] / row["floor"] if aim.of_floor else row["value"]
    return aim.value / value if aim.most else value / aim.value


def _figures(row: dict[str, Any]) -> str:
    aim = AIMS[row["name"]]
    if aim.of_floor:
        return (
            f"{row['value'] / row['floor']:.2f} of the floor (aim {'≤' if aim.most else '≥'} {aim.value:.2g})"
        )
    return f"{row['value']:,.0f} {row['unit']} (aim {'≤' if aim.most else '≥'} {aim.value:,.0f})"


def svg(rows: Sequence[dict[str, Any]]) -> str:
    """The rows that have an aim, in their order, as a picture for a page."""
    rows = [row for row in rows if row["name"] in AIMS]
    room = WIDTH - LEFT - RIGHT
    height = TOP + LINE * len(rows) + 12
    at_aim = LEFT + room / FULL
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="ui-sans-serif, Helvetica, Arial, sans-serif" font-size="13">',
        "<title>What was measured, as a share of its aim</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{at_aim:.0f}" y="22" text-anchor="middle" fill="{INK}">the aim</text>',
        f'<text x="{LEFT}" y="22" fill="#888888">0</text>',
        f'<text x="{WIDTH - RIGHT}" y="22" text-anchor="end" fill="#888888">twice as good and more</text>',
    ]
    for number, row in enumerate(rows):
        y = TOP + LINE * number
        share = reached(row)
        colour = MET if share >= 1 else MISSED
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 13}" text-anchor="end" fill="{INK}">{escape(row["name"])}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{min(share, FULL) / FULL * room:.1f}" height="{LINE - 8}" '
            f'fill="{colour}"/>',
            f'<text x="{WIDTH - RIGHT + 10}" y="{y + 13}" fill="{INK}">{escape(_figures(row))}</text>',
        ]
    parts += [
        f'<line x1="{at_aim:.0f}" x2="{at_aim:.0f}" y1="{TOP - 16}" y2="{height - 8}" stroke="{INK}"/>',
        "</svg>\n",
    ]
    return "\n".join(parts)


def main(argv: list[str]) -> int:
    source = Path(argv[0]) if argv else BENCH_JSON
    try:
        rows = json.loads(source.read_text())
    except (OSError, ValueError) as error:
        print(f"no figures: {error}; make them with `make bench`", file=sys.stderr)
        return 2
    sys.stdout.write(svg(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
