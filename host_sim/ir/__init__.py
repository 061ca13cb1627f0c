"""Infrared on the host: signals, formats, pictures. It must never have codecs beside the device's own."""

import sys

from host_sim import ROOT

if str(ROOT / "firmware") not in sys.path:
    sys.path.append(str(ROOT / "firmware"))
