"""Start one run of a virtual board: `launch.py FLASH PORT [ROM]`, on CPython or on MicroPython.

Finds the stand-in modules, in the ROM image if there is one, and hands over to `_start` among them. It must
stay small, and let go of what is done: on MicroPython it is compiled into the firmware's heap.
"""

import sys

MICROPYTHON = sys.implementation.name == "micropython"

if MICROPYTHON:
    import uos as os
else:
    import os


def mount(image):
    """Map the image outside of the heap, as flash is on a chip, and mount it at /rom."""
    import ffi
    import uctypes
    import vfs

    libc = ffi.open(None)
    size = os.stat(image)[6]
    file = libc.func("i", "open", "si")(image, 0)
    at = libc.func("p", "mmap", "PLiiil")(None, size, 1, 2, file, 0)  # PROT_READ, MAP_PRIVATE
    libc.func("i", "close", "i")(file)
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(at, size)), "/rom")


def paths(here, rom):
    """The stand-ins first, then the flash's root and /lib as on the ESP32, then what the runtime brings."""
    ours = ["/rom"] if rom else [here + "/modules/on_" + sys.implementation.name, here + "/modules"]
    rest = [".frozen"] if MICROPYTHON else [path for path in sys.path if path and path != here]
    sys.path[:] = ours
    sys.path.extend(["", "lib"])
    sys.path.extend(rest)


os.chdir(sys.argv[1] + "/fs")  # before the path is searched: CPython keeps where "lib" was then
if len(sys.argv) > 3:
    mount(sys.argv[3])
paths(sys.argv[0].rsplit("/", 1)[0], len(sys.argv) > 3)
del mount, paths

import _start  # noqa: E402

_start.main(sys.argv[1], int(sys.argv[2]))
