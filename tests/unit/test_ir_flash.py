"""Learned commands in flash: whole after a power cut at any write, and never what nobody learned."""

from remotes import Room, press
from test_device_files import Flash, PowerCut

from capabilities.ir import keep
from check import cases, raises
from hxtp.errors import HxtpError
from hxtp_device.files import Files

RAW = [3000, 900] + [400, 500, 400, 1400] * 6 + [400]


def room(flash=None, **options):
    made = Room(flash=Files("parts/ir", flash, flash.open) if flash else None, **options)
    made.part.files = made.bench.flash
    return made


def kept(room):
    return room.bench.do("ir_kept")["kept"]


def test_a_flash_that_fails_is_told_and_nothing_is_offered():
    flash = Flash()
    one = room(flash)
    one.learn(press("nec"), name="old")
    flash.full = True
    code, why = one.bench.refused("ir_keep", name="new")
    assert code == "COMMAND_INVALID" and why.startswith("flash")
    assert kept(one) == {"old": 400}
    flash.disk.files.clear()
    rename = {"name": "old", "to": "x"}
    for action, params in (("ir_remove", {"name": "old"}), ("ir_rename", rename), ("ir_old", {})):
        assert one.bench.refused(action, **params)[1].startswith("flash")


def test_what_is_spoilt_in_flash_is_listed_not_offered_and_can_be_replaced():
    def judge(spoil):
        flash = Flash()
        one = room(flash)
        one.learn(press("nec"), name="a")
        one.learn(press("nec"), name="b")
        path = "parts/ir/a"
        flash.disk.files[path] = spoil(flash.disk.files[path])
        again = room(flash)
        assert kept(again) == {"a": 0, "b": 401}
        assert "ir_a" not in again.part.actions
        assert "spoilt" in again.bench.refused("ir_learned", name="a")[1]
        again.learn(press("nec", command=9), name="a")
        assert kept(room(flash)) == {"a": 400, "b": 401}

    cases([(lambda data: b"",), (lambda data: data[:20],), (lambda data: data[:-1] + b"\x00",)], judge)


def test_a_file_that_was_copied_under_another_name_does_not_get_the_same_id():
    flash = Flash()
    room(flash).learn(press("nec"), name="a")
    flash.disk.files["parts/ir/b"] = flash.disk.files["parts/ir/a"]
    flash.disk.files["parts/ir/send"] = flash.disk.files["parts/ir/a"]
    flash.disk.files["parts/ir/" + "x" * 30] = flash.disk.files["parts/ir/a"]
    again = room(flash)
    assert kept(again) == {"a": 400, "b": 0, "send": 0, "x" * 30: 0}
    again.bench.do("ir_a")
    again.bench.do("ir_remove", name="send")
    again.bench.do("ir_rename", name="b", to="c")
    assert sorted(kept(again)) == ["a", "c", "x" * 30]


def test_files_of_another_version_or_sense_are_not_taken():
    good = keep.pack(400, keep.Code({"encoding": "nec"}, 38000, 40000, [500, 600, 500]))
    assert keep.unpack(good)[0] == 400
    assert keep.unpack(None) is None
    for size in range(len(good)):
        found = keep.unpack(good[:size])
        assert found is None or found[1].once != [500, 600, 500]
    for at in range(len(good)):
        for bit in (1, 128):
            found = keep.unpack(good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :])
            assert found is None or 400 <= found[0] <= 999
    long = keep.Code(None, 38000, 1, [100000] * 1500)
    assert raises(HxtpError, keep.pack, 400, long).detail == "too long to keep"
    for once in ([0], [2000001], []):
        assert keep.unpack(keep.pack(400, keep.Code(None, 38000, 1, once))) is None
    assert keep.unpack(keep.pack(400, keep.Code(None, 38000, 1, [1 << 40]))) is None


def test_timings_survive_exactly():
    once = [1, 127, 128, 16383, 16384, 2000000, 9000]
    code = keep.unpack(keep.pack(999, keep.Code(None, 60000, 123456, once, once[:3])))[1]
    assert (code.once, code.again, code.gap, code.carrier) == (once, once[:3], 123456, 60000)


def test_power_lost_at_any_write_leaves_the_old_or_the_new():
    def judge(action, params, expected):
        # How it ends without a cut, and after how many writes.
        flash = Flash()
        prepare(flash)
        flash.steps = 0
        act(flash, action, params, None)
        steps = flash.steps
        assert kept(room(flash)) == expected
        for n in range(1, steps + 1):
            for way in ("before", "torn", "after"):
                flash = Flash()
                prepare(flash)
                before = kept(room(flash))
                flash.steps = 0
                act(flash, action, params, (n, way))
                flash.cut = None
                after = room(flash)
                assert kept(after) in (before, expected), (n, way)
                for name in kept(after):
                    assert kept(after)[name] and after.learned(name=name)["decoded"]
                names = sorted("parts/ir/" + name for name in kept(after))
                assert sorted(flash.disk.files) == names, "something was left lying"

    def prepare(flash):
        files = Files("parts/ir", flash, flash.open)
        files.write("a", keep.pack(400, keep.Code({"encoding": "nec"}, 38000, 1, [500, 500, 500])))

    def act(flash, action, params, cut):
        one = room(flash)
        one.learn(press("nec", command=77))
        flash.cut = cut
        try:
            one.bench.do(action, **params)
        except PowerCut:
            pass

    cases(
        [
            ("ir_keep", {"name": "a"}, {"a": 400}),
            ("ir_keep", {"name": "b"}, {"a": 400, "b": 401}),
            ("ir_rename", {"name": "a", "to": "c"}, {"c": 400}),
            ("ir_remove", {"name": "a"}, {}),
        ],
        judge,
    )
