"""YAML as plain mappings, lists and text, for configurations that others wrote.

It must never construct anything that a tag asks for, nor follow a text that is made to fill the memory:
depth, size and what aliases multiply to are limited. Scalars stay text, whatever they look like.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from host_sim.ir.signals import FormatError

MOST_CHARACTERS = 1_000_000
MOST_NODES = 200_000
DEEPEST = 40

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Tagged(str):
    """A scalar with a tag of the configuration's own, such as !lambda or !secret; `tag` names it."""

    tag = "!"


class Hex(int):
    """A number that is written in hexadecimal, of `digits` digits at least."""

    digits = 1

    def __new__(cls, value: int, digits: int = 1) -> "Hex":
        made = super().__new__(cls, value)
        made.digits = digits
        return made


class Flow(list):
    """A list that is written on one line."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    Hex,
    lambda dumper, value: dumper.represent_scalar(
        "tag:yaml.org,2002:int", f"0x{int(value):0{value.digits}X}"
    ),
)
_Dumper.add_representer(
    Flow, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def text(data: Any) -> str:
    """YAML of plain data, Hex and Flow."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def tree(source: str) -> Any:
    """The value of a text: dict, list, str or None. A key that is there twice has the last value.

    Raises FormatError for what is no YAML, too big, or nested deeper than any configuration.
    """
    if len(source) > MOST_CHARACTERS:
        raise FormatError(f"{len(source):,} characters of YAML, and {MOST_CHARACTERS:,} are the most")
    depth = 0
    try:
        for event in yaml.parse(source, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEEPEST:
                    raise FormatError("YAML that is nested too deep")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        node = yaml.compose(source, Loader=_Loader)
        return _plain(node, [MOST_NODES], 0)
    except yaml.YAMLError as error:
        raise FormatError("no YAML: " + " ".join(str(error).split())[:200]) from None


def _plain(node: Any, budget: list[int], depth: int) -> Any:
    budget[0] -= 1
    if budget[0] < 0 or depth > DEEPEST:
        raise FormatError("YAML whose aliases make too much of it")
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            plain = _plain(value, budget, depth + 1)
            if (
                isinstance(key, yaml.ScalarNode)
                and key.tag == "tag:yaml.org,2002:merge"
                and isinstance(plain, dict)
            ):
                for name in plain:
                    found.setdefault(name, plain[name])
            elif isinstance(key, yaml.ScalarNode):
                found[key.value] = plain
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, budget, depth + 1) for item in node.value]
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return None
    if not node.tag.startswith("tag:yaml.org,"):
        made = Tagged(node.value)
        made.tag = node.tag
        return made
    return node.value


def pairs(
    data: Any, above: tuple[dict[str, Any], ...] = ()
) -> Iterator[tuple[tuple[dict[str, Any], ...], str, Any]]:
    """(the mappings around it, key, value) of every member of every mapping, in order."""
    if isinstance(data, dict):
        inner = (*above, data)
        for key, value in data.items():
            yield inner, key, value
            yield from pairs(value, inner)
    elif isinstance(data, list):
        for item in data:
            yield from pairs(item, above)
