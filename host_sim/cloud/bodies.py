"""What the body of a request may be: the members that are described, and no others.

A member that nobody reads is most often a misspelt one, and a `dryrun` that is passed over moves hardware.
What real clients send besides is a member or a second spelling in the form itself (docs/cloud-clients.md).

Must never hold a value of a body in what it says: that may be a secret.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo

MAX_SHOWN = 40  # characters of a name that is not known


class Body(BaseModel):
    """A form whose members are all that there may be. Of two spellings of a member the first one counts."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        taken, read = dict(given), set()
        for name, field in cls.model_fields.items():
            spellings = list(_spellings(name, field))
            found = [one for one in spellings if one in taken]
            read.update(spellings)
            for one in found[1:]:
                del taken[one]
        for name in taken:
            if name not in read:
                raise ValueError(unknown("member", name, read))
        return taken


def _spellings(name: str, field: FieldInfo) -> Iterator[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        yield from (one for one in alias.choices if isinstance(one, str))
    else:
        yield alias if isinstance(alias, str) else name


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """That there is no such member or parameter, and which one may have been meant."""
    shown, there = ascii(str(name)[:MAX_SHOWN]), sorted(known)
    near = get_close_matches(str(name)[:MAX_SHOWN].lower(), there, 1, 0.5)
    if near:
        return f"there is no {kind} {shown} here: did you mean {near[0]}?"
    return f"there is no {kind} {shown} here; there " + (f"are {', '.join(there)}" if there else "is none")
