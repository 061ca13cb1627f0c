"""Learning a button: what it answers and tells, its settings, and what it refuses."""

from remotes import PART, Room, middle, press
from workbench import Bench

from capabilities.ir import codecs
from check import cases, raises

GOOD = ("captured", "good")


def verdict(room):
    state = room.bench.state()
    return state["ir_learning"], state["ir_quality"]


def test_every_protocol_is_learned_and_decoded():
    def judge(protocol):
        room = Room()
        assert room.learn(press(protocol, repeats=1)) == "captured"
        found = room.learned()
        codec = codecs.module(protocol)
        fields = {name: middle(codec.FIELDS[protocol][name]) for name in codec.FIELDS[protocol]}
        fields.pop("toggle", None)
        assert found["decoded"] == dict(fields, encoding=protocol)
        assert found["repeats"] == 1
        # A necext frame has no check, and what repeats it does not say it again.
        assert found["quality"] == ("fair" if protocol == "necext" else "good")
        assert found["freq_khz"] == codec.CARRIER / 1000
        expected = codec.encode(dict(fields, protocol=protocol, toggle=0))
        assert found["raw"] == expected and found["total"] == found["once"] == len(expected)
        # What it says can be sent as it is.
        room.bench.do("ir_send", **found["decoded"])
        assert room.sent[0][2][: len(expected)] == expected

    cases([(protocol,) for protocol in sorted(codecs.MODULES)], judge)


def test_the_ack_comes_at_once_and_the_state_tells_the_rest():
    room = Room()
    assert room.bench.state() == {
        "ir_learning": "idle",
        "ir_decoded": "",
        "ir_quality": "",
        "ir_kept": 0,
    }
    assert room.bench.do("ir_learn") is None
    assert room.bench.state()["ir_learning"] == "waiting"
    room.wait(50)
    room.light(press("nec", address=4, command=8))
    assert room.bench.state()["ir_learning"] == "waiting"
    reports = len(room.bench.reports)
    room.wait(700)
    assert room.bench.state() == {
        "ir_learning": "captured",
        "ir_decoded": "nec address=4 command=8",
        "ir_quality": "good",
        "ir_kept": 0,
    }
    assert len(room.bench.reports) == reports + 1


def test_nothing_is_a_timeout_after_its_time():
    room = Room()
    room.bench.do("ir_learn", timeout=1000)
    room.wait(980)
    assert room.bench.state()["ir_learning"] == "waiting"
    room.wait(30)
    assert room.bench.state()["ir_learning"] == "timeout"
    assert room.learned()["raw"] == [] and "press" in room.learned()["reason"]
    # What comes afterwards is nobody's business.
    room.light(press("nec"))
    room.wait(500)
    assert room.bench.state()["ir_learning"] == "timeout"
    room.bench.do("ir_learn", timeout=2000)
    room.wait(1990)
    room.light(press("nec"))
    room.wait(700)
    assert verdict(room) == GOOD


