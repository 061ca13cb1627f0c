"""Infrared on the host: signals, formats, pictures. It must never have codecs beside the device's own.

>>> from host_sim.ir import formats, show
>>> from host_sim.ir.signals import from_fields
>>> power = from_fields("Power", "nec", address=4, command=8)
>>> text, lost = formats.dump("tasmota", [power])
>>> (again,) = formats.load("tasmota", text)
>>> again == power, lost
(True, [])
>>> show.summary(again)
'nec: address 4 (0x4), command 8 (0x8)'

`formats`: load, load_some, dump. `guess`: which format a text is in. `signals`: a Signal, made from_fields
or from_timings. `bits`: frames as bits, both ways. `formats.device.action`: what a device is told.
"""

import sys

from host_sim import ROOT

if str(ROOT / "firmware") not in sys.path:
    sys.path.append(str(ROOT / "firmware"))
