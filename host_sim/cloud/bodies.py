"""What the body of a request may be: the members that are described, and no others.

A member that nobody reads is most often a misspelt one, and a `dryrun` that is passed over moves hardware.
What real clients send besides is a member or a second spelling in the form itself (docs/cloud-clients.md).

Must never hold a value of a body in what it says: that may be a secret.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from host_sim.cloud.storage.database import has_nul
from host_sim.portable import check_portable
from hxtp import frame
from hxtp.jsontext import dumps

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


def json_text(value: Mapping[str, Any]) -> str:
    """The JSON of what is to be kept or sent. Raises ValueError, with what is wrong with it.

    What has none (half a surrogate pair, NaN, a number that no device reads) would break every list that has
    it, on one database or the other.
    """
    try:
        check_portable(value)
        return dumps(value)
    except UnicodeError:
        raise ValueError("half of a surrogate pair is no character") from None
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _sendable(params: dict[str, Any]) -> dict[str, Any]:
    text = json_text(params)
    if has_nul(text):
        raise ValueError("U+0000 cannot be sent")
    if len(text) > frame.MAX_BODY:
        raise ValueError(f"{len(text)} bytes, {frame.MAX_BODY} are possible")
    return params


# Of a command that is kept: what no device could be sent is refused when it is written down.
Params = Annotated[dict[str, Any], AfterValidator(_sendable)]


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
