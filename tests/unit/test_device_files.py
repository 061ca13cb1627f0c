"""Files of a part: whole or not there, at whatever write the power goes, and nothing is left lying about."""

from workbench import ram_disk

from check import cases, raises
from hxtp_device.files import Files

WAYS = ("before", "torn", "after")


class PowerCut(BaseException):
    """The end of a life; nothing in the firmware may catch it."""


class Flash:
    """A disk whose n-th write from now is the last: cut = (n, way)."""

    def __init__(self):
        self.disk, self._open = ram_disk()
        self.cut = None
        self.steps = 0
        self.full = False

    def step(self, whole, half=None):
        self.steps += 1
        if self.cut and self.steps == self.cut[0]:
            if self.cut[1] == "torn" and half:
                half()
            elif self.cut[1] == "after":
                whole()
            raise PowerCut()
        whole()

    def listdir(self, folder):
        return self.disk.listdir(folder)

    def mkdir(self, folder):
        self.step(lambda: self.disk.mkdir(folder))

    def rename(self, old, new):
        self.step(lambda: self.disk.rename(old, new))

    def remove(self, name):
        self.step(lambda: self.disk.remove(name))

    def open(self, name, mode):
        if mode == "rb":
            return self._open(name, mode)
        return Writer(self, name)

    def files(self):
        """As after power-on."""
        self.cut = None
        self.steps = 0
        return Files("parts/ir", self, self.open)


class Writer:
    def __init__(self, flash, name):
        self._flash = flash
        flash.step(lambda: self._begin(name))

    def _begin(self, name):
        self._file = self._flash._open(name, "wb")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass

    def write(self, data):
        if self._flash.full:
            raise OSError(28)
        half = data[: len(data) // 2]
        self._flash.step(lambda: self._file.write(data), lambda: self._file.write(half))


def test_values_come_back_by_name():
    flash = Flash()
    files = flash.files()
    assert files.names() == []
    files.write("b", b"two")
    files.write("a", b"one" * 300)
    assert flash.files().names() == ["a", "b"]
    assert flash.files().read("a", 900) == b"one" * 300
    files.write("a", b"")
    assert files.read("a", 900) == b""
    files.rename("a", "c")
    assert files.names() == ["b", "c"]
    files.remove("b")
    assert files.names() == ["c"]
    assert sorted(flash.disk.files) == ["parts/ir/c"]


def test_power_lost_at_any_write_leaves_the_old_or_the_new_and_nothing_else():
    def judge(change, before, after):
        def life(cut):
            flash = Flash()
            files = flash.files()
            for name in before:
                files.write(name, before[name])
            files = flash.files()
            flash.cut = cut
            try:
                change(files)
            except PowerCut:
                pass
            steps = flash.steps
            files = flash.files()
            found = {name: files.read(name, 100) for name in files.names()}
            left = sorted(flash.disk.files)
            assert left == sorted(["parts/ir/" + name for name in found]), left
            return found, steps

        found, steps = life(None)
        assert found == after and steps
        for n in range(1, steps + 1):
            for way in WAYS:
                found, _ = life((n, way))
                assert found in (before, after), (n, way, found)
        assert life((steps, "after"))[0] == after

    cases(
        [
            (lambda files: files.write("a", b"new"), {}, {"a": b"new"}),
            (lambda files: files.write("a", b"new"), {"a": b"older"}, {"a": b"new"}),
            (lambda files: files.write("a", b"new"), {"b": b"b"}, {"a": b"new", "b": b"b"}),
            (lambda files: files.rename("a", "b"), {"a": b"1"}, {"b": b"1"}),
            (lambda files: files.remove("a"), {"a": b"1", "b": b"2"}, {"b": b"2"}),
        ],
        judge,
    )


def test_a_spoilt_or_oversized_value_is_none():
    flash = Flash()
    files = flash.files()
    files.write("a", b"value")
    whole = flash.disk.files["parts/ir/a"]
    for at in range(len(whole)):
        flash.disk.files["parts/ir/a"] = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        assert files.read("a", 5) is None
        flash.disk.files["parts/ir/a"] = whole[:at]
        assert files.read("a", 5) is None
    flash.disk.files["parts/ir/a"] = whole
    assert files.read("a", 5) == b"value"
    assert files.read("a", 4) is None


def test_a_full_flash_keeps_the_old_value_and_leaves_nothing_lying():
    flash = Flash()
    files = flash.files()
    files.write("a", b"old")
    flash.full = True
    raises(OSError, files.write, "a", b"new")
    raises(OSError, files.write, "b", b"new")
    assert sorted(flash.disk.files) == ["parts/ir/a"]
    assert files.read("a", 3) == b"old"
    raises(OSError, files.read, "b", 3)
    raises(OSError, files.remove, "b")
