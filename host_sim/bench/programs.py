"""Programs that a benchmark needs beside it: started, spoken to by pipes, and ended with it.

Must never leave one running, whatever happened to whoever needed it.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

ENDING = 20  # seconds that a program has to end by itself


@contextlib.contextmanager
def running(command: list[str], **more: Any) -> Iterator[subprocess.Popen]:
    """A program whose output is read as text; with a pipe to write to where `more` has no other `stdin`.

    `more`: as for subprocess.Popen. Raises OSError where it cannot be started.
    """
    process = subprocess.Popen(
        command, **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, **more}
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
