"""NeoPixels and white of a chosen temperature: what a colour becomes on the wires."""

from workbench import Bench

from capabilities.light import eye, linear
from check import cases

STRIP = {"kind": "light", "driver": "neopixel", "pin": 18, "count": 3, "gamma": False}
WHITE = {"kind": "light", "driver": "cct", "warm_pin": 25, "cold_pin": 26, "gamma": False}
DIMMER = {"kind": "light", "driver": "pwm", "pin": 4}


def strip(**options):
    return dict(STRIP, **options)


def shows(bench):
    """The colour of every pixel of the first part, as the strip's buffer has it."""
    pixels = bench.part._strip
    return [tuple(pixels[i]) for i in range(len(pixels))]


def writes(bench):
    return [event for event in bench.moved() if event["ev"] == "neopixel"]


def test_a_strip_is_dark_at_once_and_declares_a_colour():
    bench = Bench(STRIP)
    assert len(writes(bench)) == 1
    assert shows(bench) == [(0, 0, 0)] * 3
    assert bench.part.actions["light_color"][0] == 5
    assert "rainbow" in bench.part.actions["light_effect"][2]["effect"]["enum"]
    assert bench.state() == {"light": "off", "brightness": 100, "effect": "none", "color": "#ffffff"}


def test_a_colour_switches_on_and_is_reported_as_it_was_sent():
    bench = Bench(STRIP)
    bench.do("light_color", color="#FF8000")
    assert shows(bench) == [(255, 128, 0)] * 3
    assert bench.state() == {"light": "on", "brightness": 100, "effect": "none", "color": "#ff8000"}
    bench.do("light_brightness", brightness=50)
    assert shows(bench) == [(127, 64, 0)] * 3
    bench.do("light_color", color=bench.state()["color"])
    assert shows(bench) == [(127, 64, 0)] * 3
    bench.do("light_off")
    assert shows(bench) == [(0, 0, 0)] * 3
    bench.do("light_on")
    assert shows(bench) == [(127, 64, 0)] * 3


def test_what_is_no_colour_is_refused():
    bench = Bench(STRIP)
    bench.do("light_on")
    wrong = (
        "ff8000",
        "#ff800",
        "#ff80000",
        "#gg8000",
        "#+f8000",
        "#0x8000",
        "# f8000",
        "#f_8000",
        "red",
        "#FF80é0",
        "",
        16744448,
        None,
        ["#ff8000"],
    )
    for color in wrong:
        assert bench.refused("light_color", color=color) == ("INVALID_PARAMS", "color"), color
    assert bench.refused("light_color") == ("INVALID_PARAMS", "color")
    assert bench.refused("light_color", color="#ff8000", transition=-1) == ("INVALID_PARAMS", "transition")


def test_the_bytes_go_out_in_the_strip_s_order():
    def judge(order, expected):
        bench = Bench(strip(order=order, count=1))
        bench.do("light_color", color="#010203")
        assert list(bench.part._strip.buf) == expected

    cases([("GRB", [2, 1, 3]), ("RGB", [1, 2, 3]), ("BRG", [3, 1, 2]), ("GBR", [2, 3, 1])], judge)


def test_rgbw_gives_the_white_that_is_in_a_colour_to_the_white_led():
    def judge(color, brightness, pixel):
        bench = Bench(strip(rgbw=True, count=2))
        bench.do("light_color", color=color)
        bench.do("light_brightness", brightness=brightness)
        assert shows(bench) == [pixel] * 2

    cases(
        [
            ("#ffffff", 100, (0, 0, 0, 255)),
            ("#ffffff", 50, (0, 0, 0, 127)),
            ("#ff8040", 100, (191, 64, 0, 64)),
            ("#ff0000", 100, (255, 0, 0, 0)),
            ("#000000", 100, (0, 0, 0, 0)),
        ],
        judge,
    )


def test_the_dimmest_light_is_not_dark():
    for color, pixel in (("#ffffff", (1, 1, 1)), ("#ff0000", (1, 0, 0)), ("#80ff00", (0, 1, 0))):
        bench = Bench(dict(STRIP, gamma=True))
        bench.do("light_color", color=color)
        bench.do("light_brightness", brightness=1)
        assert shows(bench) == [pixel] * 3
    bench.do("light_color", color="#000000")
    assert shows(bench) == [(0, 0, 0)] * 3


def test_gamma_follows_the_eye():
    bench = Bench(dict(STRIP, gamma=True))
    bench.do("light_on", brightness=50)
    assert shows(bench)[0][0] == (255 * eye(5000) + 32767) // 65535


def test_a_colour_fade_moves_each_share_one_way_and_ends_exactly():
    bench = Bench(STRIP)
    bench.do("light_color", color="#ff0010")
    seen = []
    bench.do("light_color", color="#00c010", transition=1000)
    assert bench.state()["color"] == "#00c010"
    bench.wait(1000, 10, lambda: seen.append(shows(bench)[0]))
    red, green, blue = zip(*seen)
    assert list(red) == sorted(red, reverse=True) and len(set(red)) > 50
    assert list(green) == sorted(green)
    assert set(blue) == {16}
    assert seen[-1] == (0, 192, 16)


def test_out_of_the_dark_a_light_comes_in_its_own_colour():
    bench = Bench(STRIP)
    bench.do("light_color", color="#ff0000")
    bench.do("light_off")
    seen = []
    bench.do("light_color", color="#0000ff", transition=200)
    bench.wait(200, 10, lambda: seen.append(shows(bench)[0]))
    assert max(pixel[0] for pixel in seen) == 0
    assert seen[-1] == (0, 0, 255)