def test_pulses_below_the_filter_are_joined():
    frame = press("nec", address=4, command=8)
    spoilt = []
    for us in frame:
        # A glitch of 40 us in the middle of each long space and each long mark.
        spoilt += [us // 2, 40, us - us // 2 - 40] if us > 1000 else [us]
    room = Room()
    room.learn(spoilt)
    assert verdict(room) == GOOD
    assert room.learned()["raw"] == frame
    assert room.learn(spoilt, filter_us=30) == "collided"
    wider = [40 if us == 40 else us for us in spoilt]
    wider = [us * 4 if us == 40 else us for us in wider]
    assert room.learn(wider, filter_us=200) == "captured"


def test_idle_and_tolerance_are_settings():
    # A protocol of nobody's with pauses of 12 ms inside its frames.
    frame = [2000, 12000] + [500, 700, 500, 1500] * 8 + [500]
    room = Room()
    room.learn(frame, idle=15)
    assert room.bench.state()["ir_learning"] == "captured" and room.learned()["raw"] == frame
    room = Room()
    wobbling = [us + us * 15 // 100 for us in frame]
    both = frame + [60000] + wobbling
    room.learn(both, idle=15, tolerance=25)
    assert verdict(room) == GOOD and room.learned()["repeats"] == 1
    room = Room()
    room.learn(both, idle=15, tolerance=10)
    assert verdict(room) != GOOD


def test_learning_is_not_disturbed_by_a_receiver_that_is_lit_or_a_clock_that_wraps():
    room = Room(us=(1 << 30) - 130000)
    import _board

    _board.inputs[27] = 0
    room.bench.do("ir_learn")
    room.wait(20)
    pin = room.part._receiver_pin
    _board.inputs[27] = 1
    pin.handler(pin)  # what was under way ends
    room.wait(50)
    room.light(press("nec"))
    room.wait(700)
    assert room.bench.state()["ir_learning"] == "captured"


def test_a_receiver_that_is_high_when_lit():
    room = Room(receiver_active_low=False)
    room.learn(press("nec"))
    assert verdict(room) == GOOD


def test_learning_again_while_it_waits_begins_anew():
    room = Room()
    room.bench.do("ir_learn", timeout=1000)
    room.wait(900)
    room.bench.do("ir_learn", timeout=1000, name="tv")
    room.wait(900)
    assert room.bench.state()["ir_learning"] == "waiting"
    room.light(press("nec"))
    room.wait(700)
    assert verdict(room) == GOOD and room.bench.state()["ir_kept"] == 1


def test_the_interrupt_handler_allocates_nothing():
    import micropython

    room = Room(us=1000)
    room.bench.do("ir_learn")
    receiver = room.part._listening.receiver
    handler, clock = receiver._edge, room.time
    lock = getattr(micropython, "heap_lock", lambda: None)  # which makes allocating a MemoryError
    unlock = getattr(micropython, "heap_unlock", lambda: None)
    lock()
    try:
        for _ in range(1100):
            clock.us += 600
            handler(None)
        clock.us += 90000
        handler(None)
    finally:
        unlock()
    assert receiver.edges == 1101 and receiver.us(1) == receiver.us(1023) == 600


def test_garbage_is_collected_as_before_once_learning_is_over():
    import gc

    if not hasattr(gc, "threshold"):
        return
    before = 4096
    gc.threshold(before)
    for light in ([], press("nec"), [100, 300, 90]):
        room = Room()
        room.bench.do("ir_learn", timeout=1000)
        assert gc.threshold() != before, "a collection would hold up the edges"
        room.light(light)
        room.wait(2000)
        assert gc.threshold() == before


def test_a_capture_that_finds_no_memory_is_told_and_the_next_one_is_learned():
    room = Room()
    room.bench.do("ir_learn")

    def poll(now):
        raise MemoryError()

    room.part._listening.poll = poll
    raises(MemoryError, room.bench.wait, 10)
    assert room.bench.state()["ir_learning"] == "failed"
    assert room.part._receiver_pin.handler is None
    assert room.learn(press("nec")) == "captured"


def test_options_that_make_no_sense_are_named():
    for options in ({"receiver_active_low": 1}, {"receiver_pin": "27"}, {"receiver_pin": 4}):
        error = raises(ValueError, Room, **options)
        assert next(iter(options)) in str(error) or "GPIO 4" in str(error)


def test_wrong_parameters_are_refused_by_name():
    room = Room()

    def judge(member, value):
        assert room.bench.refused("ir_learn", **{member: value}) == ("INVALID_PARAMS", member)

    rows = [("timeout", value) for value in (0, 999, 60001, "5")]
    rows += [("filter_us", -1), ("filter_us", 251), ("idle", 4), ("idle", 101), ("tolerance", 4)]
    cases(rows + [("tolerance", 41), ("name", "TV"), ("name", ""), ("name", 5)], judge)
    assert room.bench.refused("ir_learned")[0] == "COMMAND_INVALID"
    assert room.bench.refused("ir_learned", name="tv") == ("INVALID_PARAMS", "name")


def test_without_a_receiver_nothing_of_it_is_offered():

    bench = Bench({"kind": "ir", "pin": 4})
    assert "ir_learn" not in bench.part.actions and bench.state() == {}
    assert bench.refused("ir_learn")[0] == "UNKNOWN_ACTION"


def test_only_one_part_learns():

    error = raises(ValueError, Bench, PART, {"kind": "ir", "pin": 5, "receiver_pin": 26})
    assert "receiver_pin" in str(error)
    bench = Bench(PART, {"kind": "ir", "pin": 5})
    assert bench.registry.run("ir_send_nec", {"address": 1, "command": 2, "target": "ir2"})["result"]
