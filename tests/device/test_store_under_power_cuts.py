"""Any sequence of lives, each ended by a power cut at any write, with a bit flipped now and then."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from test_device_store import WAYS, Flash, PowerCut

from check import Bytes
from hxtp.counter import Counter
from hxtp_device.store import Store

OPERATIONS = st.one_of(
    st.tuples(st.just("numbers"), st.sampled_from([1, 7, 1023, 1024, 1025])),
    st.tuples(st.just("raise"), st.integers(0, 200000)),
    st.tuples(st.just("floor"), st.integers(1, 1000)),
    st.tuples(st.just("answers"), st.just(0)),
    st.tuples(st.just("time"), st.integers(0, 10**10)),
    st.tuples(st.just("parts"), st.integers(0, 9)),
)
CUT = st.none() | st.tuples(st.integers(1, 14), st.sampled_from(WAYS))
# Which of the two blobs of the core record goes bad, where, and which bit.
ROT = st.none() | st.tuples(st.sampled_from("01"), st.integers(0, 44), st.integers(0, 7))
LIVES = st.lists(st.tuples(st.lists(OPERATIONS, max_size=8), CUT, ROT), min_size=1, max_size=8)


def live(flash, seed, operations, cut):
    """(numbers used as spans, boot count or None, floor that was stored or None)"""
    spans, boot, floor = [], None, None
    flash.steps, flash.cut = 0, cut
    try:
        store = Store(flash, Bytes(seed))
        store.begin()
        boot = store.boot_count
        counter = Counter(store.used, store.reserve)
        for what, value in operations:
            if what == "numbers":
                for _ in range(value):
                    number = counter.next()
                    if spans and spans[-1][1] == number - 1:
                        spans[-1][1] = number
                    else:
                        spans.append([number, number])
            elif what == "raise":
                counter.raise_to(counter.last + value)
            elif what == "floor":
                store.save_floor(store.floor + value)
                floor = store.floor
            elif what == "answers":
                store.save_cloud_answers()
            elif what == "time":
                store.save_time(value)
            else:
                store.save_parts({"part": {"level": value}})
    except PowerCut:
        pass
    finally:
        flash.cut = None
    return spans, boot, floor


@given(LIVES, st.integers(0, 2**32))
def test_no_number_and_no_boot_count_ever_comes_twice(lives, seed):
    flash = Flash()
    spans, boots = [], []
    for turn, (operations, cut, rot) in enumerate(lives):
        used, boot, _ = live(flash, seed + turn, operations, cut)
        spans += used
        if boot is not None:
            boots.append(boot)
        if rot and "core" + rot[0] in flash.blobs:
            blob = bytearray(flash.blobs["core" + rot[0]])
            blob[rot[1] % len(blob)] ^= 1 << rot[2]
            flash.blobs["core" + rot[0]] = bytes(blob)
            # A leap to the cloud's number may be lost with the record; the cloud then says so again.
            spans = [] if any(what == "raise" for what, _ in operations) else spans
    spans.sort()
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    assert len(set(boots)) == len(boots)


@given(LIVES)
def test_what_was_stored_is_there_after_any_power_cut(lives):
    flash = Flash()
    last = 0
    for turn, (operations, cut, _) in enumerate(lives):
        before = Store(flash, Bytes(turn))
        assert before.floor >= last
        _, _, floor = live(flash, turn, operations, cut)
        last = max(last, floor or 0)
        after = Store(flash, Bytes(turn))
        assert after.cloud_answers or not before.cloud_answers
        parts = after.parts()
        assert parts == {} or 0 <= parts["part"]["level"] <= 9
