"""What a changelog in the form of Keep a Changelog says, as data: versions with their sections and entries.

Must never read more than a page's worth of a file, nor fail because there is none.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
MOST_BYTES = 256 * 1024
MOST_VERSIONS = 50
MOST_ENTRIES = 200  # of a section

_VERSION = re.compile(r"## \[?(?P<name>[^\]\s]+)\]?(?:\s+-\s+(?P<date>\d{4}-\d{2}-\d{2}))?")


@dataclass(slots=True)
class Version:
    """`date` is None for what is not released. `sections`: "Added", "Fixed" …, each a list of entries."""

    name: str
    date: str | None
    sections: dict[str, list[str]] = field(default_factory=dict)


def read(path: Path = FILE) -> list[Version]:
    """The newest versions, the newest first; none where the file is not there or cannot be read."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    return parse(text)


def parse(text: str) -> list[Version]:
    """See `read`."""
    versions: list[Version] = []
    entries: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("## "):
            found = _VERSION.match(line)
            entries = None
            if len(versions) == MOST_VERSIONS:
                break
            if found is not None:
                versions.append(Version(found["name"], found["date"]))
        elif line.startswith("### ") and versions:
            entries = versions[-1].sections.setdefault(line[4:].strip()[:64], [])
        elif entries is None:
            continue
        elif line.startswith(("- ", "* ")):
            if len(entries) == MOST_ENTRIES:
                entries = None
            else:
                entries.append(line[2:].strip())
        elif line.startswith("  ") and entries:
            entries[-1] = f"{entries[-1]} {line.strip()}"
    return versions
