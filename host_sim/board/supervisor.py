"""The thread behind a virtual board: it starts and restarts the board's process and speaks to it.

Everything here but `start`, `stop` and `call` runs in that thread, so nothing needs a lock. It must never
leave a process behind: each one is killed before the thread ends, and by the kernel if the thread is ended
for us.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from host_sim.board.air import Air
from host_sim.board.recorder import Recorder
from host_sim.board.world import World
from host_sim.trouble import Trouble

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
EXIT_RESET, EXIT_POWER = 64, 80  # as modules/_board.py has them
CALL_S = 30  # for the thread to do what it is asked
# After so many starts in a row that ended by themselves within QUICK_S, without a reset, the board stays off.
QUICK_DEATHS = 5
QUICK_S = 2

T = TypeVar("T")


class BoardError(Trouble):
    """The virtual board cannot do what was asked: no runtime, or the firmware's process does not start."""


class Supervisor:
    """`argv(port)` is the board's command line; `world` is what the board finds around it."""

    def __init__(
        self, folder: Path, argv: Callable[[int], list[str]], world: World, recorder: Recorder
    ) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.backplane: asyncio.Transport | None = None
        self._folder = folder
        self._argv = argv
        self._world = world
        self._recorder = recorder
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Future[None] | None = None
        self._server: asyncio.Server | None = None
        self._air: Air | None = None
        self._joined: str | None = None  # the network that the firmware joined, and did not leave
        self._cause = PWRON_RESET
        self._started_at = 0.0
        self._heard_at = (0, 0.0)  # the board's µs in its last event, and when that came
        self._quick_deaths = 0
        self._sleep_ms = 0

    # --- called from other threads --------------------------------------------------------------------------
    @property
    def plugged_in(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        if self._thread is not None:
            raise BoardError("the board was started already")
        ready = threading.Event()
        name = f"virtual board {self._recorder.name}"
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name=name, daemon=True
        )
        self._thread.start()
        if not ready.wait(CALL_S):
            raise BoardError("the board's thread does not begin")

    def stop(self) -> None:
        if self._thread is None:
            return
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop may be gone already
            self._loop.call_soon_threadsafe(self._finish)
        self._thread.join(CALL_S)
        self._thread = None

    def call(self, work: Callable[[], T]) -> T:
        """Do `work` in the board's thread, or here while there is none."""
        if self._thread is None or self._loop is None:
            return work()

        async def do() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(CALL_S)

    def post(self, work: Callable[[], None]) -> None:
        """Have `work` done in the board's thread soon, without waiting for it; not at all while there is
        none."""
        if self._thread is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop may be gone already
                self._loop.call_soon_threadsafe(work)

    # --- life of the thread ---------------------------------------------------------------------------------
    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        self._air = Air(lambda: self.process is not None and self.process.poll() is None)
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

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.call_later(seconds, work)

    # --- power ----------------------------------------------------------------------------------------------
    def power_on(self) -> None:
        self._need_thread()
        if self.process is not None:
            return
        self._recorder.fault = None
        self._quick_deaths = 0
        self._world.power_on()
        (self._folder / "rtc").unlink(missing_ok=True)
        self._spawn(PWRON_RESET)

    def power_off(self, why: str) -> None:
        self._sleep_ms = 0
        if self.process is not None:
            self._reap(why)

    def reset(self, cause: int) -> None:
        self._need_thread()
        self.power_off("reset")
        self._spawn(cause)

    def _need_thread(self) -> None:
        if self._thread is None:
            raise BoardError("the board is not plugged in: start() it")

    def _spawn(self, cause: int) -> None:
        assert self._server is not None and self._loop is not None
        port = self._server.sockets[0].getsockname()[1]
        self._cause = cause
        self._joined = None
        self._recorder.boot += 1
        self._started_at = time.monotonic()
        self._heard_at = (0, self._started_at)
        self.process = subprocess.Popen(
            self._argv(port),
            cwd=self._folder,
            env={"LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(self._folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        console = _Console(self, self.process, self._recorder)
        self._loop.create_task(self._listen(console))

    async def _listen(self, console: "_Console") -> None:
        assert self._loop is not None
        await self._loop.connect_read_pipe(lambda: console, console.process.stdout)

    def _reap(self, why: str) -> None:
        """End the process if it has not ended by itself, and forget it."""
        process, self.process = self.process, None
        if self._air is not None:
            self._air.board_gone()
        if self.backplane is not None:
            self.backplane.abort()
            self.backplane = None
        self._joined = None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
        process.wait()
        t_us, at = self._heard_at
        self._recorder.event("off", {"cause": why}, t_us + int((time.monotonic() - at) * 1e6))

    def ended(self, process: "subprocess.Popen[bytes]") -> None:
        """The console closed: the process has ended by itself, or is about to."""
        if process is not self.process or self._done is None or self._done.done():
            return
        status = process.poll()
        if status is None:
            self.later(0.005, lambda: self.ended(process))
        elif status == EXIT_POWER:
            self._world.planned = None
            self._reap("power cut")
        elif EXIT_RESET < status <= EXIT_RESET + SOFT_RESET:
            self._quick_deaths = 0
            self._reap("reset")
            self._restart(status - EXIT_RESET)
        elif status == -signal.SIGALRM:
            self._reap("watchdog")
            self._spawn(WDT_RESET)
        else:
            self._panic(status)

    def _restart(self, cause: int) -> None:
        if cause != DEEPSLEEP_RESET:
            self._spawn(cause)
        elif self._sleep_ms:
            self.later(self._sleep_ms / 1000, self._wake)

    def _wake(self) -> None:
        if self.process is None and self._sleep_ms and self._done is not None and not self._done.done():
            self._sleep_ms = 0
            self._spawn(DEEPSLEEP_RESET)

    def _panic(self, status: int) -> None:
        """The runtime itself died: a panic, after which the chip resets. One that only panics stays off."""
        quick = time.monotonic() - self._started_at < QUICK_S
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        self._reap(f"panic, status {status}")
        if self._quick_deaths < QUICK_DEATHS:
            self._spawn(HARD_RESET)
        else:
            self._recorder.fault = f"the runtime ended {QUICK_DEATHS} times in a row (status {status})"

    # --- backplane ------------------------------------------------------------------------------------------
    def tell(self, message: dict[str, Any]) -> None:
        """Send the board a command; nothing if it is off, since it will ask when it starts."""
        if self.backplane is not None:
            self.backplane.write(json.dumps(message).encode() + b"\n")

    def heard(self, message: dict[str, Any]) -> None:
        """An event of the board, or a question that it waits for the answer to."""
        kind = message.pop("ev")
        if kind == "hello":
            self.tell({"cmd": "reply", **self._world.boot_message(self._cause)})
            return
        if kind == "route":
            assert self._loop is not None
            self._loop.create_task(self._route(message["host"], message["port"], self.backplane))
            return
        # The radio is not the program: after a loss it joins again even while the program waits for a socket.
        if kind == "wifi" and message["state"] != "lost":
            self._joined = message.get("ssid")
            self.set_air()
        elif kind == "rtc":
            self._world.rtc_is(message["rtc_us"])
        elif kind == "wdt":
            self._world.wdt_ms = message["timeout_ms"]
        elif kind == "deepsleep":
            self._sleep_ms = message["ms"]
        t_us = message.pop("t_us")
        self._heard_at = (t_us, time.monotonic())
        self._recorder.event(kind, message, t_us)

    async def _route(self, host: str, port: int, asked_by: asyncio.Transport | None) -> None:
        assert self._air is not None
        found = await self._air.route(host, port)
        if self.backplane is asked_by:
            self.tell({"cmd": "reply", **({"port": found} if found is not None else {})})

    def set_air(self) -> None:
        if self._air is not None:
            self._air.set_link(self._joined is not None and self._world.in_reach(self._joined))

    def reset_connections(self) -> None:
        if self._air is not None:
            self._air.reset_all()


class _Lines:
    """Whole lines out of whatever pieces arrive."""

    def __init__(self) -> None:
        self.rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self.rest += data
        *lines, self.rest = self.rest.split(b"\n")
        return [bytes(line) for line in lines]


class _Backplane(asyncio.Protocol):
    """The board's end of the backplane: events in, commands out."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._lines = _Lines()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._supervisor.backplane is not None or self._supervisor.process is None:
            transport.abort()
            return
        self._transport = self._supervisor.backplane = transport

    def data_received(self, data: bytes) -> None:
        if self._transport is not self._supervisor.backplane:
            return
        for line in self._lines.feed(data):
            self._supervisor.heard(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None and self._transport is self._supervisor.backplane:
            self._supervisor.backplane = None


class _Console(asyncio.Protocol):
    """The serial console: the process's standard output, and the sign that it has ended."""

    def __init__(
        self, supervisor: Supervisor, process: "subprocess.Popen[bytes]", recorder: Recorder
    ) -> None:
        self.process = process
        self._supervisor = supervisor
        self._recorder = recorder
        self._lines = _Lines()

    def data_received(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._recorder.line(line.decode(errors="replace").rstrip("\r"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lines.rest:
            self._recorder.line(self._lines.rest.decode(errors="replace"))
        self._supervisor.ended(self.process)
