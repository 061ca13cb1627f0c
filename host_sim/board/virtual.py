"""A virtual ESP32 from the host's side: power, buttons, radio, serial console and what its pins did.

It must never put a secret on a command line or into an environment: what the firmware needs is a file in its flash.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from host_sim import FIRMWARE
from host_sim.board.air import Air
from host_sim.board.trace import Event, pins

LAUNCH = Path(__file__).with_name("launch.py")
FIRMWARE_PARTS = ("boot.py", "main.py", "lib", "capabilities", "boards")

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
EXIT_RESET, EXIT_POWER, EXIT_ORPHAN = 64, 80, 81
CALL_S = 30  # for the board's thread to do what it is asked
QUICK_DEATHS = 5  # starts in a row that ended by themselves within QUICK_S, without a reset: then the board stays off
QUICK_S = 2
KEEP_EVENTS = 200_000
KEEP_LINES = 20_000

T = TypeVar("T")


class BoardError(Exception):
    """The virtual board cannot do what was asked: no runtime, or the firmware's process does not start."""


class VirtualBoard:
    """One board: a flash folder and, while it is powered, a process that runs the firmware in it.

    `folder` is the flash and outlives the object: `fs/` the file system (the working directory of the firmware, with
    `boot.py`, `main.py`, `lib/` …), `nvs` the journal of NVS, `rtc` the RTC's memory. `firmware` is copied into `fs/`
    whenever a VirtualBoard is made, as a maker copies it onto a device, so that the checkout stays as it is; None
    copies nothing. `files` (name → content, or a Path to copy) are put beside it with mode 0600.

    `runtime` is "cpython" or "micropython" (the unix port, `heap` its hard limit). `slots` 2 gives two application
    partitions. `ticks_ms` is what the tick counter starts at, to see it wrap. Usable as a context manager.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        runtime: str = "cpython",
        heap: str = "128K",
        name: str = "board",
        firmware: Path | None = FIRMWARE,
        files: Mapping[str, str | bytes | Path] | None = None,
        slots: int = 1,
        ticks_ms: int = 0,
    ) -> None:
        if runtime not in ("cpython", "micropython"):
            raise ValueError("runtime is cpython or micropython")
        self.folder = Path(folder).resolve()
        self.fs = self.folder / "fs"
        self.runtime = runtime
        self.heap = heap
        self.name = name
        self.fault: str | None = None
        self._slots = slots
        self._ticks_ms = ticks_ms
        self._uid = hashlib.sha256(name.encode()).digest()[:5]
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._lines: list[str] = []
        self._serial = 0
        self._boot = 0
        self._observers: list[Callable[[Event], None]] = []
        self._line_observers: list[Callable[[str], None]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # The world, as the board will find it when it starts next.
        self._wifi: dict[str, Any] = {"up": True, "auth": True, "ssid": None}
        self._ntp: dict[str, Any] = {"up": True, "skew_s": 0}
        self._inputs: dict[int, int] = {}
        self._cut: tuple[int, str] | None = None
        self._rtc = (0, time.monotonic())
        self._wdt_ms = 0
        # The process; touched by the board's own thread only.
        self._process: subprocess.Popen[bytes] | None = None
        self._server: asyncio.Server | None = None
        self._backplane: asyncio.Transport | None = None
        self._air: Air | None = None
        self._joined: str | None = None
        self._stopping = False
        self._started_at = 0.0
        self._quick_deaths = 0
        self._sleep_ms = 0
        self._done: asyncio.Future[None] | None = None
        self.place(firmware, files or {})

    # --- flash ---------------------------------------------------------------------------------------------------
    def place(self, firmware: Path | None, files: Mapping[str, str | bytes | Path]) -> None:
        """Copy firmware and files into the flash's file system; the board should be off."""
        self.fs.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for part in FIRMWARE_PARTS if firmware is not None else ():
            assert firmware is not None
            source = firmware / part
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, self.fs / part, dirs_exist_ok=True, ignore=ignored)
            elif source.exists():
                shutil.copyfile(source, self.fs / part)
        for name, content in files.items():
            target = self.fs / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            data = content.read_bytes() if isinstance(content, Path) else content
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)

    # --- life ----------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Plug the board in and wait until its firmware begins; BoardError if it does not."""
        if self._thread is not None:
            raise BoardError("the board was started already")
        self._argv()  # fail here, not in the thread
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._live, args=(ready,), name=f"virtual board {self.name}", daemon=True
        )
        self._thread.start()
        ready.wait(CALL_S)
        try:
            self.power_on()
            self.wait_for(lambda event: event.ev == "boot", CALL_S)
        except (BoardError, TimeoutError) as error:
            self.stop()
            raise BoardError(f"the firmware did not start: {self.fault or error}") from error

    def stop(self) -> None:
        """Unplug the board and end its thread. Flash and trace stay."""
        if self._thread is None:
            return
        assert self._loop is not None
        self._stopping = True
        with contextlib.suppress(RuntimeError):  # the loop may be gone already
            self._loop.call_soon_threadsafe(self._finish)
        self._thread.join(CALL_S)
        self._thread = None

    def __enter__(self) -> "VirtualBoard":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def powered(self) -> bool:
        """Whether a process runs the firmware; False after a power cut, and in deep sleep."""
        return self._process is not None

    @property
    def restarts(self) -> int:
        """How often the firmware started again after its first start."""
        return max(0, self._boot - 1)

    def power_on(self) -> None:
        """Give power again after a cut. The RTC starts at 2000, the RTC's memory is empty."""
        self._call(self._power_on)

    def power_cut(self, at_write: int | None = None, at: str = "before") -> None:
        """Cut the power: now, or at the `at_write`-th flash write from now ("before" it, "within" it, "after" it).

        Said while the board is off, the writes count from its next start. 0 calls a planned cut off.
        """
        if at not in ("before", "within", "after"):
            raise ValueError("at must be before, within or after")
        if at_write is None:
            self._call(lambda: self._kill("power cut", PWRON_RESET, restart=False))
        else:
            self._call(lambda: self._plan_cut(at_write, at))

    def reset(self, cause: int = HARD_RESET) -> None:
        """Pull the board down and start it again, flash and RTC kept; its firmware sees `cause`."""
        self._call(lambda: self._kill("reset", cause, restart=True))

    # --- world ---------------------------------------------------------------------------------------------------
    def wifi(self, up: bool) -> None:
        """Take the access point off the air, or put it back. Open connections fall silent; none is closed."""
        self._call(lambda: self._set_wifi(up=up))

    def wifi_password(self, right: bool) -> None:
        """Whether the access point takes the board's password."""
        self._call(lambda: self._set_wifi(auth=right))

    def wifi_network(self, ssid: str | None) -> None:
        """The name of the only network in reach; None answers to any name."""
        self._call(lambda: self._set_wifi(ssid=ssid))

    def reset_connections(self) -> None:
        """Reset every open connection of the board, as a router that starts anew does."""
        self._call(lambda: self._air.reset_all() if self._air else None)

    def skew(self, seconds: float) -> None:
        """Move the board's wall clock by so much."""
        self._call(lambda: self._clock(lambda now: now + int(seconds * 1e6), {"skew_us": int(seconds * 1e6)}))

    def set_clock(self, unix_seconds: float) -> None:
        """Set the board's wall clock."""
        value = int((unix_seconds - 946684800) * 1e6)
        self._call(lambda: self._clock(lambda now: value, {"set_us": value}))

    def ntp(self, up: bool = True, skew: int = 0) -> None:
        """Whether time servers answer, and by how many seconds they lie."""
        self._ntp = {"up": up, "skew_s": skew}
        self._call(lambda: self._tell({"cmd": "ntp", **self._ntp}))

    def press(self, pin: int, level: int = 0, seconds: float | None = None) -> None:
        """Hold an input at `level` (a button to ground by default), for good or for so long. Survives resets."""
        self._call(lambda: self._set_input(pin, level))
        if seconds is not None:
            self._call(lambda: self._later(seconds, lambda: self._set_input(pin, None)))

    def release(self, pin: int) -> None:
        self._call(lambda: self._set_input(pin, None))

    # --- what it did ---------------------------------------------------------------------------------------------
    @property
    def trace(self) -> list[Event]:
        """A copy of the trace, the last 200,000 events."""
        with self._changed:
            return list(self._events)

    @property
    def log(self) -> list[str]:
        """The lines of the serial console."""
        with self._changed:
            return list(self._lines)

    @property
    def last(self) -> int:
        """The number of the newest event, for wait_for(since=…)."""
        with self._changed:
            return self._serial

    def pins(self) -> dict[int, dict[str, Any]]:
        """The present state of every pin that the firmware has touched; see trace.pins."""
        return pins(self.trace)

    def observe(self, event: Callable[[Event], None], line: Callable[[str], None] | None = None) -> None:
        """Call `event` for every event and `line` for every console line, from the board's thread, as they come."""
        self._observers.append(event)
        if line is not None:
            self._line_observers.append(line)

    def wait_for(self, predicate: Callable[[Event], bool], timeout: float = 10, since: int = 0) -> Event:
        """The first event after number `since` that the predicate accepts. TimeoutError, with the end of the log."""
        end = time.monotonic() + timeout
        seen = since
        with self._changed:
            while True:
                for event in self._after(seen):
                    if predicate(event):
                        return event
                seen = self._serial
                left = end - time.monotonic()
                if left <= 0 or (self.fault and not self.powered):
                    tail = "\n  ".join([f"board {self.name}: nothing like it in {timeout} s", *self._lines[-20:]])
                    raise TimeoutError(f"{self.fault}\n  {tail}" if self.fault else tail)
                self._changed.wait(left)

    def wait_for_log(self, text: str, timeout: float = 10) -> str:
        """The first console line with `text` in it."""
        return self.wait_until(lambda: [line for line in self._lines if text in line], timeout, text)[0]

    def wait_until(self, condition: Callable[[], T], timeout: float = 10, what: str = "it") -> T:
        """What condition() gives, once that is true; it is asked anew after every event and every console line."""
        with self._changed:
            found = self._changed.wait_for(condition, timeout)
            if not found:
                tail = "\n  ".join(self._lines[-20:])
                raise TimeoutError(f"board {self.name}: no {what!r} in {timeout} s; the end of its log:\n  {tail}")
            return found

    def _after(self, n: int) -> list[Event]:
        if not self._events:
            return []
        return self._events[max(0, n + 1 - self._events[0].n) :]

    # --- the board's thread --------------------------------------------------------------------------------------
    def _live(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        self._air = Air(lambda: self._process is not None and self._process.poll() is None)
        self._server = await self._loop.create_server(lambda: _Backplane(self), "127.0.0.1", 0)
        ready.set()
        try:
            await self._done
        finally:
            self._reap("unplugged")
            self._server.close()
            await self._air.close()

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _call(self, work: Callable[[], T]) -> T:
        """Do `work` in the board's thread, or here while there is none."""
        if self._thread is None or self._loop is None:
            return work()

        async def do() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(CALL_S)

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.call_later(seconds, work)

    def _argv(self) -> list[str]:
        if self.runtime == "cpython":
            # No site-packages, no user settings, no bytecode beside the sources: the firmware sees what a device has.
            return [sys.executable, "-I", "-S", "-B", "-u"]
        from host_sim.runtimes import micropython

        found = micropython()
        if found is None:
            raise BoardError("there is no MicroPython on this machine yet: make runtimes")
        return found.argv(heap=self.heap)

    def _power_on(self) -> None:
        if self._thread is None:
            raise BoardError("the board is not plugged in: start() it")
        if self._process is not None:
            return
        self.fault = None
        self._rtc = (0, time.monotonic())
        self._wdt_ms = 0
        (self.folder / "rtc").unlink(missing_ok=True)
        self._spawn(PWRON_RESET)

    def _spawn(self, cause: int) -> None:
        assert self._server is not None and self._loop is not None
        port = self._server.sockets[0].getsockname()[1]
        self._cause = cause
        self._boot += 1
        self._joined = None
        self._started_at = time.monotonic()
        environment = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(self.folder)}
        self._process = subprocess.Popen(
            [*self._argv(), str(LAUNCH), str(self.folder), str(port)],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        console = _Console(self, self._process)
        self._loop.create_task(self._listen(console))

    async def _listen(self, console: "_Console") -> None:
        assert self._loop is not None
        await self._loop.connect_read_pipe(lambda: console, console.process.stdout)

    def _reap(self, why: str) -> int | None:
        """End the process if it has not ended by itself, and forget it. Its exit status, None if there was none."""
        process, self._process = self._process, None
        if self._air is not None:
            self._air.board_gone()
        if self._backplane is not None:
            self._backplane.abort()
            self._backplane = None
        self._joined = None
        if process is None:
            return None
        if process.poll() is None:
            process.kill()
        status = process.wait()
        self._note("off", {"cause": why})
        return status

    def _kill(self, why: str, cause: int, restart: bool) -> None:
        self._sleep_ms = 0
        if self._process is not None:
            self._reap(why)
        if restart:
            if self._thread is None:
                raise BoardError("the board is not plugged in: start() it")
            self._spawn(cause)

    def _ended(self, process: "subprocess.Popen[bytes]") -> None:
        """The console closed: the process has ended by itself, or is about to."""
        if process is not self._process or self._stopping:
            return
        if process.poll() is None:
            self._later(0.005, lambda: self._ended(process))
            return
        status = process.returncode
        if status == EXIT_POWER:
            self._cut = None
            self._reap("power cut")
        elif EXIT_RESET < status <= EXIT_RESET + SOFT_RESET:
            self._quick_deaths = 0
            self._reap("reset")
            cause = status - EXIT_RESET
            if cause == DEEPSLEEP_RESET:
                if self._sleep_ms:
                    self._later(self._sleep_ms / 1000, self._wake)
            else:
                self._spawn(cause)
        elif status == -signal.SIGALRM:
            self._reap("watchdog")
            self._spawn(WDT_RESET)
        else:
            self._panic(status)

    def _wake(self) -> None:
        if self._process is None and self._sleep_ms and not self._stopping:
            self._sleep_ms = 0
            self._spawn(DEEPSLEEP_RESET)

    def _panic(self, status: int) -> None:
        """The runtime itself died: a panic, after which the chip resets. A board that only panics stays off."""
        quick = time.monotonic() - self._started_at < QUICK_S
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        if self._quick_deaths >= QUICK_DEATHS:
            self.fault = f"the runtime ended {QUICK_DEATHS} times in a row (status {status})"
        self._reap(f"panic, status {status}")
        if self.fault is None:
            self._spawn(HARD_RESET)

    # --- backplane -----------------------------------------------------------------------------------------------
    def _tell(self, message: dict[str, Any]) -> None:
        if self._backplane is not None:
            self._backplane.write(json.dumps(message).encode() + b"\n")

    def _heard(self, message: dict[str, Any]) -> None:
        kind = message.pop("ev")
        if kind == "hello":
            self._tell({"cmd": "reply", **self._boot_message()})
            return
        if kind == "route":
            assert self._loop is not None
            self._loop.create_task(self._route(message["host"], message["port"], self._backplane))
            return
        if kind == "wifi":
            # The radio is not the program: after a loss it joins again even while the program waits for a socket.
            if message["state"] != "lost":
                self._joined = message.get("ssid")
            self._set_air()
        elif kind == "rtc":
            self._rtc = (message["rtc_us"], time.monotonic())
        elif kind == "wdt":
            self._wdt_ms = message["timeout_ms"]
        elif kind == "deepsleep":
            self._sleep_ms = message["ms"]
        t_us = message.pop("t_us")
        self._note(kind, message, t_us)

    def _boot_message(self) -> dict[str, Any]:
        cut, self._cut = self._cut, None
        cause = self._cause
        return {
            "cause": cause,
            "uid": "02" + self._uid.hex(),
            "slots": self._slots,
            "wifi": [self._wifi["up"], self._wifi["auth"], self._wifi["ssid"]],
            "ntp": [self._ntp["up"], self._ntp["skew_s"]],
            "rtc_us": self._rtc_now(),
            "ticks_ms": self._ticks_ms,
            "inputs": list(self._inputs.items()),
            "cut": cut,
            "wdt_ms": self._wdt_ms if cause == SOFT_RESET else 0,
        }

    async def _route(self, host: str, port: int, asked_by: asyncio.Transport | None) -> None:
        assert self._air is not None
        found = await self._air.route(host, port)
        if self._backplane is asked_by:
            self._tell({"cmd": "reply", **({"port": found} if found is not None else {})})

    def _rtc_now(self) -> int:
        value, at = self._rtc
        return value + int((time.monotonic() - at) * 1e6)

    def _set_air(self) -> None:
        if self._air is not None:
            known = self._joined is not None and self._wifi["ssid"] in (None, self._joined)
            self._air.set_link(known and self._wifi["up"] and self._wifi["auth"])

    def _set_wifi(self, **change: Any) -> None:
        self._wifi.update(change)
        self._set_air()
        self._tell({"cmd": "wifi", **change})

    def _clock(self, change: Callable[[int], int], command: dict[str, int]) -> None:
        self._rtc = (change(self._rtc_now()), time.monotonic())
        self._tell({"cmd": "clock", **command})

    def _set_input(self, pin: int, level: int | None) -> None:
        if level is None:
            self._inputs.pop(pin, None)
        else:
            self._inputs[pin] = level
        self._tell({"cmd": "input", "pin": pin, "value": level})

    def _plan_cut(self, n: int, at: str) -> None:
        if self._process is None:
            self._cut = (n, at) if n else None
        else:
            self._tell({"cmd": "cut", "n": n, "at": at})

    # --- trace ---------------------------------------------------------------------------------------------------
    def _note(self, kind: str, data: dict[str, Any], t_us: int = 0) -> None:
        with self._changed:
            self._serial += 1
            event = Event(self._serial, self._boot, t_us, kind, time.monotonic(), data)
            self._events.append(event)
            if len(self._events) > KEEP_EVENTS:
                del self._events[: KEEP_EVENTS // 10]
            self._changed.notify_all()
        for observer in self._observers:
            observer(event)

    def _line(self, line: str) -> None:
        with self._changed:
            self._lines.append(line)
            if len(self._lines) > KEEP_LINES:
                del self._lines[: KEEP_LINES // 10]
            self._changed.notify_all()
        for observer in self._line_observers:
            observer(line)


class _Lines:
    """Whole lines out of whatever pieces arrive."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        return [bytes(line) for line in lines]

    def rest(self) -> bytes:
        return bytes(self._rest)


class _Backplane(asyncio.Protocol):
    """The board's end of the backplane: events in, commands out."""

    def __init__(self, board: VirtualBoard) -> None:
        self._board = board
        self._lines = _Lines()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._board._backplane is not None or self._board._process is None:
            transport.abort()
            return
        self._transport = self._board._backplane = transport

    def data_received(self, data: bytes) -> None:
        if self._transport is not self._board._backplane:
            return
        for line in self._lines.feed(data):
            self._board._heard(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None and self._transport is self._board._backplane:
            self._board._backplane = None


class _Console(asyncio.Protocol):
    """The serial console: the process's standard output, and the sign that it has ended."""

    def __init__(self, board: VirtualBoard, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._board = board
        self._lines = _Lines()

    def data_received(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._board._line(line.decode(errors="replace").rstrip("\r"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lines.rest():
            self._board._line(self._lines.rest().decode(errors="replace"))
        self._board._ended(self.process)
