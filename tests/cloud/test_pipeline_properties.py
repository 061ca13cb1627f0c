"""Any manifest and any parameters through the whole pipeline: API, gate, exchange, broker, device and back.

What fits arrives as it was sent, what does not fit never leaves, and nothing makes the cloud fail. One
Idempotency-Key is executed at most once, whatever is asked with it and however often it is confirmed.
"""

import contextlib
import itertools
import json
import queue
from collections import Counter
from dataclasses import dataclass
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
SAFETY = ["normal", "normal", "sensitive", "critical", "restricted"]
ASKS = {"sensitive": "confirmation_required", "critical": "dry_run_required"}
KEYS = [None, "k", "another k"]
_numbers = itertools.count(1)


class Part:
    """It has `actions` and answers each with the parameters that it got. `done`: how many it executed."""

    KIND = "any"
    name = "any"

    def __init__(self, actions: dict) -> None:
        self.actions = actions
        self.done = 0

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__.get("actions", ()):
            raise AttributeError(name)
        return self._execute

    def _execute(self, params: dict) -> dict:
        self.done += 1
        return {"got": params}

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


@dataclass(frozen=True)
class Wish:
    """A command as somebody asks for it. `fits`: as `commands` says."""

    action: str
    params: dict
    fits: bool | None = True
    dry_run: bool = False
    ttl_s: int | None = None
    key: str | None = None

    @property
    def body(self) -> dict:
        return {"action": self.action, "params": self.params, "dry_run": self.dry_run, "ttl_s": self.ttl_s}


@st.composite
def wishes(draw, actions):
    action, params, fits = draw(commands(actions))
    dry_run = draw(st.sampled_from([False, False, False, True]))
    return Wish(action, params, fits, dry_run, draw(st.sampled_from([None, 60])), draw(st.sampled_from(KEYS)))


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
        self.actions = actions
        self.thing = self._device(parts=lambda: [Part(actions)])
        self.accepted: dict[str, Wish] = {}
        self.ended: dict[str, dict] = {}
        self.tried: set[str] = set()  # dry runs of critical commands
        self.tokens: list[tuple[str, Wish]] = []
        try:
            yield
            self._check_nothing_else_left()
        finally:
            self.thing.mqtt.stop()

    def send(self, wish: Wish) -> tuple[int, dict]:
        """HTTP's status, and how the command ended, or the error."""
        headers = {"Content-Type": "application/json"}
        if wish.key is not None:
            headers["Idempotency-Key"] = wish.key
        body = json.dumps(wish.body)  # Infinity and NaN too, as others write them
        answer = self._api.post(f"/device/{self.thing.id}/command", content=body, headers=headers)
        told = answer.json()
        if "dry_run_id" in told:
            self.tried.add(told["dry_run_id"])
        if "dry_run_token" in told:
            self.tokens.append((told["dry_run_token"], wish))
        return self._told(answer.status_code, told, wish)

    def confirm(self, token: str, wish: Wish) -> tuple[int, dict]:
        """The same for a yes."""
        answer = self._api.post(f"/device/{self.thing.id}/command/confirm", json={"dry_run_token": token})
        return self._told(answer.status_code, answer.json(), wish)

    def _told(self, status: int, told: dict, wish: Wish) -> tuple[int, dict]:
        if status != 202:
            return status, told
        id = told["command_id"]
        self.accepted.setdefault(id, wish)
        while id not in self.ended:
            notice = self._notices.get(timeout=WAIT)
            if notice.kind == "command":
                self.ended[notice.body["id"]] = notice.body
        return 202, self.ended[id]

    def under(self, key: str | None) -> tuple[str, Wish] | None:
        """The command that was accepted under this key."""
        return next((one for one in self.accepted.items() if one[1].key == key is not None), None)

    def check(self, wish: Wish) -> None:
        """Ask for it, and see that it is answered as it has to be."""
        status, told = self.send(wish)
        assert status < 500, told
        if status == 202:
            assert told["error"] not in ("INVALID_PARAMS", "UNKNOWN_ACTION"), told
        if wish.fits is False:
            assert status in (400, 403), told
        elif wish.fits:
            safety = self.actions[wish.action][3]
            if safety == "restricted":
                assert status == 403, told
            elif safety in ASKS and not wish.dry_run and self.under(wish.key) is None:
                assert (status, told["status"]) == (409, ASKS[safety]) and told["dry_run_token"], told
            else:
                self.check_done(wish, status, told)

    def check_done(self, wish: Wish, status: int, told: dict) -> None:
        """The command is done, or its key belongs to another that is."""
        first = self.under(wish.key)
        # Two bodies may be one command: "5" where a number is declared is 5.
        if first is not None and first[1].body != wish.body and status != 202:
            assert (status, told["error"]) == (409, "IDEMPOTENCY_CONFLICT")
            return
        assert (status, told.get("state")) == (202, "acknowledged"), told
        assert first is None or told["id"] == first[0]
        if wish.dry_run:
            assert told["result"]["ack_status"] == "dry_run"
        else:
            assert told["result"]["result"]["got"] == wish.params

    def _check_nothing_else_left(self) -> None:
        """What was not accepted is neither in the history nor with the device, and the rest is there once."""
        known = self.tried | set(self.accepted)
        shown = self._api.get(f"/devices/{self.thing.id}/commands", params={"limit": 500}).json()["commands"]
        assert {command["id"] for command in shown} <= known
        runs = Counter(run.message_id for run in self.thing.sim.runs)
        assert set(runs) <= known and set(runs.values()) <= {1}
        keys = Counter(wish.key for wish in self.accepted.values() if wish.key is not None)
        assert set(keys.values()) <= {1}, "two commands by one key"
        done = [id for id, wish in self.accepted.items() if not wish.dry_run]
        executed = sum(self.ended[id]["state"] == "acknowledged" for id in done)
        assert self.thing.sim.parts[0].done == executed


@pytest.fixture(scope="module")
def cloud_settings():
    return {"sensitive_per_minute": 0, "critical_per_hour": 0}


@pytest.fixture(scope="module")
def bench(cloud, api, device):
    made = Bench(cloud, api, device)
    yield made
    made.stop()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_what_fits_arrives_once_and_what_does_not_never_leaves(bench, data):
    actions = data.draw(declared(), "actions")
    with bench.holding(actions):
        for _ in range(5):
            wish = data.draw(wishes(actions), "command")
            for _ in range(data.draw(st.integers(1, 3), "how often it is asked for")):
                bench.check(wish)
            newest_first = bench.tokens[::-1]
            which = st.sampled_from([newest_first * 2, bench.tokens, newest_first[:1], []])
            for token, wish in data.draw(which, "to what somebody says yes"):
                status, told = bench.confirm(token, wish)
                assert status < 500, told
                if wish.fits:
                    bench.check_done(wish, status, told)


def test_a_text_arrives_as_it_was_sent(bench):
    with bench.holding({"do_1": (1, "Take a text", {"text": {"type": "string"}})}):
        for text in QUOTED:
            _, told = bench.send(Wish("do_1", {"text": text}))
            assert told["result"]["result"]["got"] == {"text": text}
