"""How a story ends that does not come true."""

from collections.abc import Sequence


class DemoError(Exception):
    """What went wrong, in one sentence; `hints`: more lines, with where to look."""

    def __init__(self, what: str, hints: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.hints = list(hints)
