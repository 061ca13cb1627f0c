"""Any manifest and any parameters through the whole pipeline: API, gate, exchange, broker, device and back.

What fits arrives as it was sent, what does not fit never leaves, and nothing makes the cloud fail.
"""

import contextlib
import itertools
import json
import queue
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cloud.waiting import WAIT

NAMES = ["level", "text", "on", "steps", "Größe", "a b"]
EXTRA = "undeclared"
LARGE = 2**53 - 1
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
QUOTED = ['"a"', '"\\n"', "null", "5"]  # what is a string stays one
TEXT = st.text(CHARACTERS, max_size=12)
QUARTERS = st.integers(-4000, 4000).map(lambda number: number / 4)  # which a board writes exactly
INTEGERS = st.one_of(st.integers(-50, 50), st.integers(-LARGE, LARGE))
SAFETY = ["normal", "normal", "normal", "sensitive", "restricted"]
_numbers = itertools.count(1)


class Part:
    """It has `actions` and answers each with the parameters that it got."""

    KIND = "any"
    name = "any"

    def __init__(self, actions: dict) -> None:
        self.actions = actions

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__.get("actions", ()):
            raise AttributeError(name)
        return lambda params: {"got": params}

    def state(self) -> dict:
        return {"any": True}


@st.composite
def rules(draw, kinds=("integer", "number", "string", "boolean", "array")):
    """A declaration of one parameter."""
    kind = draw(st.sampled_from(kinds))
    rule: dict[str, Any] = {"type": kind}
    if kind in ("integer", "number"):
        ends = sorted(draw(st.tuples(*[INTEGERS if kind == "integer" else QUARTERS] * 2)))
        rule |= {name: end for name, end in zip(("minimum", "maximum"), ends, strict=True)}
    elif kind == "string" and draw(st.booleans()):
        rule["enum"] = draw(st.lists(TEXT, min_size=1, max_size=3, unique=True))
    elif kind == "string":
        rule |= {"minLength": draw(st.integers(0, 4)), "maxLength": draw(st.integers(4, 10))}
    elif kind == "array":
        rule["items"] = draw(rules(("integer",)))
        rule |= {"minItems": draw(st.integers(0, 2)), "maxItems": draw(st.integers(2, 5))}
    return rule


@st.composite
def declared(draw):
    """The actions of a part: what a manifest is made of."""
    actions = {}
    for number in range(1, draw(st.integers(1, 3)) + 1):
        properties = draw(st.dictionaries(st.sampled_from(NAMES), rules(), max_size=4))
        for rule in properties.values():
            if draw(st.booleans()):
                rule["required"] = True
        actions[f"do_{number}"] = (
            number,
            f"Of manifest {next(_numbers)}",
            properties,
            draw(st.sampled_from(SAFETY)),
        )
    return actions


def fitting(rule):
    """Values that the declaration allows."""
    kind = rule["type"]
    if "enum" in rule:
        return st.sampled_from(rule["enum"])
    if kind == "integer":
        return st.integers(rule["minimum"], rule["maximum"])
    if kind == "number":
        ends = (int(rule[end] * 4) for end in ("minimum", "maximum"))
        return st.integers(*ends).map(lambda number: number / 4)
    if kind == "string":
        low, high = rule["minLength"], rule["maxLength"]
        quoted = st.sampled_from(QUOTED).filter(lambda text: low <= len(text) <= high)
        return st.one_of(st.text(CHARACTERS, min_size=low, max_size=high), quoted)
    if kind == "boolean":
        return st.booleans()
    return st.lists(fitting(rule["items"]), min_size=rule["minItems"], max_size=rule["maxItems"])


def unfitting(rule):
    """Values that it does not allow, in whatever way they are read."""
    kind = rule["type"]
    wrong: list[Any] = [None, {}, {"deep": [None]}]
    if kind in ("integer", "number"):
        wrong += ["much", "", "[1]", [], True, rule["maximum"] + 1 + abs(rule["maximum"])]
        wrong += [0.5] if kind == "integer" else []
    elif kind == "string":
        wrong += [7, True, ["a"], "x" * 40]
    elif kind == "boolean":
        wrong += [0, 1, "maybe", [True]]
    else:
        wrong += [7, True, ["much"], [0.5], [[]], [None] * 3]
    return st.sampled_from(wrong)


