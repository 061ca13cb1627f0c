"""Sequence numbers: given out once, taken once."""

from check import raises
from hxtp.counter import Counter
from hxtp.replay import Floor
from hxtp.window import Window


def test_numbers_rise_by_one():
    counter = Counter(0, lambda limit: None)
    assert [counter.next() for _ in range(5)] == [1, 2, 3, 4, 5]


def test_a_number_is_in_flash_before_it_is_given():
    # HX3-SEQ-12
    stored = []
    counter = Counter(0, stored.append)
    for _ in range(5000):
        assert counter.next() <= stored[-1]


def test_less_than_one_write_for_a_thousand_numbers():
    # HX3-SEQ-13
    stored = []
    counter = Counter(0, stored.append)
    for _ in range(20000):
        counter.next()
    assert len(stored) <= 20


def test_chunks_stop_growing():
    stored = [0]
    counter = Counter(0, stored.append)
    for _ in range(12):
        counter.raise_to(stored[-1])
        counter.next()
    steps = [b - a for a, b in zip(stored, stored[1:])]
    assert steps[0] == 1024 and max(steps) == 65536


def test_after_a_reset_nothing_is_used_twice():
    # HX3-SEQ-11
    flash = [0]

    def reserve(limit):
        flash[0] = limit

    seen = set()
    for used in (1, 0, 7, 1024, 1025, 3, 5000):
        counter = Counter(flash[0], reserve)
        for _ in range(used):
            number = counter.next()
            assert number not in seen
            seen.add(number)


def test_when_flash_fails_no_number_is_given():
    # HX3-SEQ-12
    def broken(limit):
        raise OSError(5)

    counter = Counter(10, broken)
    raises(OSError, counter.next)
    assert counter.last == 10


def test_one_write_can_cover_the_boot_and_the_first_chunk():
    # HX3-SEQ-13
    stored = []
    counter = Counter(100, stored.append, 1124)
    for _ in range(1024):
        counter.next()
    assert stored == []
    counter.next()
    assert stored == [1124 + 1024]


def test_the_counter_goes_above_what_the_peer_has_seen_and_never_back():
    # HX3-SESS-18
    stored = []
    counter = Counter(0, stored.append)
    counter.raise_to(70000)
    assert counter.next() == 70001 and stored[-1] > 70001
    counter.raise_to(5)
    assert counter.next() == 70002


def test_a_floor_takes_only_rising_numbers():
    # HX3-SEQ-01
    floor = Floor()
    assert not floor.sequence_ok(0) and floor.sequence_ok(1) and floor.sequence_ok(9007199254740991)
    floor.accept(5, b"a")
    assert not floor.sequence_ok(5) and not floor.sequence_ok(4) and floor.sequence_ok(6)
    assert Floor(-1).sequence_ok(0)


def test_a_floor_names_the_last_sixteen_nonces():
    # HX3-SEQ-02
    floor = Floor()
    for number in range(1, 18):
        floor.accept(number, b"%d" % number)
    assert not floor.nonce_seen(b"1") and floor.nonce_seen(b"2") and floor.nonce_seen(b"17")
    assert len(floor.nonces) == 16


def test_a_window_takes_each_number_once_in_any_order():
    # HX3-SEQ-04, HX3-SEQ-10
    window = Window()
    assert not window.sequence_ok(0)
    for number in (3, 1, 2, 64, 5, 130, 67, 129):
        assert window.sequence_ok(number), number
        window.accept(number, b"n")
        assert not window.sequence_ok(number)


def test_a_window_is_sixty_four_wide():
    # HX3-SEQ-04
    window = Window()
    window.accept(100)
    assert window.sequence_ok(37) and not window.sequence_ok(36)
    window.accept(100 + 63)
    assert not window.sequence_ok(100)
    assert window.sequence_ok(101)


def test_a_window_forgets_everything_after_a_great_leap():
    window = Window(10, 0b1011)
    window.accept(10 + 64)
    assert window.highest == 74 and window.taken == 1
    window.accept(73)
    assert window.taken == 0b11


def test_nothing_is_taken_far_above_the_highest():
    # HX3-SEQ-05
    window = Window(5)
    assert window.sequence_ok(5 + 4294967296)
    assert not window.sequence_ok(5 + 4294967297)


def test_a_window_remembers_no_nonces():
    assert not Window().nonce_seen(b"a")
