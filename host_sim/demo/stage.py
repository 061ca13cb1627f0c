"""Starts everything that the story needs, waits for it with a limit, and ends it again, whatever happened.

It must never leave a process, a thread or a lock behind, nor wait for anything without an end.
"""

import json
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from host_sim import FIRMWARE
from host_sim.board import BoardError, Event, VirtualBoard
from host_sim.demo.attacker import Attacker
from host_sim.demo.drawings import MOVES
from host_sim.files import StoreError, lock_folder
from host_sim.gateway.bench import Bench
from host_sim.gateway.gateway import GatewayError
from host_sim.gateway.hub import Device, Notice, Ticket
from host_sim.gateway.store import Registration

T = TypeVar("T")

TIME = 58.0  # seconds for the whole story
EAVESDROPPER = "eavesdropper"
POLL = 0.02
TAIL = 12  # lines of a console that are shown when something went wrong
REFUSED = re.compile(r"\brefused ([A-Z][A-Z_]+)\b")


class DemoError(Exception):
    """What went wrong, in one sentence; `hints`: more lines, with where to look."""

    def __init__(self, what: str, hints: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.hints = list(hints)


@dataclass(frozen=True, slots=True)
class Cast:
    """A part in the story: the board's name, what it is to a newcomer, its board data in firmware/boards."""

    name: str
    what: str
    data: str


BOARDS = (
    Cast("lamp", "a dimmed lamp and a strip of eight colour LEDs", "demo-light"),
    Cast("relays", "two relays, the first one opens the garage", "demo-relay"),
    Cast("blaster", "an infrared LED that stands in for remote controls", "demo-ir"),
)


class DemoBoard:
    """One virtual board with its registration, and a file that gets every line of its console."""

    def __init__(self, cast: Cast, board: VirtualBoard, registration: Registration, console: Path) -> None:
        self.name = cast.name
        self.what = cast.what
        self.data = json.loads((board.fs / f"boards/{cast.data}.json").read_text())
        self.board = board
        self.registration = registration
        self.device_id = registration.device_id
        self.console = console
        self.trouble: str | None = None
        self._lines = console.open("w", encoding="utf-8", buffering=1)
        board.observe(self._event, lambda line: print(line, file=self._lines))

    def _event(self, event: Event) -> None:
        # Told apart here, on the board's thread: a wait that sees it need not run to its end.
        if event.ev == "crash":
            self.trouble = f"{event['script']} of the {self.name} ended with {event['error']}"
        elif event.ev == "end":
            self.trouble = f"the firmware of the {self.name} ended by itself"
        elif event.ev == "boot":
            self.trouble = None

    def mark(self) -> int:
        """Now, for `since`."""
        return self.board.last

    def since(self, mark: int) -> list[Event]:
        """What its pins did, except its status LED."""
        led = self.data.get("status_led")
        return [
            event
            for event in self.board.trace
            if event.n > mark and event.ev in MOVES and event["pin"] != led
        ]

    def refusals(self) -> Counter[str]:
        """How often the firmware said on its console that it refused a message, by code."""
        return Counter(match[1] for line in self.board.log if (match := REFUSED.search(line)))

    def tail(self) -> list[str]:
        return [f"{self.name} | {line}" for line in self.board.log[-TAIL:]]

    def close(self) -> None:
        self._lines.close()


class Stage:
    """Broker, gateway, eavesdropper and boards, from `__enter__` to `__exit__`. They write into `folder`."""

    def __init__(self, folder: Path, runtime: str, firmware: Path | None = None) -> None:
        self.folder = folder
        self.runtime = runtime
        self.notices: list[Notice] = []
        self.refused_logins: list[str] = []
        self.tickets: list[Ticket] = []
        self.boards: dict[str, DemoBoard] = {}
        self.bench: Bench = None  # type: ignore[assignment]  # both from __enter__ on
        self.attacker: Attacker = None  # type: ignore[assignment]
        self._firmware = firmware or FIRMWARE
        self._lock = -1
        self._end = time.monotonic() + TIME

    # -- life -----------------------------------------------------------------------------------

    def __enter__(self) -> "Stage":
        try:
            self._lock = lock_folder(self.folder)
            # What an earlier story left would be taken for this one's.
            for name in ("gateway", "boards"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            for console in self.folder.glob("*.console.txt"):
                console.unlink()
            self._open()
        except (StoreError, GatewayError, BoardError, OSError, TimeoutError) as error:
            hints = self.hints()
            self.__exit__()
            raise DemoError(f"the stage could not be set: {error}", hints) from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def _open(self) -> None:
        self.bench = Bench(
            self.folder / "gateway", services=(EAVESDROPPER,), on_event=self._broker_event
        ).start()
        self.bench.gateway.listen(self.notices.append)
        self.attacker = Attacker(
            self.bench.broker.port, self.bench.pki.ca, EAVESDROPPER, self.bench.services[EAVESDROPPER]
        ).start()
        for cast in BOARDS:
            registration = self.bench.gateway.register(f"demo-{cast.name}")
            board = VirtualBoard(
                self.folder / "boards" / cast.name,
                runtime=self.runtime,
                name=cast.name,
                firmware=self._firmware,
                files=self.bench.board_files(registration, f"boards/{cast.data}.json"),
            )
            console = self.folder / f"{cast.name}.console.txt"
            self.boards[cast.name] = DemoBoard(cast, board, registration, console)
        for board in self.boards.values():
            board.board.start()

    def __exit__(self, *unused: object) -> None:
        for board in self.boards.values():
            board.board.stop()
            board.close()
        if self.attacker is not None:
            self.attacker.stop()
        if self.bench is not None:
            self.bench.stop()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _broker_event(self, now: int, kind: str, client_id: str, detail: str) -> None:
        if kind == "refused":
            self.refused_logins.append(client_id.removeprefix("hxtp-"))

    # -- waiting --------------------------------------------------------------------------------

    def until(self, get: Callable[[], T], seconds: float, otherwise: str) -> T:
        """What `get()` gives once it is true. DemoError(otherwise) after `seconds`, or at the story's end."""
        end = min(time.monotonic() + seconds, self._end)
        while True:
            value = get()
            if value:
                return value
            self.check()
            if time.monotonic() >= end:
                late = "" if end < self._end else f" (the story may take {TIME:.0f} s in all)"
                raise DemoError(otherwise + late, self.hints())
            time.sleep(POLL)

    def check(self) -> None:
        """Raise DemoError if a board's firmware ended, or the broker does not know it."""
        for board in self.boards.values():
            trouble = board.board.fault or board.trouble
            if board.device_id in self.refused_logins:
                trouble = (
                    f"the broker refused the login of the {board.name}: wrong secret or expired password"
                )
            if trouble:
                raise DemoError(trouble, self.hints(board))

    def execute(self, board: DemoBoard, action: str, **params: object) -> Ticket:
        """Send a command and wait for its ack. Raises DemoError unless it was executed."""
        ticket = self.send(board, action, **params)
        self.until(ticket.done, 15, f"the {board.name} did not answer {action} within 15 s")
        if not ticket.executed:
            raise DemoError(f"{action} ended as {ticket.state}: {ticket.error}", self.hints(board))
        return ticket

    def send(self, board: DemoBoard, action: str, **params: object) -> Ticket:
        ticket = self.bench.gateway.command(board.device_id, action, params)
        self.tickets.append(ticket)
        return ticket

    def device(self, board: DemoBoard) -> Device:
        """What the gateway knows of it."""
        return self.bench.gateway.device(board.device_id)

    def hints(self, board: DemoBoard | None = None) -> list[str]:
        """Where to look: what the gateway refused, the ends of the consoles."""
        time.sleep(0.3)  # a console may lag behind what it tells about
        hints = []
        names = {one.device_id: one.name for one in self.boards.values()}
        refused = Counter(
            (names.get(str(n.device_id), "?"), n.code) for n in self.notices if n.kind == "refused"
        )
        for (name, code), count in refused.items():
            hints.append(f"the gateway refused {count} message(s) of the {name}: {code}")
        for one in [board] if board else self.boards.values():
            hints += one.tail()
            hints.append(f"the whole console of the {one.name}: {one.console}")
        return hints
