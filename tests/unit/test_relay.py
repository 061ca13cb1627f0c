"""The relay: when it switches, when it refuses, and that an interlocked group never has two on."""

from workbench import Bench

from check import Bytes, raises

RELAY = {"kind": "relay", "pin": 26}


def relay(**options):
    return dict(RELAY, **options)


def pair(**options):
    """Two relays of one group on a bench."""
    return Bench(
        relay(name="up", interlock="motor", **options),
        relay(name="down", interlock="motor", pin=27, **options),
    )


def levels(bench):
    """The pin levels set since the last look: [(pin, level)]."""
    return [(event["pin"], event["value"]) for event in bench.moved() if event["ev"] == "pin"]


def test_on_off_and_toggle_move_the_pin_and_are_reported():
    bench = Bench(RELAY)
    assert levels(bench)[-1:] == [(26, 0)]
    assert bench.state() == {"relay": "off"}
    bench.do("relay_on")
    assert levels(bench) == [(26, 1)]
    assert bench.state() == {"relay": "on"}
    bench.do("relay_toggle")
    assert levels(bench) == [(26, 0)]
    bench.do("relay_toggle")
    assert levels(bench) == [(26, 1)]
    bench.do("relay_off")
    assert levels(bench) == [(26, 0)]
    assert bench.reports == ["relay"] * 4


def test_a_command_for_what_already_is_moves_nothing():
    bench = Bench(RELAY)
    bench.do("relay_on")
    levels(bench)
    bench.do("relay_on")
    assert levels(bench) == []
    bench.do("relay_off")
    bench.do("relay_off")
    assert levels(bench) == [(26, 0)]


def test_active_low_is_off_at_a_high_pin_from_the_start():
    bench = Bench(relay(active_low=True))
    assert levels(bench)[-1:] == [(26, 1)]
    bench.do("relay_on")
    assert levels(bench) == [(26, 0)]


def test_a_pulse_ends_by_itself():
    bench = Bench(RELAY)
    bench.do("relay_pulse", duration=250)
    levels(bench)
    bench.wait(240)
    assert levels(bench) == []
    assert bench.state() == {"relay": "on"}
    bench.wait(10)
    assert levels(bench) == [(26, 0)]
    bench.wait(1000)
    assert levels(bench) == []
    assert bench.reports == ["relay", "relay"]


def test_on_during_a_pulse_makes_it_stay():
    bench = Bench(RELAY)
    bench.do("relay_pulse", duration=250)
    bench.wait(100)
    bench.do("relay_on")
    levels(bench)
    bench.wait(1000)
    assert levels(bench) == []
    assert bench.state() == {"relay": "on"}


def test_off_during_a_pulse_ends_it_for_good():
    bench = Bench(RELAY)
    bench.do("relay_pulse", duration=250)
    bench.do("relay_off")
    bench.wait(1000)
    assert bench.reports == ["relay"] * 2
    bench.do("relay_on")
    levels(bench)
    bench.wait(1000)
    assert levels(bench) == []
    assert bench.state() == {"relay": "on"}


def test_a_second_pulse_counts_from_its_own_start():
    bench = Bench(RELAY)
    bench.do("relay_pulse", duration=250)
    bench.wait(200)
    bench.do("relay_pulse", duration=250)
    bench.wait(240)
    assert bench.state() == {"relay": "on"}
    bench.wait(10)
    assert bench.state() == {"relay": "off"}


def test_a_pulse_of_a_relay_that_is_on_ends_with_it_off():
    bench = Bench(RELAY)
    bench.do("relay_on")
    bench.do("relay_pulse", duration=100)
    bench.wait(100)
    assert bench.state() == {"relay": "off"}