@st.composite
def commands(draw, actions):
    """(action, params, whether they fit); None: nobody knows."""
    action = draw(st.sampled_from(sorted(actions)))
    properties = actions[action][2]
    how = draw(st.sampled_from(["fits", "fits", "wrong", "extra", "missing", "any"]))
    if how == "any":
        anything = st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
            lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
            max_leaves=5,
        )
        names = st.one_of(st.sampled_from([*NAMES, "action", "target", "dry_run", "protocol"]), TEXT)
        name = draw(st.one_of(st.just(action), st.text(min_size=1, max_size=8)))
        return name, draw(st.dictionaries(names, anything, max_size=4)), None
    params = {
        name: draw(fitting(rule))
        for name, rule in properties.items()
        if rule.get("required") or draw(st.booleans())
    }
    required = [name for name, rule in properties.items() if rule.get("required")]
    if how == "extra":
        return action, {**params, EXTRA: 1}, False
    if how == "wrong" and properties:
        name = draw(st.sampled_from(sorted(properties)))
        return action, {**params, name: draw(unfitting(properties[name]))}, False
    if how == "missing" and required:
        del params[draw(st.sampled_from(required))]
        return action, params, False
    return action, params, True


class Bench:
    """Devices with any parts, and what the cloud commits about their commands."""

    def __init__(self, cloud, api, device) -> None:
        self._api = api()
        self._device = device
        self._notices: queue.SimpleQueue = queue.SimpleQueue()
        self.stop = cloud.services.exchange.listen(self._notices.put)

    @contextlib.contextmanager
    def holding(self, actions: dict):
        """A new device: one that boots has no clock, and may ask for the time once in 5 s only."""
        self.thing = self._device(parts=lambda: [Part(actions)])
        self.accepted: set[str] = set()
        try:
            yield
            self._check_nothing_else_left()
        finally:
            self.thing.mqtt.stop()

    def send(self, action: str, params: dict) -> tuple[int, dict]:
        """HTTP's status, and how the command ended, or the error."""
        path = f"/device/{self.thing.id}/command"
        body = json.dumps({"action": action, "params": params})  # Infinity and NaN too, as others write them
        answer = self._api.post(path, content=body, headers={"Content-Type": "application/json"})
        if answer.status_code != 202:
            return answer.status_code, answer.json()
        id = answer.json()["command_id"]
        self.accepted.add(id)
        while True:
            notice = self._notices.get(timeout=WAIT)
            if notice.kind == "command" and notice.body["id"] == id:
                return 202, notice.body

    def _check_nothing_else_left(self) -> None:
        """Whatever was not accepted is neither in the history nor with the device."""
        shown = self._api.get(f"/devices/{self.thing.id}/commands", params={"limit": 500}).json()["commands"]
        assert {command["id"] for command in shown} <= self.accepted
        assert {run.message_id for run in self.thing.sim.runs} <= self.accepted


@pytest.fixture(scope="module")
def bench(cloud, api, device):
    made = Bench(cloud, api, device)
    yield made
    made.stop()


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_what_fits_arrives_and_what_does_not_never_leaves(bench, data):
    actions = data.draw(declared(), "actions")
    with bench.holding(actions):
        for _ in range(6):
            action, params, fits = data.draw(commands(actions), "command")
            status, told = bench.send(action, params)
            assert status < 500, told
            if status == 202:
                assert told["error"] not in ("INVALID_PARAMS", "UNKNOWN_ACTION"), told
            safety = actions[action][3] if action in actions else None
            if fits is False:
                assert status in (400, 403), told
            elif fits and safety == "normal":
                assert (status, told.get("state")) == (202, "acknowledged"), told
                assert told["result"]["result"]["got"] == params
            elif fits:
                assert status in ((403,) if safety == "restricted" else (409, 429)), told


def test_a_text_arrives_as_it_was_sent(bench):
    with bench.holding({"do_1": (1, "Take a text", {"text": {"type": "string"}})}):
        for text in QUOTED:
            _, told = bench.send("do_1", {"text": text})
            assert told["result"]["result"]["got"] == {"text": text}