def test_a_strip_is_written_only_when_a_byte_changes():
    bench = Bench(STRIP)
    bench.do("light_color", color="#020000")
    writes(bench)
    bench.wait(500)
    bench.do("light_on")
    bench.do("light_color", color="#020000", transition=100)
    bench.wait(500)
    assert writes(bench) == []
    bench.do("light_off", transition=1000)
    bench.wait(1000)
    # From 2 through 1 to 0, in a hundred ticks.
    assert len(writes(bench)) == 2


def test_the_rainbow_repeats_and_every_pixel_has_its_full_brightness():
    bench = Bench(STRIP)
    bench.do("light_on", brightness=60)
    bench.do("light_effect", effect="rainbow", speed=50)
    writes(bench)
    bench.part.tick(bench.time)
    assert writes(bench) == []
    top = (255 * linear(6000) + 32767) // 65535
    turns = [[], []]
    for turn in turns:
        bench.wait(10000, 250, lambda turn=turn: turn.append(tuple(shows(bench))))
    assert turns[0] == turns[1]
    assert len(set(turns[0])) == 40
    for look in turns[0]:
        for pixel in look:
            assert max(pixel) == top and min(pixel) == 0
        assert len(set(look)) == 3


def test_a_colour_ends_the_rainbow_and_only_that():
    bench = Bench(STRIP)
    bench.do("light_effect", effect="rainbow")
    bench.wait(100)
    bench.do("light_color", color="#00ff00")
    assert bench.state() == {"light": "on", "brightness": 100, "effect": "none", "color": "#00ff00"}
    assert shows(bench) == [(0, 255, 0)] * 3
    bench.do("light_effect", effect="blink")
    bench.do("light_color", color="#0000ff")
    assert bench.state()["effect"] == "blink"


def test_after_a_rainbow_the_plain_colour_is_back_even_if_it_was_there_before():
    bench = Bench(STRIP)
    bench.do("light_color", color="#00ff00")
    bench.do("light_effect", effect="rainbow")
    bench.wait(100)
    bench.do("light_effect", effect="none")
    assert shows(bench) == [(0, 255, 0)] * 3
    bench.do("light_effect", effect="rainbow")
    bench.wait(100)
    bench.do("light_off")
    assert shows(bench) == [(0, 0, 0)] * 3


def test_the_last_colour_comes_back_and_nonsense_does_not():
    bench = Bench(strip(power_on="last"))
    bench.do("light_color", color="#102030")
    kept = bench.part.saved()
    again = Bench(strip(power_on="last"))
    again.part.restore(kept)
    assert shows(again) == [(16, 32, 48)] * 3
    for mix in ([256, 0, 0], [-1, 0, 0], [1, 2], [1, 2, 3, 4], ["1", 2, 3], [True, 2, 3]):
        again = Bench(strip(power_on="last"))
        again.part.restore(dict(kept, mix=mix))
        assert again.state()["light"] == "off", mix


def white_duties(bench):
    return bench.part._warm_pwm.duty_u16(), bench.part._cold_pwm.duty_u16()


def test_white_is_shared_between_warm_and_cold_in_mirek():
    bench = Bench(WHITE)
    assert bench.state() == {"light": "off", "brightness": 100, "effect": "none", "temperature": 261}

    def judge(mirek, warm):
        bench.do("light_temperature", temperature=mirek)
        assert white_duties(bench) == (warm, 65535 - warm)
        assert bench.state()["temperature"] == mirek

    cases([(153, 0), (370, 65535), (261, 65535 * 108 // 217), (154, 65535 // 217)], judge)
    bench.do("light_brightness", brightness=50)
    assert sum(white_duties(bench)) == linear(5000)


def test_a_temperature_fade_keeps_the_brightness():
    bench = Bench(WHITE)
    bench.do("light_temperature", temperature=153)
    seen = []
    bench.do("light_temperature", temperature=370, transition=500)
    bench.wait(500, 10, lambda: seen.append(white_duties(bench)))
    assert [warm + cold for warm, cold in seen] == [65535] * 50
    assert seen == sorted(seen)
    assert seen[-1] == (65535, 0)


def test_temperatures_out_of_the_lamp_s_range_are_refused():
    bench = Bench(dict(WHITE, cold_mirek=200, warm_mirek=400))
    rule = bench.part.actions["light_temperature"][2]["temperature"]
    assert (rule["minimum"], rule["maximum"]) == (200, 400)
    for mirek in (199, 401, 300.5, "300", None, True):
        assert bench.refused("light_temperature", temperature=mirek) == ("INVALID_PARAMS", "temperature")
    bench.do("light_temperature", temperature=400)


def test_white_inverted_and_off():
    bench = Bench(dict(WHITE, inverted=True))
    assert white_duties(bench) == (65535, 65535)
    bench.do("light_temperature", temperature=370)
    assert white_duties(bench) == (0, 65535)


def test_lights_of_several_drivers_share_a_board():
    narrow = dict(WHITE, name="desk", cold_mirek=200, warm_mirek=300)
    bench = Bench(DIMMER, STRIP, dict(WHITE, name="shelf"), dict(narrow, warm_pin=32, cold_pin=33))
    assert [part.name for part in bench.parts] == ["light", "light2", "shelf", "desk"]
    # Without a target an action goes to the first that has it.
    bench.do("light_color", color="#00ff00")
    assert bench.state()["light2"]["color"] == "#00ff00"
    assert bench.refused("light_color", color="#00ff00", target="light") == ("INVALID_PARAMS", "target")
    bench.do("light_effect", effect="rainbow", target="light2")
    assert bench.refused("light_effect", effect="rainbow") == ("INVALID_PARAMS", "effect")
    bench.do("light_temperature", temperature=370, target="shelf")
    assert bench.refused("light_temperature", temperature=370, target="desk") == (
        "INVALID_PARAMS",
        "temperature",
    )
    assert "rainbow" in bench.registry.manifest()
