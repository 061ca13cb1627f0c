"""Starts everything that the story needs, waits for it with a limit, and ends it again, whatever happened.

It must never leave a process, a thread or a lock behind, nor wait for anything without an end.
"""

import contextlib
import json
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

from host_sim import FIRMWARE
from host_sim.board import Event, VirtualBoard
from host_sim.broker.server import ThreadedBroker
from host_sim.cloud.notices import Notice
from host_sim.cloud.provisioning import token_for
from host_sim.cloud.server import Cloud
from host_sim.cloud.settings import load
from host_sim.cloud_client.api import Api, Refused, Session
from host_sim.cloud_client.client import EXECUTED, Client, NeedsYes
from host_sim.cloud_client.registration import Identity
from host_sim.demo.attacker import Attacker
from host_sim.demo.dashboard import Dashboard
from host_sim.demo.drawings import MOVES
from host_sim.demo.errors import DemoError
from host_sim.files import StoreError, lock_folder
from host_sim.trouble import Trouble

T = TypeVar("T")

TIME = 110.0  # seconds for the whole story, most of which a machine that has time does not need
EAVESDROPPER = "eavesdropper"
TENANT, EMAIL = "home", "you@example.org"  # of the token that asks
POLL = 0.02
TAIL = 12  # lines of a console that are shown when something went wrong
REFUSED = re.compile(r"\brefused ([A-Z][A-Z_]+)\b")


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
    """One virtual board with who it is, and a file that gets every line of its console."""

    def __init__(self, cast: Cast, board: VirtualBoard, identity: Identity, console: Path) -> None:
        self.name = cast.name
        self.what = cast.what
        self.data = json.loads((board.fs / f"boards/{cast.data}.json").read_text())
        self.board = board
        self.tenant_id = identity.tenant_id
        self.device_id = identity.device_id
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
    """Cloud, dashboard, eavesdropper and boards, from `__enter__` to `__exit__`. They write into `folder`."""

    def __init__(self, folder: Path, runtime: str, firmware: Path | None = None) -> None:
        self.folder = folder
        self.data = folder / "cloud"
        self.runtime = runtime
        self.notices: list[Notice] = []  # of messages that the cloud refused
        self.refused_logins: list[str] = []
        self.commands: list[str] = []  # the ids of those that the cloud accepted
        self.boards: dict[str, DemoBoard] = {}
        self.cloud: Cloud = None  # type: ignore[assignment]  # all four from __enter__ on
        self.client: Client = None  # type: ignore[assignment]
        self.dashboard: Dashboard = None  # type: ignore[assignment]
        self.attacker: Attacker = None  # type: ignore[assignment]
        self._firmware = firmware or FIRMWARE
        self._stack = contextlib.ExitStack()
        self._end = time.monotonic() + TIME

    # -- life -----------------------------------------------------------------------------------

    def __enter__(self) -> "Stage":
        try:
            self._stack.callback(os.close, lock_folder(self.folder))
        except OSError as error:
            raise DemoError(
                f"{self.folder} cannot be used ({error.strerror}): choose another with --folder"
            ) from None
        except StoreError as error:
            raise DemoError(str(error)) from None
        try:
            # What an earlier story left would be taken for this one's.
            for path in (self.data, self.folder / "boards"):
                if path.exists():
                    shutil.rmtree(path)
            for console in self.folder.glob("*.console.txt"):
                console.unlink()
            self._open()
        except (Trouble, OSError) as error:
            hints = self.hints()
            self._stack.close()
            raise DemoError(f"the stage could not be set: {error}", hints) from None
        except BaseException:
            self._stack.close()
            raise
        return self

    def _open(self) -> None:
        # Whatever stands in the environment is meant for another cloud.
        given = {"data": self.data, "port": 0, "broker_port": 0, "tier": "unlimited", "log_level": "warning"}
        self.cloud = Cloud(
            load(given, environment={}), guests=[EAVESDROPPER], on_broker_event=self._broker_event
        )
        self._stack.enter_context(self.cloud)
        self.cloud.services.exchange.listen(self._notice)
        assert self.cloud.pki is not None
        ca = self.cloud.pki.ca
        session = Session(
            Api(self.cloud.settings.base_url(), ca), token_for(self.cloud.settings, EMAIL, TENANT)
        )
        self.client = Client(session, ca)
        self.dashboard = Dashboard(session).start()
        self._stack.callback(self.dashboard.stop)
        self.attacker = Attacker(self.broker.port, ca, EAVESDROPPER, self.cloud.guests[EAVESDROPPER]).start()
        self._stack.callback(self.attacker.stop)
        for cast in BOARDS:
            self._place(cast)
        for board in self.boards.values():
            board.board.start()

    def _place(self, cast: Cast) -> None:
        """Register a device and prepare its board; nothing of it runs yet."""
        identity = self.client.register(cast.name, cast.data)
        board = VirtualBoard(
            self.folder / "boards" / cast.name,
            runtime=self.runtime,
            name=cast.name,
            firmware=self._firmware,
            files=self.client.board_files(identity, f"boards/{cast.data}.json"),
        )
        console = self.folder / f"{cast.name}.console.txt"
        self.boards[cast.name] = made = DemoBoard(cast, board, identity, console)
        self._stack.callback(made.close)
        self._stack.callback(board.stop)

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    @property
    def broker(self) -> ThreadedBroker:
        """The cloud's own."""
        assert self.cloud.broker is not None
        return self.cloud.broker

    def _broker_event(self, now: int, kind: str, client_id: str, detail: str) -> None:
        if kind == "refused":
            self.refused_logins.append(client_id.removeprefix("hxtp-"))

    def _notice(self, notice: Notice) -> None:
        if notice.kind == "refused":
            self.notices.append(notice)

    # -- waiting --------------------------------------------------------------------------------

    def until(self, get: Callable[[], T], seconds: float, otherwise: str, every: float = POLL) -> T:
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
            time.sleep(every)

    def check(self) -> None:
        """Raise DemoError if a board's firmware ended, the broker does not know it, or nothing is told."""
        for board in self.boards.values():
            trouble = board.board.fault or board.trouble
            if board.device_id in self.refused_logins:
                trouble = (
                    f"the broker refused the login of the {board.name}: wrong secret or expired password"
                )
            if trouble:
                raise DemoError(trouble, self.hints(board))
        if self.dashboard.trouble is not None:
            raise DemoError(self.dashboard.trouble, self.hints())

    # -- what the owner of the home does --------------------------------------------------------

    def execute(self, board: DemoBoard, action: str, sure: bool = False, **params: object) -> None:
        """Send a command, with `sure` also where somebody has to say yes, and wait for its ack.

        Raises DemoError unless it was executed.
        """
        try:
            command_id = self.send(board, action, **params)
        except NeedsYes as asked:
            if not sure:
                raise
            command_id = self.confirm(board, asked.token)
        self.executed(board, action, command_id)

    def send(self, board: DemoBoard, action: str, **params: object) -> str:
        """Send a command and do not wait; its id. Raises CloudError unless it was accepted."""
        self.commands.append(self.client.send(board.device_id, action, params))
        return self.commands[-1]

    def confirm(self, board: DemoBoard, token: str) -> str:
        """Say yes to a command; its id. Raises CloudError unless it was accepted."""
        self.commands.append(self.client.confirm(board.device_id, token))
        return self.commands[-1]

    def executed(self, board: DemoBoard, action: str, command_id: str, seconds: float = 30) -> None:
        """Wait until the cloud tells how a command ended. Raises DemoError unless it was executed."""
        ended = self.until(
            lambda: self.dashboard.ended(command_id),
            seconds,
            f"the {board.name} did not answer {action} within {seconds:g} s",
        )
        if ended["status"] != EXECUTED:
            raise DemoError(f"{action} ended as {ended['status']}: {ended['error']}", self.hints(board))

    def refused(self, board: DemoBoard, code: str, body: dict) -> Refused:
        """The cloud's answer to a command that it must not take. Raises DemoError unless it says `code`."""
        answer = self.client.session.ask("POST", f"/device/{board.device_id}/command", body)
        refused = Refused(answer)
        if answer.status // 100 != 4 or refused.code != code:
            raise DemoError(
                f"{code} was expected, and the cloud said {answer.status} {refused.code}", self.hints()
            )
        return refused

    def set_safety(self, board: DemoBoard, action: str, safety: str) -> None:
        """Give an action another safety class in the board's manifest. Raises CloudError."""
        path = f"/devices/{board.device_id}/manifest"
        capabilities = self.client.session.get(path)["capabilities"]
        for one in capabilities:
            if one["action"] == action:
                one["safetyClass"] = safety
        answer = self.client.session.ask("PUT", path, {"capabilities": capabilities})
        if answer.status != 200:
            raise Refused(answer)

    def counted(self, name: str, label: str) -> Counter[str]:
        """A counter of the cloud's metrics, by the values of a label. Raises CloudError."""
        answer = self.client.session.ask("GET", "/metrics")
        if answer.status != 200:
            raise Refused(answer)
        counts: Counter[str] = Counter()
        for family in text_string_to_metric_families(answer.body.decode()):
            for sample in family.samples if family.name == name else ():
                if sample.name == f"{name}_total":
                    counts[sample.labels[label]] += int(sample.value)
        return counts

    def hints(self, board: DemoBoard | None = None) -> list[str]:
        """Where to look: what the cloud refused, the ends of the consoles."""
        time.sleep(0.3)  # a console may lag behind what it tells about
        hints = []
        names = {one.device_id: one.name for one in self.boards.values()}
        refused = Counter((names.get(notice.device_id, "?"), notice.code) for notice in self.notices)
        for (name, code), count in refused.items():
            hints.append(f"the cloud refused {count} message(s) of the {name}: {code}")
        for one in [board] if board else self.boards.values():
            hints += one.tail()
            hints.append(f"the whole console of the {one.name}: {one.console}")
        return hints
