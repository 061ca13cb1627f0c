"""Draws docs/infrared-room.svg: one frame as it was sent, and as receivers in a room saw it.

It must never draw what the room did not make: `python -m host_sim.room.picture` prints it, and a test
compares.
"""

from host_sim.ir import show
from host_sim.room import Noise, Receiver, Room, Signal
from host_sim.room.light import CENTRE_HZ

GAP = 10


def seen() -> list[tuple[str, list[int]]]:
    """(what it is, µs) of the rows of the picture."""
    rows = []

    def row(
        about: str, room: Room, *, clock: float = 1.0, stretch_us: float = 0.0, second: bool = False
    ) -> None:
        ear = room.receiver(at=(0, 0), clock=clock, module=Receiver(stretch_us=stretch_us))
        one, other = room.remote(at=(3, 0), clock=1 / clock), room.remote(at=(0, 3))
        with room.together():
            one.press("nec", address=4, command=8)
            if second:
                other.press("nec", address=99, command=1, after=0.021)
        timings = room.heard(ear)
        rows.append((f"{about}, {sum(timings) / 1000:.1f} ms", timings))

    row("as sent", Room())
    row("remote 4 % fast, receiver 4 % slow and lengthening marks", Room(), clock=1.04, stretch_us=90)
    row("beside a fluorescent lamp", Room(seed=19, noise=Noise(per_second=120), tail=0.0))
    row("another remote begins 21 ms later", Room(), second=True)
    return rows


def svg() -> str:
    """The rows beneath each other, each over its own width."""
    lines, y = [], 0
    for about, timings in seen():
        # The frame alone: what comes before or after it is no part of the signal.
        drawn, height = show.draw(Signal(about, CENTRE_HZ, tuple(timings)))
        lines.append(drawn.replace("<svg ", f'<svg y="{y}" height="{height}" ', 1).rstrip())
        y += height + GAP
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {show.WIDTH} {y}">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    return "\n".join([*head, *lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    print(svg(), end="")
