"""Virtual boards for tests: short programs in the place of the firmware, on both runtimes."""

import textwrap

import pytest

from host_sim.board import VirtualBoard
from tests.board.running import finish


@pytest.fixture(params=["cpython", "micropython"])
def runtime(request):
    if request.param == "micropython":
        request.getfixturevalue("micropython")
    return request.param


@pytest.fixture
def make(tmp_path, runtime):
    """make(main, boot=None, files={…}, start=True, …) is a board that runs `main`; it is unplugged after the
    test."""
    made = []

    def make(main, boot=None, files=None, start=True, folder="flash", **options):
        programs = {"main.py": textwrap.dedent(main)}
        if boot is not None:
            programs["boot.py"] = textwrap.dedent(boot)
        board = VirtualBoard(
            tmp_path / folder, runtime=runtime, firmware=None, files={**programs, **(files or {})}, **options
        )
        made.append(board)
        if start:
            board.start()
        return board

    yield make
    for board in made:
        board.stop()


@pytest.fixture
def run(make):
    """run(main, …) is the board after its program has come to its end, without an exception."""

    def run(main, **options):
        board = make(main, **options)
        finish(board)
        return board

    return run
