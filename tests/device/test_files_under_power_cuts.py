"""Files of a part on the virtual board's flash, in which every write can be the last one."""

import contextlib
import os

import _flash
import pytest

from hxtp_device.files import Files


class PowerCut(BaseException):
    """The end of a life; nothing in the firmware may catch it."""


class Stock:
    """As much of `os` as Files takes, every change of it a flash write."""

    listdir = staticmethod(os.listdir)
    mkdir = staticmethod(_flash.mkdir)
    rename = staticmethod(_flash.rename)
    remove = staticmethod(_flash.remove)


def files() -> Files:
    return Files("parts/ir", Stock, _flash.open_file)


def content() -> dict:
    return {name: files().read(name, 9000) for name in files().names()}


CHANGES = [
    (lambda one: one.write("a", b"new" * 2000), {}),
    (lambda one: one.write("a", b"new" * 2000), {"a": b"old" * 1500}),
    (lambda one: one.write("b", b"new"), {"a": b"old"}),
    (lambda one: one.rename("a", "b"), {"a": b"old" * 1500}),
    (lambda one: one.remove("a"), {"a": b"old", "b": b"b"}),
]


@pytest.mark.parametrize("change, before", CHANGES, ids=["first", "replaced", "second", "renamed", "removed"])
def test_a_cut_at_any_write_leaves_the_old_or_the_new_and_nothing_else(tmp_path, monkeypatch, change, before):
    def cut():
        raise PowerCut

    monkeypatch.setattr(_flash, "_power_cut", cut)

    def life(n: int, at: str) -> tuple[dict, int]:
        folder = tmp_path / f"{n}{at}"
        folder.mkdir()
        monkeypatch.chdir(folder)
        _flash.cut(0)
        for name, value in before.items():
            files().write(name, value)
        writes = _flash.writes
        _flash.cut(n, at)
        with contextlib.suppress(PowerCut):
            change(files())
        writes = _flash.writes - writes
        _flash.cut(0)
        found = content()
        assert sorted(os.listdir("parts/ir") if found else []) == sorted(found)
        return found, writes

    after, writes = life(0, "before")
    assert after != before
    for n in range(1, writes + 1):
        for at in ("before", "within", "after"):
            assert life(n, at)[0] in (before, after), (n, at)
    _flash.cut(0)
