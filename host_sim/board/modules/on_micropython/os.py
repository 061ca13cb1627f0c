"""`os` over the unix port's own: what changes the file system is a flash write of the simulated board."""

from _flash import mkdir, remove, rename, rmdir  # noqa: F401
from uos import (  # noqa: F401
    chdir,
    getcwd,
    ilistdir,
    listdir,
    stat,
    statvfs,
    urandom,
)

unlink = remove


def sync():
    """Every flash write of the simulated board is made at once."""


def uname():
    return (
        "esp32",
        "esp32",
        "1.25.0",
        "v1.25.0 simulated board",
        "Generic ESP32 module with ESP32 (simulated)",
    )
