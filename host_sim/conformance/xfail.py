"""The list of known deviations: cases that are expected to fail, with reasons. None is hidden in a report."""

import difflib
from collections.abc import Iterable

from host_sim.conformance import lists
from host_sim.conformance.case import Case, KitError


def known(path: str | None, cases: Iterable[Case]) -> dict[str, str]:
    """Ids to reasons. An id that there is no case for, or one without a reason, is a KitError."""
    if path is None:
        return {}
    found = lists.read(path, "the xfail list")
    ids = {case.id for case in cases}
    for id, reason in found.items():
        if id not in ids:
            near = difflib.get_close_matches(id, ids, 1)
            hint = f"did you mean {near[0]}?" if near else "--list names all cases"
            raise KitError(f"{path}: there is no case {id!r}; {hint}")
        if not reason:
            raise KitError(f"{path}: {id} has no reason; write it behind a #, such as: {id}  # fixed in 2.1")
    return found
