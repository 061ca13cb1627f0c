"""A measured figure, the table of all of them, and `bench.json`."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """A median over `runs` runs. `floor`: what nothing of the kind can beat, in the same unit; `peer`: what
    others have. `note`: what a reader of the table should know besides.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    peer: float | None = None
    runs: int = 1
    note: str = ""


class Missing(Exception):
    """A row cannot be measured here; the text says what is not there."""


COLUMNS = ("name", "value", "unit", "floor", "of floor", "peer", "of peer", "runs")


def _figure(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:,.3g}"


def _share(value: float, other: float | None) -> str:
    return f"{value / other:.2f}" if other else ""


def table(rows: list[Row]) -> str:
    """The rows for a person to read, notes underneath."""
    lines = [COLUMNS] + [
        (
            row.name,
            _figure(row.value),
            row.unit,
            _figure(row.floor),
            _share(row.value, row.floor),
            _figure(row.peer),
            _share(row.value, row.peer),
            str(row.runs),
        )
        for row in rows
    ]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
    text = []
    for line in lines:
        cells = [
            cell.ljust(width) if at in (0, 2) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
    notes = [f"{row.name}: {row.note}" for row in rows if row.note]
    return "\n".join([*text, "", *notes] if notes else text)


def write(rows: list[Row], target: Path) -> None:
    """A list of {"name", "value", "unit", "floor", "peer", "runs"}, as one file, whole or not at all."""
    found = [
        {
            "name": row.name,
            "value": round(row.value, 3),
            "unit": row.unit,
            "floor": row.floor and round(row.floor, 3),
            "peer": row.peer and round(row.peer, 3),
            "runs": row.runs,
        }
        for row in rows
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    draft.write_text(json.dumps(found, indent=1) + "\n")
    draft.replace(target)
