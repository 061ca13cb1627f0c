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
