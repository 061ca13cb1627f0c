"""Any commands in any order at any time: what the parts of a board must keep to all the same."""

from hypothesis import given
from hypothesis import strategies as st
from workbench import Bench

from capabilities.ir import nec, send
from hxtp import schema
from hxtp.errors import HxtpError

PARTS = [
    {"kind": "light", "pin": 25, "power_on": "last"},
    {
        "kind": "light",
        "driver": "neopixel",
        "pin": 18,
        "count": 2,
        "rgbw": True,
        "name": "strip",
        "power_on": "last",
    },
    {"kind": "light", "driver": "cct", "warm_pin": 32, "cold_pin": 33, "name": "white", "power_on": "last"},
    {"kind": "relay", "pin": 26, "name": "up", "interlock": "motor", "dead_time": 50},
    {"kind": "relay", "pin": 27, "name": "down", "interlock": "motor", "dead_time": 50, "min_interval": 30},
    {"kind": "relay", "pin": 21, "name": "valve", "power_on": "last"},
]
NAMES = [part.get("name", "light") for part in PARTS]
NUMBERS = st.one_of(
    st.integers(-5, 400), st.sampled_from([2**31, -(2**40), 10**15]), st.booleans(), st.floats()
)
TEXTS = st.one_of(
    st.sampled_from(["none", "blink", "breathe", "rainbow", "#ff8000", "#FFFFFF", "#00000g"]),
    st.text(max_size=8),
)
VALUES = st.one_of(NUMBERS, TEXTS, st.none(), st.lists(st.integers(), max_size=3))
MEMBERS = ["brightness", "transition", "color", "temperature", "effect", "speed", "duration", "extra"]
ACTIONS = sorted({action for part in Bench(*PARTS).parts for action in part.actions})


@st.composite
def commands(draw):
    """An action, parameters that fit more often than not, and how long it is until the next command."""
    action = draw(st.sampled_from(ACTIONS))
    params = {}
    fitting = {
        "brightness": st.integers(0, 100),
        "transition": st.integers(0, 2000),
        "color": st.integers(0, 2**24 - 1).map(lambda value: f"#{value:06x}"),
        "temperature": st.integers(153, 370),
        "effect": st.sampled_from(["none", "blink", "breathe", "rainbow"]),
        "speed": st.integers(1, 100),
        "duration": st.integers(10, 500),
    }
    for name, rule in _properties(action).items():
        if rule.get("required") or draw(st.booleans()):
            params[name] = draw(fitting[name])
    if draw(st.integers(0, 3)) == 0:
        params[draw(st.sampled_from(MEMBERS))] = draw(VALUES)
    if draw(st.booleans()):
        params["target"] = draw(st.sampled_from(NAMES))
    return action, params, draw(st.integers(0, 700))


def _properties(action):
    for part in Bench(*PARTS).parts:
        if action in part.actions:
            return part.actions[action][2]
    raise AssertionError(action)


def judge(bench):
    light, strip, white, up, down, _ = bench.parts
    assert not (up.on and down.on)
    for lamp in (light, strip, white):
        assert 0 <= lamp._shown <= 10000
        assert 1 <= lamp.brightness <= 100
        if not lamp._moving:
            assert lamp._shown <= lamp._to[0]
            assert lamp._at == lamp._to
            assert lamp.on or not lamp._shown
    assert 0 <= light._pwm.duty_u16() <= 65535
    assert white._warm_pwm.duty_u16() + white._cold_pwm.duty_u16() <= 65535


@given(st.lists(commands(), max_size=25))
def test_no_commands_break_what_the_parts_promise(script):
    bench = Bench(*PARTS)
    for action, params, pause in script:
        bench.moved()
        before = bench.state()
        ack = bench.registry.run(action, dict(params))
        assert not bench.faults, bench.faults
        if ack["ack_status"] == "failed":
            assert ack["error"] in ("INVALID_PARAMS", "COMMAND_INVALID")
            assert ack["error"] == "COMMAND_INVALID" or ack["member"]
            assert bench.moved() == []
            assert bench.state() == before
        judge(bench)
        bench.wait(pause, 20, lambda: judge(bench))
    # Whatever happened: left alone, all but effects comes to rest, and what is saved can be taken back.
    bench.wait(5000, 100)
    for part in bench.parts[:3]:
        assert not part._moving
    again = Bench(*PARTS)
    for part, other in zip(bench.parts, again.parts, strict=True):
        other.restore(part.saved())
    for name in ("light", "strip", "white"):
        one, other = (_flat(board.state(), name) for board in (bench, again))
        assert {**one, "effect": "none"} == other
    assert again.state()["valve"] == bench.state()["valve"]


def _flat(state, name):
    if name == "light":
        return {member: state[member] for member in ("light", "brightness", "effect")}
    return state[name]


@given(st.lists(st.integers(1, 2_000_000), min_size=1, max_size=60), st.booleans())
def test_splitting_keeps_every_level_and_every_microsecond(timings, first):
    durations, levels = send.split(timings, first)
    if levels is first:
        assert durations == timings
        return
    assert len(durations) == len(levels)
    assert all(1 <= duration <= send.LONGEST for duration in durations)
    wanted = [(bool(index % 2) != first, timing) for index, timing in enumerate(timings)]
    runs = []
    for duration, level in zip(durations, levels, strict=True):
        if runs and runs[-1][0] == level:
            runs[-1] = (level, runs[-1][1] + duration)
        else:
            runs.append((level, duration))
    assert runs == wanted


@given(st.integers(0, 65535), st.integers(0, 255), st.integers(0, 20))
def test_nec_can_be_read_back(address, command, repeats):
    timings = nec.press(address, command, repeats)
    assert len(timings) == 67 + 4 * repeats
    value = 0
    for bit in range(32):
        mark, space = timings[2 + 2 * bit : 4 + 2 * bit]
        assert mark == 562 and space in (562, 1687)
        value |= (space == 1687) << bit
    assert value >> 16 & 255 == command and value >> 24 == command ^ 255
    sent = value & 65535
    assert sent == address if address > 255 else (sent & 255, sent >> 8) == (address, address ^ 255)
    assert all(32767 >= timing >= 1 for timing in timings[:67])


@given(st.dictionaries(st.sampled_from(["freq_khz", "raw", "repeat", "duty", "extra"]), VALUES, max_size=5))
def test_whatever_the_schema_lets_through_can_be_sent_or_is_refused(params):
    bench = Bench({"kind": "ir", "pin": 4})
    try:
        schema.check(bench.part.actions["ir_send_raw"][2], params)
    except HxtpError as refusal:
        assert bench.refused("ir_send_raw", **params) == ("INVALID_PARAMS", refusal.detail)
        return
    ack = bench.registry.run("ir_send_raw", params)
    assert not bench.faults
    assert ack["ack_status"] == "executed" or ack["error"] == "INVALID_PARAMS"
