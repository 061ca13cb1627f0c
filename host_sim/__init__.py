"""Everything that stands in for the world on a host: board, broker, gateway, codec.

The protocol itself is never here: importing this package puts `firmware/lib` on the
path, and every part uses the `hxtp` package that the device runs.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"

for _folder in (FIRMWARE / "lib",):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
