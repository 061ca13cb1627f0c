"""Whatever light falls on a receiver: a verdict, no crash, and no more memory or steps than are stated."""

import json
from array import array

import remotes
from hypothesis import given, settings
from hypothesis import strategies as st

from capabilities.ir import codecs, keep, learn, receive
from capabilities.ir.capture import TIMEOUT
from check import Bytes
from hxtp.registry import MAX_RESULT

VERDICTS = {
    learn.CAPTURED,
    learn.TWICE,
    learn.DIFFERENT,
    learn.COLLIDED,
    learn.NOISE,
    learn.OVERFLOW,
}
LENGTHS = (40, 90, 200, 444, 562, 889, 1200, 1690, 1778, 2250, 2666, 4500, 9000, 12000, 40000, 96000, 200000)


def pieces():
    """Pieces of a capture: anything, what remotes send, or the like of it cut off anywhere."""
    some = st.lists(st.one_of(st.sampled_from(LENGTHS), st.integers(1, 600000)), min_size=1, max_size=60)
    buttons = st.builds(
        lambda protocol, repeats, end: remotes.press(protocol, repeats)[:end],
        st.sampled_from(sorted(codecs.MODULES)),
        st.integers(0, 3),
        st.integers(1, 300),
    )
    return st.one_of(some, buttons)


trains = st.lists(pieces(), min_size=0, max_size=6).map(lambda found: [us for piece in found for us in piece])


@given(timings=trains, first=st.sampled_from([1, 2]), shortest=st.integers(0, 250), full=st.booleans())
def test_any_train_has_a_verdict_that_can_be_told_and_kept(timings, first, shortest, full):
    heard = [0] * first + timings
    cleaned = receive.clean(heard.__getitem__, first, len(heard), shortest)
    assert len(cleaned) <= len(timings) and sum(cleaned) <= sum(timings)
    assert not shortest or all(us >= shortest for us in cleaned)
    before = learn.judge(cleaned, 10000, 25, full)
    capture = learn.judge(cleaned, 10000, 25, full, before)
    assert capture.verdict in VERDICTS and len(capture.reason) <= 64
    assert len(capture.once) <= len(cleaned)
    if capture.usable():
        assert capture.quality in ("good", "fair") and (capture.quality == "good") == (not capture.reason)
        assert len(capture.once) % 2 == 1 and min(capture.once) > 0 and capture.repeats >= 0
        code = keep.Code(None, 38000, capture.gap, capture.once, capture.again or ())
        if sum(cleaned) < 2_000_000:
            number, again = keep.unpack(keep.pack(400, code))
            assert number == 400 and again.once == list(capture.once)
    else:
        assert capture.reason and not capture.quality


@settings(max_examples=10)
@given(timings=trains)
def test_a_part_that_learned_anything_goes_on_working(timings):
    room = remotes.Room()
    room.bench.do("ir_learn", timeout=1000)
    room.light(timings)
    room.wait(4000)
    state = room.bench.state()
    assert state["ir_learning"] in VERDICTS | {TIMEOUT}
    found = room.learned()
    assert len(json.dumps(found)) < MAX_RESULT
    ack = room.bench.registry.run("ir_keep", {"name": "it"})
    assert (ack["ack_status"] == "executed") == (state["ir_learning"] in (learn.CAPTURED, learn.TWICE))
    if ack["ack_status"] == "executed":
        room.bench.do("ir_it", repeats=1)
    assert not room.bench.faults
    assert room.learn(remotes.press("nec", address=9, command=9)) == "captured"


class Counted:
    """A capture that counts how often it is read."""

    def __init__(self, values):
        self.values = array("I", values)
        self.steps = 0

    def __len__(self):
        return len(self.values)

    def __getitem__(self, at):
        if isinstance(at, slice):
            self.steps += len(self.values[at])
            return self.values[at]
        self.steps += 1
        return self.values[at]


def test_two_thousand_pulses_are_judged_in_steps_that_their_number_bounds():
    random = Bytes(5)
    frame = [*remotes.press("nec"), 40000]
    makers = {
        "frames": lambda i: frame[i % 68],
        "repeats": lambda i: (9000, 2250, 562, 96000)[i % 4],
        "one length": lambda i: 562,
        "headers": lambda i: 4500 if i % 2 else 9000,
        "short frames": lambda i: 20000 if i % 14 == 13 else 500 + 100 * (i % 7),
        "any": lambda i: 1 + random.below(20000),
        "rc5 at will": lambda i: 30000 if i % 26 == 25 else random.choice((889, 1778)),
    }
    for name, maker in makers.items():
        capture = Counted([maker(i) for i in range(2000)])
        learn.judge(capture, 10000, 25)
        assert capture.steps < 25 * 2000, (name, capture.steps)


def test_no_more_edges_are_kept_than_stated():
    room = remotes.Room()
    room.bench.do("ir_learn")
    receiver = room.part._listening.receiver
    room.light([300, 300] * 5000)
    assert receiver.edges == 10000
    assert sum(len(piece) for piece in receiver._heard) == receive.MOST == 1024
    assert all(piece.itemsize == 2 for piece in receiver._heard)
