"""A good capture is told from noise, double presses, a held button, and two remotes at once."""

from remotes import Room, press, together

from capabilities.ir import codecs
from check import Bytes, cases

GOOD = ("captured", "good")


def verdict(room):
    state = room.bench.state()
    return state["ir_learning"], state["ir_quality"]


def test_a_held_button_is_one_press_with_its_repeats():
    def judge(protocol, repeats):
        room = Room()
        room.learn(press(protocol, repeats))
        assert verdict(room) == GOOD
        assert room.learned()["repeats"] == repeats

    rows = [(protocol, 5) for protocol in ("nec", "lg", "jvc", "samsung32", "sony12", "rc5", "rc6")]
    cases(rows + [("kaseikyo", 3), ("nec", 20), ("sony20", 0)], judge)


def test_a_double_press_is_told_from_a_held_button():
    def judge(protocol, pause):
        room = Room()
        frame = press(protocol, command=9)
        assert room.learn(frame + [pause] + frame) == "twice"
        found = room.learned()
        assert found["decoded"]["command"] == 9 and found["repeats"] == 0
        assert found["raw"] == codecs.module(protocol).encode(dict(room.part.capture.fields))
        room.bench.do("ir_keep", name="button")

    cases(
        [
            ("nec", 150000),
            ("nec", 350000),
            ("samsung32", 200000),
            ("rc5", 200000),
            ("sony12", 200000),
            ("jvc", 200000),
        ],
        judge,
    )


def test_a_toggle_that_changed_is_a_second_press_however_fast():
    room = Room()
    frames = [press("rc5", address=3, command=9, toggle=toggle) for toggle in (0, 1)]
    assert room.learn(frames[0] + [80000] + frames[1]) == "twice"


def test_two_buttons_of_one_remote_are_no_good_capture():
    room = Room()
    pause = [200000]
    two = press("nec", command=1) + pause + press("nec", command=2)
    assert room.learn(two) == "different"
    assert "one button" in room.learned()["reason"]
    code, why = room.bench.refused("ir_keep", name="x")
    assert code == "COMMAND_INVALID" and "nothing to keep" in why
    odd = [300, 600, 900, 600] * 6 + [300]
    other = [900, 600, 300, 600] * 6 + [300]
    assert room.learn(odd + pause + other) == "different"


def test_two_remotes_in_turn_or_at_once_are_no_good_capture():
    def judge(*timings):
        room = Room()
        for one in timings:
            assert room.learn(one) == "collided", one
            assert room.bench.refused("ir_keep", name="x")[0] == "COMMAND_INVALID"

    nec, samsung, sony = press("nec"), press("samsung32"), press("sony12")
    kaseikyo = press("kaseikyo", address=77)
    cases(
        [
            (nec + [40000] + samsung,),
            (together(nec, samsung, 5000),),
            (together(nec, samsung, 23456),),
            (together(nec, sony, 7777),),
            (together(kaseikyo, nec, 12345),),
            (together(nec, press("nec", address=1, command=99), 3210),),
            (together(press("samsung32", 1), press("sony12"), 1),),
        ],
        judge,
    )


def test_a_second_remote_beside_one_that_nobody_knows_is_noticed():
    held = [3000, 900] + [400, 500, 400, 1400] * 6 + [400]
    other = [900, 700] * 12 + [900]
    assert Room().learn(held + [40000] + held + [40000] + other) == "collided"


def test_noise_is_waited_out_until_the_button_comes():
    room = Room()
    random = Bytes(3)
    room.bench.do("ir_learn", timeout=20000)
    for _ in range(6):
        room.wait(50)
        room.light([60 + random.below(150), 2000 + random.below(20000)] * random.below(5) + [90])
        room.wait(600)
        assert room.bench.state()["ir_learning"] == "waiting"
    room.light(press("samsung32"))
    room.wait(700)
    assert verdict(room) == GOOD


def test_only_noise_is_told_from_silence():
    room = Room()
    room.bench.do("ir_learn", timeout=3000)
    for _ in range(3):
        room.light([100, 3000, 120, 5000, 80])
        room.wait(800)
    room.wait(2000)
    assert room.bench.state()["ir_learning"] == "noise"
    assert room.learned()["raw"] == [100, 3000, 120, 5000, 80]
    # A lamp flickers for longer, and in short pulses of any distance.
    random = Bytes(4)
    flicker = []
    for _ in range(60):
        flicker += [60 + random.below(120), 300 + random.below(4000)]
    assert room.learn(flicker[:-1], timeout=1000) == "noise"


