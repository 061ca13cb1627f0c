"""Waiting for what other threads bring about."""

import time
from collections.abc import Callable
from typing import Any

WAIT = 20  # seconds that anything may take here


def until(check: Callable[[], Any], what: str = "it to come true") -> Any:
    """Wait for `check()` to give something true, and give that."""
    end = time.monotonic() + WAIT
    while not (found := check()):
        assert time.monotonic() < end, f"waited {WAIT} s for {what}"
        time.sleep(0.01)
    return found