def test_wrong_durations_are_refused_by_name():
    bench = Bench(RELAY)
    for duration in (9, 3600001, -1, 10.5, "100", True, None, [100]):
        assert bench.refused("relay_pulse", duration=duration) == ("INVALID_PARAMS", "duration"), duration
    assert bench.refused("relay_pulse") == ("INVALID_PARAMS", "duration")
    assert bench.refused("relay_on", duration=100) == ("INVALID_PARAMS", "duration")


def test_switching_before_the_minimum_interval_is_refused():
    bench = Bench(relay(min_interval=500))
    # The boot counts: the relay went off with the power.
    code, detail = bench.refused("relay_on")
    assert code == "COMMAND_INVALID" and "min_interval" in detail and "500" in detail
    bench.wait(500)
    bench.do("relay_on")
    bench.wait(490)
    assert bench.refused("relay_off")[0] == "COMMAND_INVALID"
    assert bench.refused("relay_toggle")[0] == "COMMAND_INVALID"
    bench.do("relay_on")  # switches nothing, so there is nothing to refuse
    bench.wait(10)
    bench.do("relay_off")


def test_the_end_of_a_pulse_waits_for_the_minimum_interval():
    bench = Bench(relay(min_interval=500))
    bench.wait(500)
    bench.do("relay_pulse", duration=100)
    bench.wait(490)
    assert bench.state() == {"relay": "on"}
    bench.wait(10)
    assert bench.state() == {"relay": "off"}


def test_a_refused_off_leaves_the_pulse_running():
    bench = Bench(relay(min_interval=500))
    bench.wait(500)
    bench.do("relay_pulse", duration=600)
    bench.refused("relay_off")
    bench.wait(600)
    assert bench.state() == {"relay": "off"}


def test_power_on_state_on_closes_at_once_or_after_the_interval():
    assert levels(Bench(relay(power_on="on")))[-1:] == [(26, 1)]
    bench = Bench(relay(power_on="on", min_interval=300))
    assert bench.state() == {"relay": "off"}
    bench.wait(300)
    assert bench.state() == {"relay": "on"}


def test_power_on_state_last_comes_back_and_a_pulse_does_not():
    bench = Bench(relay(power_on="last"))
    assert bench.part.saved() == {"on": False}
    bench.do("relay_on")
    kept = bench.part.saved()
    assert kept == {"on": True}
    bench.do("relay_pulse", duration=100)
    assert bench.part.saved() == {"on": False}
    again = Bench(relay(power_on="last"))
    again.part.restore(kept)
    assert again.state() == {"relay": "on"}
    for nonsense in (None, {}, {"on": 1}, {"on": "yes"}, [], 5):
        again = Bench(relay(power_on="last"))
        again.part.restore(nonsense)
        assert again.state() == {"relay": "off"}


def test_only_power_on_state_last_keeps_anything():
    for power_on in ("off", "on"):
        bench = Bench(relay(power_on=power_on))
        assert bench.part.saved() is None
    bench = Bench(RELAY)
    bench.part.restore({"on": True})
    assert bench.state() == {"relay": "off"}


def test_the_other_of_a_group_goes_off_first():
    bench = pair()
    bench.do("relay_on")
    levels(bench)
    bench.do("relay_on", target="down")
    assert levels(bench) == [(26, 0), (27, 1)]
    assert bench.state() == {"relay": "off", "down": {"relay": "on"}}


def test_dead_time_passes_with_both_off():
    bench = pair(dead_time=200)
    bench.wait(200)
    assert bench.do("relay_on") is None
    levels(bench)
    assert bench.do("relay_on", target="down") == {"delay": 200}
    assert levels(bench) == [(26, 0)]
    bench.wait(190)
    assert levels(bench) == []
    bench.wait(10)
    assert levels(bench) == [(27, 1)]


def test_dead_time_counts_from_when_the_other_really_went_off():
    bench = pair(dead_time=200)
    bench.wait(200)
    bench.do("relay_on")
    bench.do("relay_off")
    bench.wait(150)
    assert bench.do("relay_on", target="down") == {"delay": 50}


