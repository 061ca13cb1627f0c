"""Times as the API writes them."""

from datetime import UTC, datetime


def iso(ms: int | None) -> str | None:
    """ms since 1970 as 2026-01-01T00:00:00.000Z; None stays None."""
    if ms is None:
        return None
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
