"""Commands of the user's that the kit runs: to reset a device, to make a cloud do something.

They are started without a shell. It must never put a secret into their arguments or environment.
"""

import shlex
import subprocess

from host_sim.conformance.case import KitError


def run(command: list[str], option: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run what the user said with `option`. Raises KitError where it does not run or end."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
        )
    except OSError as error:
        raise KitError(f"{option} cannot be run: {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise KitError(f"{option} did not end within {seconds:g} s") from None


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The end of what it printed."""
    return (done.stderr or done.stdout).strip()[-300:]


def words(template: str, option: str, given: dict[str, str]) -> list[str]:
    """The template as words, {names} filled in; nothing in a value is a word of its own. Raises KitError."""
    try:
        found = shlex.split(template)
    except ValueError as error:
        raise KitError(f"{option} {template!r}: {error}") from None
    if not found:
        raise KitError(f"{option} is empty")
    for name, value in given.items():
        found = [word.replace("{" + name + "}", value) for word in found]
    return found
