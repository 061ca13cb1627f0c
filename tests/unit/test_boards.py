"""Board data: every board here loads, and a mistake in one is answered by what to change."""

import gc
import json
import os

import _board

import capabilities
from check import ROOT, cases, raises, read
from hxtp.registry import Registry

if hasattr(gc, "threshold"):
    gc.threshold(4096)  # as in boot.py: all kinds are loaded here, and no heap is that large in crumbs

# What an ESP32 can drive: not its flash (6-11), not the console (1, 3), not the inputs (34-39), not those
# that decide how it boots (0, 5, 12, 15), but for what a board's maker has soldered there.
SAFE = (2, 4, 13, 14, 16, 17, 18, 19, 21, 22, 23, 25, 26, 27, 32, 33)
SOLDERED = {"m5stack-atom-lite": (12,)}


class Context:
    def now(self):
        return 0

    def changed(self, part):
        pass

    def files(self, name):
        return self

    def names(self):
        return []


def load(*parts, **board):
    board["parts"] = list(parts)
    _board.pins.clear()  # as after power-on
    return capabilities.load(board, Context())


def boards():
    names = sorted(name for name in os.listdir(ROOT + "/firmware/boards") if name.endswith(".json"))
    assert len(names) >= 6
    for name in names:
        yield name[:-5], json.loads(read("firmware/boards/" + name))


def test_every_board_has_the_form_of_board_data():
    for name, board in boards():
        assert set(board) <= {"device_type", "about", "status_led", "parts"}, name
        assert board["device_type"] == name
        assert type(board["about"]) is str and len(board["about"]) > 20
        assert type(board["parts"]) is list and board["parts"], name
        for part in board["parts"]:
            assert type(part["kind"]) is str
            for value in part.values():
                assert type(value) in (str, int, bool)


def test_every_board_uses_pins_that_can_be_used():
    for name, board in boards():
        pins = [board["status_led"]] if "status_led" in board else []
        for part in board["parts"]:
            pins += [part[key] for key in part if key == "pin" or key.endswith("_pin")]
        assert len(pins) == len(set(pins)), name
        for pin in pins:
            assert pin in SAFE or pin in SOLDERED.get(name, ()), (name, pin)


def test_every_board_loads_and_can_be_declared():
    for name, board in boards():
        _board.pins.clear()
        registry = Registry()
        for part in capabilities.load(board, Context()):
            registry.add(part)
        assert len(registry.parts) == len(board["parts"]), name
        text = registry.manifest()
        assert 100 < len(text) < 8000
        assert json.loads(text)["capabilities"]
        json.dumps(registry.state())
        gc.collect()


def test_fractions_are_avoided_by_smaller_units():
    # HX3-WIRE-37: whole percent, ms and milli-degrees; but HOS counts carriers in kHz, with a point.
    for name, board in boards():
        _board.pins.clear()
        for part in capabilities.load(board, Context()):
            for value in part.state().values():
                assert not isinstance(value, float), name
            for action in part.actions:
                properties = part.actions[action][2]
                for member in properties:
                    kind = properties[member]["type"]
                    assert kind != "number" or member == "freq_khz", (name, action, member)
        gc.collect()


def test_ids_stay_in_the_range_of_their_kind():
    ranges = {"light": (1, 19), "relay": (20, 39), "ir": (40, 59), "servo": (1000, 65535)}
    for _, board in boards():
        for part in capabilities.load(board, Context()):
            low, high = ranges[part.KIND]
            for action in part.actions:
                assert low <= part.actions[action][0] <= high
                assert action.startswith(part.KIND + "_")


def test_names_default_to_the_kind_and_a_number():
    parts = load(
        {"kind": "relay", "pin": 13},
        {"kind": "relay", "pin": 14, "name": "relay2"},
        {"kind": "relay", "pin": 16},
        {"kind": "light", "pin": 17},
        {"kind": "relay", "pin": 18},
    )
    assert [part.name for part in parts] == ["relay", "relay2", "relay3", "light", "relay4"]


