"""What the device's tests need of MicroPython on CPython, and no more."""

import sys
import traceback

import pytest


@pytest.fixture(autouse=True)
def print_exception(monkeypatch):
    """MicroPython's sys.print_exception, as the virtual board has it too."""
    monkeypatch.setattr(
        sys, "print_exception", lambda error: traceback.print_exception(error, file=sys.stdout), raising=False
    )


@pytest.fixture(params=["cpython", "micropython"])
def runtime(request):
    if request.param == "micropython":
        request.getfixturevalue("micropython")
    return request.param


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def tls(request):
    return request.param


@pytest.fixture
def world(tmp_path, runtime):
    """world(tls, board, **settings) is a World (broker, cloud, board) whose board is still off."""
    from tests.device.cloud import World

    made = []

    def make(tls=True, board="boards/demo-relay.json", **settings):
        made.append(World(tmp_path, runtime, tls, board, **settings))
        return made[0]

    yield make
    for one in made:
        one.__exit__()
