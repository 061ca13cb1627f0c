"""What survives a power cut: no sequence number and no boot count ever comes twice."""

from check import Bytes, cases, raises
from hxtp.counter import FIRST_CHUNK, Counter
from hxtp_device.store import Record, Store

WAYS = ("before", "torn", "after")


class PowerCut(BaseException):
    """The end of a life; nothing in the firmware may catch it."""


class Flash:
    """esp32.NVS, harsher than the real one: a blob is in flash as soon as it is set, and can be torn there.

    `cut`: (n, way): power goes at the n-th write from now.
    """

    def __init__(self, blobs=None):
        self.blobs = {} if blobs is None else blobs
        self.numbers = {}
        self.steps = 0
        self.cut = None
        self.broken = False

    def _step(self, whole, half):
        if self.broken:
            raise OSError(-4352)
        self.steps += 1
        if self.cut and self.steps == self.cut[0]:
            if self.cut[1] == "torn":
                half()
            elif self.cut[1] == "after":
                whole()
            raise PowerCut()
        whole()

    def set_blob(self, key, value):
        assert len(key) <= 15
        value = bytes(value)
        old = self.blobs.get(key, b"")
        self._step(
            lambda: self.blobs.__setitem__(key, value),
            lambda: self.blobs.__setitem__(key, value[: len(value) // 2] + old[len(value) // 2 :]),
        )

    def get_blob(self, key, buffer):
        if key not in self.blobs or len(self.blobs[key]) > len(buffer):
            raise OSError(-4354)
        buffer[: len(self.blobs[key])] = self.blobs[key]
        return len(self.blobs[key])

    def set_i32(self, key, value):
        self._step(lambda: self.numbers.__setitem__(key, value), lambda: None)

    def get_i32(self, key):
        if key not in self.numbers:
            raise OSError(-4354)
        return self.numbers[key]

    def commit(self):
        self._step(lambda: None, lambda: None)


class Life:
    """From one power-on to the next, until `cut`. `numbers` used in it: [first, last], or empty."""

    def __init__(self, flash, random, count, cut=None):
        self.numbers = []
        self.boot = None
        self.floor = 0
        flash.cut = cut
        flash.steps = 0
        try:
            store = Store(flash, random)
            store.begin()
            self.boot = store.boot_count
            counter = Counter(store.used, store.reserve)
            for turn in range(count):
                number = counter.next()
                self.numbers = [self.numbers[0] if turn else number, number]
                assert number - self.numbers[0] == turn
                if turn == 10:
                    store.save_cloud_answers()
                if turn == 20:
                    store.save_floor(4711)
                    self.floor = 4711
                if turn == 30:
                    store.save_parts({"light": {"on": True, "brightness": 80}})
            self.whole = True
        except PowerCut:
            self.whole = False
        self.steps = flash.steps
        flash.cut = None


def no_number_twice(lives):
    spans = sorted([life.numbers for life in lives if life.numbers])
    for before, after in zip(spans, spans[1:]):
        assert before[1] < after[0], "a number was used twice"
    boots = [life.boot for life in lives if life.boot is not None]
    assert len(set(boots)) == len(boots), "a boot was counted twice"


def flash_with(text):
    flash = Flash()
    store = Store(flash, Bytes(1))
    store.begin()
    store.save_parts(text)
    return flash


def test_a_boot_takes_one_write_and_the_first_thousand_numbers_none_more():
    flash = Flash()
    store = Store(flash, Bytes(1))
    assert store.writes == 0
    store.begin()
    counter = Counter(store.used, store.reserve)
    for _ in range(FIRST_CHUNK):
        counter.next()
    assert store.writes == 1
    counter.next()
    assert store.writes == 2


def test_there_is_less_than_one_write_in_a_thousand_messages():
    store = Store(Flash(), Bytes(1))
    store.begin()
    counter = Counter(store.used, store.reserve)
    for _ in range(20000):
        counter.next()
    assert store.writes <= 20


def test_numbers_rise_over_reboots_and_boots_are_counted():
    flash = Flash()
    lives = [Life(flash, Bytes(seed), 50) for seed in range(5)]
    for before, after in zip(lives, lives[1:]):
        assert after.boot == before.boot + 1
        assert after.numbers[0] > before.numbers[-1]
    assert lives[1].numbers[0] == lives[0].numbers[0] + FIRST_CHUNK


def test_a_power_cut_at_any_write_repeats_nothing():
    steps = Life(Flash(), Bytes(1), 2500).steps
    assert steps >= 10

    def judge(first, way, second):
        flash = Flash()
        lives = [Life(flash, Bytes(1), 40)]
        lives.append(Life(flash, Bytes(2), 2500, (first, way)))
        assert not lives[1].whole
        # Cut again at the very next boot, where that is asked for.
        lives.append(Life(flash, Bytes(3), 40, (second, way) if second else None))
        lives.append(Life(flash, Bytes(4), 40))
        no_number_twice(lives)
        assert lives[3].boot > lives[1].boot if lives[1].boot else True

    cases([(n, way, again) for n in range(1, steps - 1) for way in WAYS for again in (0, 1, 2)], judge)


def test_a_power_cut_in_the_first_boot_of_all_repeats_nothing():
    for step in (1, 2):
        for way in WAYS:
            flash = Flash()
            cuts = ((step, way), None, None)
            no_number_twice([Life(flash, Bytes(seed), 40, cuts[seed]) for seed in range(3)])


def test_a_spoilt_record_repeats_nothing_whichever_it_is():
    def judge(lives_before, slot, at):
        flash = Flash()
        lives = [Life(flash, Bytes(seed), 1500) for seed in range(lives_before)]
        blob = flash.blobs["core" + slot]
        flash.blobs["core" + slot] = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        lives += [Life(flash, Bytes(seed), 40) for seed in (91, 92)]
        no_number_twice(lives)

    cases([(n, slot, at) for n in (1, 2, 3) for slot in "01" for at in range(0, 45, 4)], judge)


def test_a_spoilt_record_never_counts_as_one():
    flash = Flash()
    record = Record(flash, "x")
    record.write(b"first")
    record.write(b"second")
    good = dict(flash.blobs)
    key = "x0"
    assert b"second" in good[key]
    for at in range(len(good[key])):
        flash.blobs = dict(good)
        flash.blobs[key] = good[key][:at] + bytes([good[key][at] ^ 0x10]) + good[key][at + 1 :]
        again = Record(flash, "x")
        assert again.spoilt and again.value == b"first"
    for size in range(len(good[key])):
        flash.blobs = dict(good)
        flash.blobs[key] = good[key][:size]
        assert Record(flash, "x").value == b"first"


def test_a_record_of_another_name_is_not_taken():
    flash = Flash()
    Record(flash, "x").write(b"value")
    flash.blobs["y1"] = flash.blobs["x1"]
    assert Record(flash, "y").value is None


def test_an_erased_flash_begins_at_random_points_that_leave_room():
    boots = []
    numbers = []
    for seed in range(40):
        store = Store(Flash(), Bytes(seed))
        boots.append(store.boot_count)
        numbers.append(store.used)
    assert len(set(boots)) == len(set(numbers)) == 40
    assert max(boots + numbers) < 1 << 29


def test_two_spoilt_records_count_as_none():
    flash = Flash()
    first = Life(flash, Bytes(1), 40)
    second = Life(flash, Bytes(2), 40)
    for slot in "01":
        flash.blobs["core" + slot] = b"\x00" * 45
    no_number_twice([first, second, Life(flash, Bytes(3), 40), Life(flash, Bytes(4), 40)])


def test_a_write_that_fails_allows_nothing():
    flash = Flash()
    store = Store(flash, Bytes(1))
    store.begin()
    counter = Counter(store.used, store.reserve)
    for _ in range(FIRST_CHUNK):
        last = counter.next()
    flash.broken = True
    raises(OSError, counter.next)
    raises(OSError, store.save_floor, 5)
    raises(OSError, store.save_cloud_answers)
    assert store.floor == 0 and store.cloud_answers is False
    flash.broken = False
    assert counter.next() == last + 1


def test_a_boot_that_cannot_be_counted_is_not_one():
    flash = Flash()
    store = Store(flash, Bytes(1))
    flash.broken = True
    raises(OSError, store.begin)
    flash.broken = False
    before = store.boot_count
    store.begin()
    assert store.boot_count == before + 1


def test_what_a_session_keeps_comes_back():
    flash = Flash()
    store = Store(flash, Bytes(1))
    store.begin()
    assert store.cloud_answers is False and store.floor == 0 and store.time == 0
    store.save_cloud_answers()
    store.save_floor(9007199254740991)
    store.save_time(1800000000)
    again = Store(flash, Bytes(2))
    assert again.cloud_answers is True
    assert again.floor == 9007199254740991
    assert again.time == 1800000000
    assert again.boot_count == store.boot_count


def test_a_floor_that_was_stored_is_never_lost():
    steps = Life(Flash(), Bytes(1), 100).steps

    def judge(step, way):
        flash = Flash()
        life = Life(flash, Bytes(1), 100, (step, way))
        assert Store(flash, Bytes(2)).floor >= life.floor

    cases([(step, way) for step in range(1, steps + 1) for way in WAYS], judge)


def test_states_of_parts_come_back():
    states = {"light": {"on": True}, "relay": {"on": False, "note": "\u00e9"}}
    assert Store(flash_with(states), Bytes(2)).parts() == states
    assert Store(Flash(), Bytes(2)).parts() == {}


def test_states_that_did_not_change_are_not_written():
    flash = flash_with({"light": {"on": True, "brightness": 5}})
    store = Store(flash, Bytes(2))
    store.save_parts({"light": {"brightness": 5, "on": True}})
    assert store.writes == 0
    store.save_parts({"light": {"brightness": 6, "on": True}})
    assert store.writes == 1
    store.save_parts({})
    assert store.writes == 2


def test_a_board_without_anything_to_save_writes_nothing():
    store = Store(Flash(), Bytes(2))
    store.save_parts({})
    assert store.writes == 0


def test_states_too_large_for_flash_are_refused_and_the_old_ones_stay():
    flash = flash_with({"light": {"on": True}})
    raises(ValueError, Store(flash, Bytes(2)).save_parts, {"light": {"scene": "x" * 2000}})
    assert Store(flash, Bytes(2)).parts() == {"light": {"on": True}}


def test_a_torn_state_of_parts_leaves_the_older_one_and_the_numbers_alone():
    flash = flash_with({"light": {"on": True}})
    boot = Store(flash, Bytes(2)).boot_count
    flash.steps = 0
    flash.cut = (1, "torn")
    raises(PowerCut, Store(flash, Bytes(2)).save_parts, {"light": {"on": False}})
    store = Store(flash, Bytes(2))
    assert store.parts() == {"light": {"on": True}}
    assert store.boot_count == boot
