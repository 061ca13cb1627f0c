"""The room: who stands where, which light overlaps in time, and what each receiver is given of it.

It must never hold up a board's thread, nor make chance of anything but its seed.

Light that overlaps, or follows closely, is one *scene*. A remote's press is a scene of its own and is seen at
once; a board sends in true time, and what it sends is seen when its scene is over, with the times that its
own clock gave it. `together()` puts into one scene whatever is sent within it.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType

from host_sim.board import VirtualBoard
from host_sim.board.trace import Event, pulses_us
from host_sim.room.light import (
    INTENSITY,
    Emission,
    Position,
    Receiver,
    checked_clock,
    marks_of,
    moved,
    received,
    reflected,
)
from host_sim.room.reception import Interrupts, Noise, Reception, output
from host_sim.room.remote import Remote

LEAD_US = 5_000  # of darkness and noise before a scene
TAIL_S = 0.5  # and after it: longer than a device waits for more of a press
# How long after its light a board may go on sending in the same scene: its loop takes 10 ms a step.
PAUSE_US = 50_000
LONGEST_US = 15_000_000  # of a scene; then another begins
IDLE_MOST_S = 60


@dataclass(eq=False)
class Place:
    """Where a board or a mere receiver is in a room. `at` may be changed; it counts from the next scene."""

    at: Position
    board: VirtualBoard | None = None
    clock: float = 1.0
    emitter: int | None = None
    intensity: float = INTENSITY
    receiver: Receiver | None = None
    pin: int | None = None
    interrupts: Interrupts = field(default_factory=Interrupts)
    name: str = ""  # which chance is its own
    scenes: int = 0
    last: Reception = field(default_factory=Reception)
    given: int = 0  # trains of edges
    played: int = 0
    began: tuple[int, int, float] | None = None  # in this scene: (boot, t_us, true µs) of what it sent first


class Room:
    """`seed` tells all chance. `noise`: Noise, or its pulses a second, at each receiver by itself.

    `reflection`: a board sees its own light as if from so many metres away; None: not at all. `interrupts`:
    how a board's processor hears of edges. `tail`: seconds of darkness and noise after each scene, which
    boards leap over too. A context manager; boards may start and stop at any time.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        noise: Noise | float = 0.0,
        reflection: float | None = 3.0,
        interrupts: Interrupts | None = None,
        tail: float = TAIL_S,
    ) -> None:
        self.seed = seed
        self.tail_us = tail * 1e6
        self.noise = noise if isinstance(noise, Noise) else Noise(noise)
        self.reflection = reflection
        self.interrupts = interrupts or Interrupts()
        self._changed = threading.Condition(threading.RLock())
        self._places: list[Place] = []
        self._scene: list[tuple[Place | None, Emission]] = []
        self._open = False  # the scene is not over yet
        self._together = False
        self._began = 0.0  # time.monotonic() at 0 of the scene
        self._until = 0.0  # true µs: the end of what is sent in it
        self._timer: threading.Timer | None = None
        self._closed = False

    def close(self) -> None:
        """Send nothing any more; boards that are in the room stay as they are."""
        with self._changed:
            self._closed = True
            self._scene = []
            self._open = False
            if self._timer is not None:
                self._timer.cancel()

    def __enter__(self) -> "Room":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- who is there ---------------------------------------------------------------------------------------
    def place(
        self,
        board: VirtualBoard,
        at: Position = (0.0, 0.0),
        *,
        emitter: int | None = None,
        receiver: int | None = None,
        clock: float = 1.0,
        intensity: float = INTENSITY,
        module: Receiver | None = None,
        interrupts: Interrupts | None = None,
    ) -> Place:
        """Put a board at a position in metres: `emitter` is the pin of its LED, `receiver` that of its
        receiver module, `module` what kind that is (its position and clock are the board's).

        `clock`: how many true µs the board's microsecond lasts; 1.02 is 2 % slow.
        """
        with self._changed:
            if any(place.board is board for place in self._places):
                raise ValueError(f"board {board.name} is in this room already; move it by its place's `at`")
            name = str(len(self._places))
            place = Place(at, board, checked_clock(clock), emitter, intensity, pin=receiver, name=name)
            place.interrupts = interrupts or self.interrupts
            if receiver is not None:
                place.receiver = replace(module or Receiver(), clock=clock)
            self._places.append(place)
        if receiver is not None:
            board.press(receiver, level=1)  # the module is there, and sees nothing
        board.observe(lambda event: self._event(place, event))
        return place

    def receiver(
        self, at: Position = (0.0, 0.0), *, clock: float = 1.0, module: Receiver | None = None
    ) -> Place:
        """Put a receiver module without a board there; heard() tells what it sees."""
        with self._changed:
            place = Place(at, clock=clock, name=str(len(self._places)), interrupts=self.interrupts)
            place.receiver = replace(module or Receiver(), clock=clock)
            self._places.append(place)
        return place

    def remote(
        self, at: Position = (0.0, 0.0), *, clock: float = 1.0, intensity: float = INTENSITY
    ) -> Remote:
        """A remote control at a position. `clock` 1.03 sends everything 3 % too long."""
        return Remote(at, self._out, checked_clock(clock), intensity)

    # --- what happens ---------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """One scene of all that is sent within: boards begin at 0 with the first that each sends, remotes too
        unless they are told `after`. It is seen at the end of the block; see wait_for_light()."""
        with self._changed:
            if self._together:
                raise ValueError("this is together already")
            self._over()
            self._together = True
        try:
            yield
        finally:
            with self._changed:
                self._together = False
                self._over()

    def idle(self, seconds: float) -> None:
        """Give every receiver so many seconds of nothing but noise."""
        if not 0 <= seconds <= IDLE_MOST_S:
            raise ValueError(f"idle for 0 to {IDLE_MOST_S} s at a time")
        with self.together(), self._changed:
            self._open = True
            self._until = seconds * 1e6

    def wait_for_light(self, board: VirtualBoard, timeout: float = 10) -> None:
        """Wait until a board has begun to send in the present scene."""
        place = self._find(board)
        self._wait(lambda: place.began is not None, timeout, "light from that board")

    def settle(self, timeout: float = 10) -> None:
        """Wait until nothing is being sent and every board has played to its end what it was given."""
        self._wait(
            lambda: not self._open and all(place.played >= place.given for place in self._places),
            timeout,
            "end of the scene",
        )

    def heard(self, who: VirtualBoard | Place) -> list[int]:
        """What the receiver of a board put out in the newest scene: µs by its own clock, mark first."""
        return self.reception(who).timings

    def reception(self, who: VirtualBoard | Place) -> Reception:
        """All about what a receiver saw in the newest scene."""
        return self._find(who).last

    def _find(self, who: VirtualBoard | Place) -> Place:
        for place in self._places:
            if who in (place, place.board):
                return place
        raise ValueError("that one is not in this room")

    def _wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise TimeoutError(f"infrared room: no {what} in {timeout} s")

    # --- light ----------------------------------------------------------------------------------------------
    def _event(self, place: Place, event: Event) -> None:
        """In the board's thread."""
        with self._changed:
            if event.ev == "edges" and event["pin"] == place.pin:
                place.played += 1
            elif event.ev in ("boot", "off"):
                place.played = place.given  # what had not been played is lost
            elif event.ev == "rmt" and event["pin"] == place.emitter and not self._closed:
                self._sent(place, event)
            self._changed.notify_all()

    def _sent(self, place: Place, event: Event) -> None:
        if place.began is None or place.began[0] != event.boot:
            place.began = (event.boot, event.t_us, self._now(event.at))
        _, t_us, first = place.began
        begin = first + (event.t_us - t_us) * place.clock
        hz, duty, lit = event["carrier"] or (None, 0, 1)
        pulses = [(int(level == lit), us) for level, us in pulses_us(event)]
        emission = Emission(place.at, marks_of(pulses, begin, place.clock), hz, duty, place.intensity)
        self._add(place, emission, begin + sum(us for _, us in pulses) * place.clock)
        self._arm()

    def _out(self, emission: Emission, after: float) -> None:
        """A remote sends."""
        with self._changed:
            if self._closed:
                raise ValueError("the room is closed")
            alone = not self._open and not self._together
            emission = moved(emission, self._now(time.monotonic()) + after * 1e6)
            self._add(None, emission, emission.end)
            if alone:
                self._over()
            else:
                self._arm()

    def _now(self, at: float) -> float:
        """True µs of the scene at a time of the host; it begins with the first light."""
        if self._together:
            return 0.0
        if not self._open:
            self._began = at
        return (at - self._began) * 1e6

    def _add(self, place: Place | None, emission: Emission, until: float) -> None:
        self._open = True
        self._scene.append((place, emission))
        self._until = max(self._until, until)
        if self._until > LONGEST_US and not self._together:
            self._over()

    def _arm(self) -> None:
        """See to it that a scene of boards comes to its end."""
        if self._together or not self._open:
            return
        if self._timer is not None:
            self._timer.cancel()
        left = self._began + (self._until + PAUSE_US) / 1e6 - time.monotonic()
        self._timer = threading.Timer(max(0.0, left), self._time_is_up)
        self._timer.daemon = True
        self._timer.start()

    def _time_is_up(self) -> None:
        with self._changed:
            if self._timer is threading.current_thread():  # else there is more to wait for
                self._over()

    def _over(self) -> None:
        """The scene is over: give every receiver what it saw of it."""
        if not self._open or self._closed:
            return
        scene, until = self._scene, self._until
        self._scene, self._until, self._open = [], 0.0, False
        for place in self._places:
            place.began = None
        for place in self._places:
            if place.receiver is not None:
                self._give(place, place.receiver, scene, until)
        self._changed.notify_all()

    def _give(
        self, place: Place, module: Receiver, scene: list[tuple[Place | None, Emission]], until: float
    ) -> None:
        receiver = replace(module, at=place.at)
        chance = random.Random(f"{self.seed} {place.name} {place.scenes}")
        lights = [
            emission if source is not place else reflected(emission, receiver, self.reflection)
            for source, emission in scene
            if source is not place or self.reflection is not None
        ]
        noise = self.noise.marks(chance, -LEAD_US, until + self.tail_us)
        marks = tuple((start + LEAD_US, end + LEAD_US) for start, end in received(receiver, lights, noise))
        edges = output(marks, receiver)
        told = place.interrupts.told(edges, chance)
        lasted = round((LEAD_US + until + self.tail_us) / receiver.clock)
        place.last = Reception(marks, tuple(edges), tuple(told), lasted)
        place.scenes += 1
        if place.board is not None and place.pin is not None and place.board.powered:
            place.given += 1
            place.board.edges(place.pin, told, max(0, lasted - (told[-1].at_us if told else 0)))
