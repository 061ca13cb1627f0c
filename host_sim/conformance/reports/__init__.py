"""What a run found, for people and for programs. No report may change what was found, or hide any of it."""

from collections.abc import Callable
from pathlib import Path

from host_sim.conformance.case import KitError
from host_sim.conformance.reports import as_html, as_json, as_junit
from host_sim.conformance.running import Run

WRITERS: dict[str, Callable[[Run], str]] = {
    "junit": as_junit.text,
    "json": as_json.text,
    "html": as_html.text,
}


def check(path: str) -> None:
    """KitError, before an hour is spent, if there can be no file of that name."""
    place = Path(path)
    if place.is_dir() or not place.parent.is_dir():
        reason = "is a folder" if place.is_dir() else f"cannot be written: there is no folder {place.parent}"
        raise KitError(f"the report {path} {reason}")


def write(run: Run, kind: str, path: str) -> None:
    """One report, whole or (KitError) not."""
    try:
        # Half of a surrogate pair, which only a peer can have brought, has no UTF-8.
        Path(path).write_text(WRITERS[kind](run), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise KitError(f"the report {path} cannot be written: {error.strerror}") from error