def test_mistakes_are_answered_by_what_to_change():
    relay = {"kind": "relay", "pin": 26}

    def moved():
        return [event for event in _board.trace if event["ev"] in ("pin", "pwm", "neopixel")]

    def judge(parts, *words):
        del _board.trace[:]
        _board.pins.clear()
        text = str(raises(ValueError, load, *parts))
        for word in words:
            assert word in text, text
        if words[0] not in ("part", "report"):
            assert not moved(), "a pin moved for data that cannot be used"

    cases(
        [
            ([{"pin": 26}], '"kind"'),
            (["relay"], '"kind"'),
            ([{"kind": 5}], '"kind"'),
            ([{"kind": "../relay", "pin": 26}], '"kind"'),
            ([{"kind": "os", "pin": 26}], "capabilities/os.py"),
            ([relay, {"kind": "toaster"}], "kind 'toaster'", "capabilities/toaster.py"),
            ([{"kind": "lihgt", "pin": 25}], "kind 'lihgt' is none of ['ir', 'light', 'relay', 'servo']"),
            ([{"kind": "light_pwm", "pin": 25}], "light_pwm", "class Capability"),
            ([{"kind": "relay"}], "part", "'relay'", "add the option 'pin'"),
            ([relay, {"kind": "light", "driver": "cct", "warm_pin": 4}], "part", "'light'", "'cold_pin'"),
            ([relay, {"kind": "light", "pin": 26}], "GPIO 26", "taken by part 'relay'"),
            ([relay, relay], "GPIO 26", "taken"),
            ([{"kind": "relay", "pin": "26"}], "'pin'", "GPIO number"),
            ([{"kind": "relay", "pin": 49}], "'pin'", "GPIO number"),
            ([{"kind": "relay", "pin": True}], "'pin'", "GPIO number"),
            ([relay, {"kind": "light", "driver": "cct", "warm_pin": -1, "cold_pin": 4}], "'warm_pin'"),
            ([{"kind": "relay", "pin": 26, "name": "Pump 1"}], "name 'Pump 1'"),
            ([{"kind": "relay", "pin": 26, "name": ""}], "name ''"),
            ([dict(relay, name="Pumpe")], "name 'Pumpe'"),
            ([dict(relay, name="pump-1")], "name 'pump-1'"),
            ([dict(relay, name="p" * 33)], "name 'ppp"),
            ([{"kind": "relay", "pin": None}], "'pin'", "GPIO number"),
            ([dict(relay, interlock=1)], "part", "'interlock' must be the name of a group"),
            ([dict(relay, name="a"), {"kind": "relay", "pin": 27, "name": "a"}], "name 'a'"),
            ([dict(relay, activ_low=True)], "part", "unknown option 'activ_low'"),
            ([dict(relay, active_low="yes")], "part", "'active_low' must be true or false"),
            ([dict(relay, min_interval=-5)], "part", "'min_interval' must be a whole number"),
            ([dict(relay, power_on="maybe")], "part", "'power_on' must be one of off, on, last"),
            ([{"kind": "light", "driver": "laser", "pin": 4}], "part", "'driver'", "pwm, neopixel, cct"),
            (
                [{"kind": "light", "driver": "cct", "warm_pin": 4, "cold_pin": 5, "warm_mirek": 100}],
                "part",
                "warm_mirek",
            ),
            ([dict(relay, name="pump"), {"kind": "relay", "pin": 27, "name": "relay"}], "report", "'relay'"),
            (
                [{"kind": "light", "pin": 25}, {"kind": "light", "pin": 27, "name": "effect"}],
                "report",
                "'effect'",
            ),
        ],
        judge,
    )


def test_a_board_without_parts_is_told_what_it_lacks():
    assert '"parts"' in str(raises(ValueError, capabilities.load, {"device_type": "x"}, Context()))
    assert capabilities.load({"parts": []}, Context()) == []


def test_the_status_led_is_a_pin_like_any_other():
    error = raises(ValueError, load, {"kind": "relay", "pin": 2}, status_led=2)
    assert "GPIO 2" in str(error) and "the board" in str(error)
    load({"kind": "relay", "pin": 4}, status_led=2)
    load({"kind": "relay", "pin": 4}, status_led=None)
    assert "'status_led'" in str(raises(ValueError, load, {"kind": "relay", "pin": 4}, status_led="2"))


def test_the_board_data_is_left_as_it_was():
    data = {"kind": "relay", "pin": 26, "active_low": True}
    load(data)
    assert data == {"kind": "relay", "pin": 26, "active_low": True}


def test_the_example_of_a_capability_of_one_s_own_works():
    servo = load({"kind": "servo", "pin": 13})[0]
    registry = Registry()
    registry.add(servo)
    assert servo._pwm.duty_u16() == 4915
    for angle, duty in ((0, 1638), (90, 4915), (180, 8192)):
        assert registry.run("servo_angle", {"angle": angle}) == {"ack_status": "executed"}
        assert servo._pwm.duty_u16() == duty
        assert registry.state() == {"servo": angle}
    assert registry.run("servo_angle", {"angle": 181})["member"] == "angle"
    assert servo._pwm.duty_u16() == 8192
