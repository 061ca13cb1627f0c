"""The light whatever drives it: switching, fades, effects, power-on. Shown on a PWM dimmer."""

import gc

from workbench import Bench

from capabilities.light import FULL, eye, linear
from check import cases

LAMP = {"kind": "light", "pin": 25, "gamma": False}


def lamp(**options):
    return dict(LAMP, **options)


def duties(bench):
    """The duties written since the last look."""
    return [event["duty_u16"] for event in bench.moved() if event["ev"] == "pwm"]


def percent(value):
    return linear(value * 100)


def test_it_starts_dark_and_off_at_full_brightness():
    bench = Bench(LAMP)
    assert duties(bench)[-1:] == [0]
    assert bench.state() == {"light": "off", "brightness": 100, "effect": "none"}


def test_on_with_brightness_and_without():
    bench = Bench(LAMP)
    duties(bench)
    bench.do("light_on", brightness=80)
    assert duties(bench) == [percent(80)]
    assert bench.state() == {"light": "on", "brightness": 80, "effect": "none"}
    bench.do("light_off")
    assert duties(bench) == [0]
    assert bench.state() == {"light": "off", "brightness": 80, "effect": "none"}
    bench.do("light_on")
    assert duties(bench) == [percent(80)]


def test_brightness_zero_switches_off_and_forgets_nothing():
    for action in ("light_on", "light_brightness"):
        bench = Bench(LAMP)
        bench.do("light_on", brightness=30)
        bench.do(action, brightness=0)
        assert bench.state() == {"light": "off", "brightness": 30, "effect": "none"}, action
        bench.do("light_toggle")
        assert bench.state() == {"light": "on", "brightness": 30, "effect": "none"}


def test_brightness_switches_on():
    bench = Bench(LAMP)
    duties(bench)
    bench.do("light_brightness", brightness=1)
    assert duties(bench) == [percent(1)]
    assert bench.state()["light"] == "on"


def test_full_is_full_and_inverted_is_its_mirror():
    bench = Bench(LAMP)
    bench.do("light_on", brightness=100)
    assert duties(bench)[-1] == 65535
    bench = Bench(lamp(inverted=True))
    assert duties(bench)[-1] == 65535
    bench.do("light_on", brightness=100)
    assert duties(bench) == [0]
    bench.do("light_brightness", brightness=50)
    assert duties(bench) == [65535 - percent(50)]


def test_wrong_parameters_are_refused_by_name_and_move_nothing():
    bench = Bench(LAMP)
    bench.do("light_on", brightness=40)

    def judge(action, member, value):
        params = {member: value}
        if action == "light_brightness" and member != "brightness":
            params["brightness"] = 5
        if action == "light_effect" and member != "effect":
            params["effect"] = "blink"
        assert bench.refused(action, **params) == ("INVALID_PARAMS", member)

    rows = [("light_brightness", "brightness", value) for value in (-1, 101, 5.5, "5", True, None, [5], {})]
    rows += [
        ("light_on", "brightness", 101),
        ("light_on", "color", "#ffffff"),
        ("light_off", "brightness", 5),
    ]
    rows += [
        (action, "transition", value)
        for action in ("light_on", "light_off", "light_toggle", "light_brightness")
        for value in (-1, 3600001, 0.5, "1")
    ]
    rows += [("light_effect", "effect", value) for value in ("rainbow", "disco", "", 5, None)]
    rows += [("light_effect", "speed", value) for value in (0, 101, 2.5, "fast")]
    cases(rows, judge)
    assert bench.refused("light_brightness") == ("INVALID_PARAMS", "brightness")
    assert bench.refused("light_effect") == ("INVALID_PARAMS", "effect")


def test_a_dimmer_has_no_colour_and_no_temperature():
    actions = sorted(Bench(LAMP).part.actions)
    assert actions == ["light_brightness", "light_effect", "light_off", "light_on", "light_toggle"]


def fade(bench, ms, step=10):
    """The duties of a fade, one look per tick."""
    seen = []
    bench.wait(ms, step, lambda: seen.extend(duties(bench)))
    return seen


def test_a_fade_rises_without_a_step_back_and_ends_exactly():
    def judge(options, transition, step):
        bench = Bench(lamp(**options))
        duties(bench)
        bench.do("light_on", brightness=80, transition=transition)
        assert bench.state()["brightness"] == 80  # it tells where it is going
        seen = duties(bench) + fade(bench, transition, step)
        assert seen == sorted(seen)
        assert len(seen) > 5
        assert seen[-1] == (eye if options["gamma"] else linear)(8000)
        assert fade(bench, 1000) == []

    cases(
        [
            ({"gamma": False}, 1000, 10),
            ({"gamma": True}, 1000, 10),
            ({"gamma": True}, 997, 13),
            ({"gamma": True}, 16384, 100),
            ({"gamma": False}, 100000, 3000),
            ({"gamma": True}, 3600000, 90000),
        ],
        judge,
    )