def test_a_pulse_after_dead_time_has_its_whole_length():
    bench = pair(dead_time=200)
    bench.wait(200)
    bench.do("relay_on")
    bench.do("relay_pulse", target="down", duration=100)
    bench.wait(290)
    assert bench.state()["down"] == {"relay": "on"}
    bench.wait(10)
    assert bench.state()["down"] == {"relay": "off"}


def test_what_waits_for_dead_time_can_be_called_off():
    for action, target in (("relay_off", "down"), ("relay_toggle", "down"), ("relay_on", "up")):
        bench = pair(dead_time=200)
        bench.wait(200)
        bench.do("relay_on")
        bench.do("relay_on", target="down")
        bench.do(action, target=target)
        bench.wait(1000)
        assert bench.state()["down"] == {"relay": "off"}, action


def test_a_group_whose_other_may_not_switch_yet_refuses_and_changes_nothing():
    bench = pair(min_interval=500)
    bench.wait(500)
    bench.do("relay_on")
    bench.wait(100)
    code, detail = bench.refused("relay_on", target="down")
    assert code == "COMMAND_INVALID" and "up" in detail
    assert bench.state() == {"relay": "on", "down": {"relay": "off"}}


def test_only_one_of_a_group_comes_on_at_power_on():
    error = raises(ValueError, pair, power_on="on")
    assert "motor" in str(error)
    for interval in (0, 300):
        bench = pair(power_on="last", min_interval=interval)
        for part in bench.parts:
            part.restore({"on": True})
        bench.wait(1000)
        assert bench.state() == {"relay": "on", "down": {"relay": "off"}}, interval


def test_relays_of_other_groups_and_of_none_are_left_alone():
    bench = Bench(
        relay(name="a", pin=16, interlock="one"),
        relay(name="b", pin=17, interlock="two"),
        relay(name="c", pin=18),
        relay(name="d", pin=19),
    )
    for name in "abcd":
        bench.do("relay_on", target=name)
    assert [part.on for part in bench.parts] == [True] * 4


def walk(options, seed, steps):
    """A pseudo-random walk over three interlocked relays, judging the pins after every single movement."""
    pins = (16, 17, 18)
    lines = [relay(name="r%d" % pin, pin=pin, interlock="g", **options) for pin in pins]
    bench = Bench(*lines)
    interval = options.get("min_interval", 0)
    dead_time = options.get("dead_time", 0)
    on = dict((pin, False) for pin in pins)
    moved_at = dict((pin, bench.time) for pin in pins)
    random = Bytes(seed)

    def judge():
        for pin, level in levels(bench):
            if on[pin] == bool(level):
                continue
            assert bench.time - moved_at[pin] >= interval, "switched too early"
            if level:
                for other in pins:
                    assert not on[other], "two are on"
                    if other != pin:
                        assert bench.time - moved_at[other] >= dead_time, "dead time cut short"
            on[pin] = bool(level)
            moved_at[pin] = bench.time
        for part, pin in zip(bench.parts, pins):
            assert part.on == on[pin]

    levels(bench)
    for _ in range(steps):
        action = random.choice(("relay_on", "relay_off", "relay_toggle", "relay_pulse"))
        params = {"target": "r%d" % random.choice(pins)}
        if action == "relay_pulse":
            params["duration"] = 10 + random.below(200)
        before = dict(on)
        ack = bench.registry.run(action, params)
        judge()
        if ack["ack_status"] == "failed":
            assert ack["error"] == "COMMAND_INVALID"
            assert on == before
        bench.wait(random.choice((0, 10, 30, 100, 300)), look=judge)
    assert not bench.faults


def test_no_walk_puts_two_of_a_group_on():
    walk({}, 1, 150)


def test_no_walk_breaks_the_minimum_interval():
    walk({"min_interval": 150}, 2, 150)


def test_no_walk_breaks_the_dead_time():
    walk({"dead_time": 80, "min_interval": 40}, 3, 150)