def test_light_at_random_is_no_two_buttons():
    random = Bytes(5)
    for most in (900, 3000, 20000):
        room = Room()
        light = [1 + random.below(most) for _ in range(601)]
        assert room.learn(light, timeout=1000) in ("noise", "collided"), most


def test_a_held_button_s_short_frames_alone_are_no_button():
    room = Room()
    repeat = [9000, 2250, 562]
    assert room.learn(repeat + [96000] + repeat + [96000] + repeat, timeout=1000) == "noise"


def test_noise_beside_a_button_is_told():
    room = Room()
    room.learn([150, 30000] + press("nec"))
    assert verdict(room) == ("captured", "fair")
    assert "noise" in room.learned()["reason"]


def test_light_without_a_pause_ends_as_overflow():
    room = Room()
    assert room.learn([400, 500] * 600) == "overflow"
    room = Room()
    room.bench.do("ir_learn")
    for _ in range(40):
        room.light([600, 99400] * 1)
        room.wait(0)
        room.bench.wait(100)
    assert room.bench.state()["ir_learning"] != "waiting"


def test_a_button_that_is_held_for_ever_is_learned_all_the_same():
    room = Room()
    room.bench.do("ir_learn")
    frame = press("samsung32", address=7, command=9)
    for _ in range(40):
        room.light(frame)
        room.time.us += 108000 - sum(frame)
        room.bench.wait(108 - sum(frame) // 1000)
        if room.bench.state()["ir_learning"] != "waiting":
            break
    assert verdict(room) == GOOD
    assert room.learned()["decoded"] == {"encoding": "samsung32", "address": 7, "command": 9}
    assert room.learned()["repeats"] > 10


def test_what_nobody_knows_is_learned_raw_and_confirmed_by_learning_it_again():
    frame = [3000, 900] + [400, 500, 400, 1400] * 10 + [400]
    room = Room()
    room.learn(frame)
    assert verdict(room) == ("captured", "fair")
    assert "learn it again" in room.learned()["reason"]
    assert "decoded" not in room.learned() and room.bench.state()["ir_decoded"] == ""
    room.learn([us + 30 for us in frame])
    assert verdict(room) == GOOD
    # Held, it confirms itself.
    room = Room()
    room.learn((frame + [45000]) * 3 + frame)
    assert verdict(room) == GOOD
    found = room.learned()
    assert (found["raw"], found["repeats"]) == (frame, 3) and abs(found["gap"] - 45000) < 16


def test_what_repeats_in_a_form_of_its_own_keeps_both():
    first = [3000, 900] + [400, 500, 400, 1400] * 10 + [400]
    again = [3000, 1800] + [400, 500] * 5 + [400]
    room = Room()
    room.learn(first + ([40000] + again) * 3)
    assert verdict(room) == GOOD
    found = room.learned()
    assert found["once"] == len(first) and found["raw"] == first + again and found["repeats"] == 3


def test_a_code_of_several_frames_is_kept_whole():
    one = [3500, 1700] + [450, 400, 450, 1300] * 16 + [450]
    two = [3500, 1700] + [450, 1300, 450, 400] * 40 + [450]
    room = Room()
    room.learn(one + [30000] + two)
    assert room.bench.state()["ir_learning"] == "captured"
    found = room.learned()
    assert found["total"] == len(one) + 1 + len(two)
    second = room.learned(offset=128)
    assert (found["raw"] + second["raw"]) == one + [30000] + two
    assert second["offset"] == 128 and room.learned(offset=4000)["raw"] == []


def test_an_edge_that_was_missed_does_not_make_a_good_capture():
    frame = press("nec")
    for at in (1, 2, 3, 20, 51, 66):
        room = Room()
        assert room.learn(frame, missed=at, timeout=1000) in ("collided", "noise"), at
    for at in (70, 134, 135):
        assert Room().learn(frame + [40000] + frame, missed=at) == "collided", at