def test_a_fade_falls_without_a_step_back_and_ends_dark():
    for transition in (300, 20000):
        bench = Bench(LAMP)
        bench.do("light_on", brightness=73)
        duties(bench)
        bench.do("light_off", transition=transition)
        assert bench.state() == {"light": "off", "brightness": 73, "effect": "none"}
        seen = fade(bench, transition, transition // 30)
        assert seen == sorted(seen, reverse=True)
        assert seen[-1] == 0


def test_a_fade_is_half_way_at_half_time():
    for transition in (1000, 3600000):
        bench = Bench(LAMP)
        bench.do("light_on", brightness=100, transition=transition)
        bench.wait(transition // 2, transition // 2)
        assert abs(bench.part._at[0] - FULL // 2) <= 10


def test_a_late_tick_ends_the_fade():
    bench = Bench(LAMP)
    bench.do("light_on", brightness=60, transition=500)
    duties(bench)
    bench.wait(60000, 60000)
    assert duties(bench) == [percent(60)]


def test_a_new_command_goes_on_from_where_the_fade_is():
    bench = Bench(LAMP)
    bench.do("light_on", brightness=100, transition=1000)
    bench.wait(500)
    middle = duties(bench)[-1]
    bench.do("light_off", transition=1000)
    seen = fade(bench, 1000)
    assert middle * 9 // 10 < seen[0] <= middle
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == 0


class Wire:
    """In place of a PWM: keeps every duty it is given, the same again too."""

    def __init__(self):
        self.given = []

    def duty_u16(self, duty):
        self.given.append(duty)


def test_nothing_is_written_while_nothing_changes():
    bench = Bench(LAMP)
    wire = bench.part._pwm = Wire()
    bench.do("light_on", brightness=50)
    assert wire.given == [percent(50)]
    bench.wait(500)
    bench.do("light_on")
    bench.do("light_brightness", brightness=50, transition=200)
    bench.do("light_effect", effect="none")
    bench.wait(500)
    assert wire.given == [percent(50)]
    bench.do("light_effect", effect="blink", speed=1)
    bench.wait(40000)
    assert wire.given == [percent(50), 0, percent(50)]


def test_the_transition_of_the_board_is_used_where_a_command_names_none():
    bench = Bench(lamp(transition=400))
    bench.do("light_on")
    duties(bench)
    assert len(fade(bench, 390)) > 10
    assert bench.part._moving
    bench.wait(10)
    assert not bench.part._moving
    bench.do("light_off", transition=0)
    assert duties(bench)[-1] == 0


def test_a_report_per_command_and_none_per_tick():
    bench = Bench(LAMP)
    bench.do("light_on", transition=200)
    bench.wait(400)
    bench.do("light_effect", effect="blink")
    bench.wait(400)
    assert bench.reports == ["light"] * 2


def period(effect, speed, look):
    """One period's worth of looks at an effect, twice."""
    bench = Bench(LAMP)
    bench.do("light_on", brightness=60)
    bench.do("light_effect", effect=effect, speed=speed)
    length = {"blink": 400, "breathe": 2000}[effect] * 100 // speed
    step = length // 40
    looks = [[], []]
    for turn in looks:
        bench.wait(step * 40, step, lambda turn=turn: turn.append(look(bench)))
    return looks


def test_effects_repeat_and_stay_between_dark_and_the_brightness():
    def judge(effect, speed):
        first, second = period(effect, speed, lambda bench: bench.part._shown)
        assert first == second
        assert max(first) == 6000
        assert 0 <= min(first) < 600
        assert effect == "blink" or min(first) > 0

    cases([(effect, speed) for effect in ("blink", "breathe") for speed in (1, 50, 100)], judge)


def test_an_effect_keeps_its_time_whatever_the_ticks_do():
    bench = Bench(LAMP)
    bench.do("light_effect", effect="blink", speed=50)
    begun = bench.time

    def look():
        passed = (bench.time - begun) % 800
        assert bench.part._shown == (10000 if passed < 400 else 0), passed

    for step in (7, 13, 790, 1234):
        bench.wait(step * 30, step, look)


def test_blink_is_half_on_half_off():
    first, _ = period("blink", 50, lambda bench: bench.part._shown)
    assert sorted(set(first)) == [0, 6000]
    assert 18 <= first.count(0) <= 22


def test_breathing_has_no_jumps():
    first, _ = period("breathe", 50, lambda bench: bench.part._shown)
    for one, other in zip(first, first[1:]):
        assert abs(one - other) < 700


def test_no_effect_flashes_three_times_a_second():
    bench = Bench(LAMP)
    bench.do("light_effect", effect="blink", speed=100)
    flashes = 0
    shown = [bench.part._shown]

    def look():
        shown.append(bench.part._shown)

    bench.wait(10000, 10, look)
    for before, after in zip(shown, shown[1:]):
        flashes += before == 0 and after > 0
    assert flashes < 30


def test_an_effect_switches_on_and_off_ends_it():
    bench = Bench(LAMP)
    bench.do("light_effect", effect="breathe")
    assert bench.state() == {"light": "on", "brightness": 100, "effect": "breathe"}
    bench.do("light_brightness", brightness=20)
    assert bench.state() == {"light": "on", "brightness": 20, "effect": "breathe"}
    bench.wait(50)
    assert bench.part._shown <= 2000
    bench.do("light_off")
    assert bench.state() == {"light": "off", "brightness": 20, "effect": "none"}
    duties(bench)
    assert fade(bench, 5000) == []
    assert bench.part._shown == 0


def test_effect_none_goes_back_to_the_brightness():
    bench = Bench(LAMP)
    bench.do("light_on", brightness=70)
    bench.do("light_effect", effect="blink")
    bench.wait(500)
    bench.do("light_effect", effect="none")
    assert bench.state() == {"light": "on", "brightness": 70, "effect": "none"}
    assert bench.part._shown == 7000


def test_effect_none_leaves_a_light_that_is_off_alone():
    bench = Bench(LAMP)
    duties(bench)
    bench.do("light_effect", effect="none")
    assert duties(bench) == []
    assert bench.state()["light"] == "off"


def test_an_effect_ends_where_it_is_when_a_fade_follows():
    bench = Bench(LAMP)
    bench.do("light_effect", effect="breathe", speed=100)
    bench.wait(1000)  # half a breath: nearly dark
    low = bench.part._shown
    duties(bench)
    bench.do("light_off", transition=1000)
    seen = fade(bench, 1000)
    assert seen[0] <= linear(low)


def test_power_on_states():
    assert Bench(lamp(power_on="off")).state()["light"] == "off"
    bench = Bench(lamp(power_on="on"))
    assert bench.state()["light"] == "on"
    assert duties(bench)[-1] == 65535
    assert Bench(lamp(power_on="last")).state()["light"] == "off"


def test_power_on_state_last_comes_back():
    bench = Bench(lamp(power_on="last"))
    bench.do("light_on", brightness=35)
    kept = bench.part.saved()
    again = Bench(lamp(power_on="last"))
    duties(again)
    again.part.restore(kept)
    assert again.state() == {"light": "on", "brightness": 35, "effect": "none"}
    assert duties(again) == [percent(35)]
    bench.do("light_off")
    again = Bench(lamp(power_on="last"))
    again.part.restore(bench.part.saved())
    assert again.state() == {"light": "off", "brightness": 35, "effect": "none"}


def test_what_was_saved_is_doubted():
    good = {"on": True, "brightness": 35, "mix": []}
    bad = [
        None,
        [],
        7,
        {},
        dict(good, brightness=0),
        dict(good, brightness=101),
        dict(good, brightness="35"),
        dict(good, mix=None),
        dict(good, mix=[1]),
    ]
    for saved in bad:
        bench = Bench(lamp(power_on="last"))
        duties(bench)
        bench.part.restore(saved)
        assert duties(bench) == [] and bench.state()["light"] == "off", saved
    bench = Bench(LAMP)
    assert bench.part.saved() is None
    bench.part.restore(good)
    assert bench.state()["light"] == "off"


def test_the_curves_rise_from_nothing_to_everything():
    for curve in (eye, linear):
        assert curve(0) == 0
        assert curve(FULL) == 65535
        before = 0
        for level in range(0, FULL + 1, 5):
            assert 0 <= before <= curve(level) <= 65535
            before = curve(level)
        assert curve(100) > 0  # 1 % is not dark


def test_the_eye_s_curve_is_cie_1931():
    for level in range(0, FULL + 1, 100):
        lightness = level / 100
        if lightness <= 8:
            luminance = lightness / 903.3
        else:
            luminance = ((lightness + 16) / 116) ** 3
        assert abs(eye(level) - luminance * 65535) <= 40, level


class Silent:
    """In place of a PWM: takes a duty and no memory."""

    def duty_u16(self, duty):
        self.last = duty


def test_a_tick_takes_no_memory():
    used = getattr(gc, "mem_alloc", None)
    if used is None:
        return  # CPython counts otherwise, and has memory enough
    for effect in ("none", "blink", "breathe"):
        bench = Bench(lamp(gamma=True))
        part = bench.part
        part._pwm = Silent()
        bench.do("light_on", brightness=90, transition=3600000)
        if effect != "none":
            bench.do("light_effect", effect=effect, speed=1)
            bench.do("light_brightness", brightness=10, transition=3600000)
        gc.collect()
        now = bench.time
        before = used()
        while now < 3500000:
            now += 35000
            part.tick(now)
        assert part._moving
        after = used()
        assert after - before <= 64, (effect, after - before)
