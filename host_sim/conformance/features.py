"""What an implementation declares that it has (its PICS), and so which cases are for it. Judges nothing."""

import re
from collections.abc import Iterable

from host_sim.conformance import lists
from host_sim.conformance.case import Case, KitError


def declared(listed: str | None, path: str | None, cases: Iterable[Case]) -> frozenset[str] | None:
    """The features of `--features a,b` and of the file of `--pics FILE`; None where neither is given.

    A name that no case asks for is a KitError: it is a slip, and would skip cases without a word.
    """
    if listed is None and path is None:
        return None
    names = {name for name in re.split(r"[,\s]+", listed or "") if name}
    if path is not None:
        names |= lists.read(path, "the list of features").keys()
    known = {name for case in cases for name in case.needs}
    unknown = sorted(names - known)
    if unknown:
        raise KitError(
            f"no case asks for the feature {unknown[0]!r}; "
            f"there are: {', '.join(sorted(known)) or 'none for this kind of target'}"
        )
    return frozenset(names)
