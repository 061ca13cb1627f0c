"""A virtual infrared room: boards and remote controls that see each other's light, or do not.

It must never change what firmware does: boards get edges on a pin, and their LEDs are read from the trace.

>>> from host_sim.board import VirtualBoard
>>> from host_sim.room import Room
>>> board = VirtualBoard(flash, firmware=None, files={"main.py": program})
>>> with board, Room(seed=1) as room:
...     shelf = room.place(board, at=(0, 0), receiver=15, clock=0.99)
...     remote = room.remote(at=(3, 0), clock=1.03)
...     remote.press("nec", address=4, command=8, held=2)
...     room.settle()                     # the board has played it; faster than true time
...     seen = room.heard(board)          # µs at the receiver's pin, mark first
...     shelf.at = (0, 40)                # now it is too far away
...     remote.press("nec", address=4, command=8)
...     len(seen), room.heard(board)
(75, [])

    light.py        distance, carrier, collisions: which marks a receiver sees; pure functions
    reception.py    its edges, noise, and how a processor's interrupts tell of them
    remote.py       buttons of any protocol, signals of any format, raw timings
    room.py         places, and scenes: what is sent together, and who is given what of it
"""

from host_sim.ir.signals import Signal
from host_sim.room.light import Emission, Receiver
from host_sim.room.reception import Interrupts, Noise, Reception
from host_sim.room.remote import Remote
from host_sim.room.room import Place, Room

__all__ = ["Emission", "Interrupts", "Noise", "Place", "Receiver", "Reception", "Remote", "Room", "Signal"]
