"""A vendor's codec program: started without a shell, asked line by line, started again if it does not answer.

What it prints has a size, and what it is waited for a time. It must never be given anything but the request
lines, and nothing it does may end the kit with a traceback.
"""

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import sys
from typing import Any, NoReturn

from host_sim.conformance.case import Failed, KitError

MAX_ANSWER = 1 << 20  # bytes of one answer; the longest sound one has about 200 kB
MAX_TOLD = 160  # characters of what a program printed that a message repeats
ERRORS_KEPT = 4096  # bytes
SILENCES = 5  # time-outs in a row after which there is no more waiting
TIMEOUT = 10.0  # seconds
PAUSE = 0.05  # seconds between the pieces of a request, so that they arrive apart
GRACE = 1.0  # seconds that a program has to end when its input has ended
RESET = b'{"op":"reset"}'
ERROR = re.compile(rb"\w*(Error|Exception)\b")  # how a line begins that an interpreter ends with


class _Output(asyncio.SubprocessProtocol):
    """What the program has printed. `ahead`: not taken for an answer yet; `errors`: the end of its errors."""

    def __init__(self) -> None:
        self.ahead = bytearray()
        self.errors = bytearray()
        self.news = asyncio.Event()  # more has been printed, or nothing more will be
        self.open = {1, 2}
        self.closed = asyncio.Event()  # neither prints any more
        self.exited = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.errors += data
            del self.errors[:-ERRORS_KEPT]
        elif len(self.ahead) <= MAX_ANSWER:  # what is more is of no use
            self.ahead += data
            self.news.set()

    def pipe_connection_lost(self, fd: int, error: Exception | None) -> None:
        self.open.discard(fd)
        self.news.set()
        if not self.open:
            self.closed.set()

    def process_exited(self) -> None:
        self.exited.set()


class CodecProgram:
    """An async context manager around the program of `command`, whose words are split as a shell does."""

    def __init__(self, command: str, timeout: float = TIMEOUT) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise KitError(f"the codec's command {command!r} cannot be split into words: {error}") from error
        if not self._words:
            raise KitError("the codec's command is empty; give the program and its arguments in quotes")
        self._timeout = timeout
        self._program: asyncio.SubprocessTransport | None = None
        self._output = _Output()
        self._silences = 0
        self.profiles: set[str] = set()

    async def __aenter__(self) -> "CodecProgram":
        """Starts it and asks for a reset: KitError if it does not start, ends at once or says nothing."""
        try:
            await self._line(RESET)
        except Failed as failed:
            await self.stop()
            raise KitError(f"the codec {self._words[0]!r} is of no use: {failed}") from failed
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def ask(self, line: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer to one request line, and as it was printed. Failed says what is wrong with it."""
        raw = await self._line(line)
        return await self._answer(raw), raw

    async def talk(self, pieces: list[bytes], count: int) -> list[dict[str, Any]]:
        """The `count` answers to what is written in `pieces`, with a pause behind each."""
        return [await self._answer(raw) for raw in await self._lines(pieces, count)]

    async def _answer(self, raw: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(raw, object_pairs_hook=_members, parse_constant=_no_constant)
            if not isinstance(answer, dict):
                raise ValueError("no object")
        except (ValueError, RecursionError) as error:
            # It may have been anything, so whatever comes behind it may answer nothing either.
            return await self._again("one JSON object as the answer", f"{_told(raw)} ({error})")
        return answer

    async def _line(self, line: bytes) -> bytes:
        return (await self._lines([line + b"\n"], 1))[0]

    async def _lines(self, pieces: list[bytes], count: int) -> list[bytes]:
        # A line for a line; a program that gave fewer, or more, is not asked again but started again.
        if self._program is None:
            await self._start()
        if self._output.ahead:
            await self._again("no output before the request", f"{_told(self._output.ahead)}, unasked")
        try:
            async with asyncio.timeout(self._timeout):
                lines = await self._exchange(pieces, count)
        except TimeoutError:
            self._silences += 1
            if self._silences >= SILENCES:
                await self.stop()
                raise KitError(
                    f"the codec left {SILENCES} requests in a row without an answer for {self._timeout:g} s "
                    "each; --timeout gives it longer"
                ) from None
            await self._again("an answer", f"none within {self._timeout:g} s")
        self._silences = 0
        return lines

    async def _exchange(self, pieces: list[bytes], count: int) -> list[bytes]:
        output = self._output
        writing = asyncio.ensure_future(self._write(pieces))
        try:
            while output.ahead.count(b"\n") < count and len(output.ahead) <= MAX_ANSWER:
                if 1 not in output.open:
                    await output.exited.wait()
                    await self._again("an answer", f"the end of the program ({await self._ending()})")
                output.news.clear()
                await output.news.wait()
            if len(output.ahead) > MAX_ANSWER:
                await self._again(f"an answer of at most {MAX_ANSWER} bytes", "more")
            if not writing.done() and len(pieces) > 1:
                await self._again("no answer before the end of the request", _told(output.ahead))
            await writing
        finally:
            writing.cancel()
        *lines, rest = bytes(output.ahead).split(b"\n", count)
        if rest:
            wanted = "one line" if count == 1 else f"{count} lines"
            await self._again(wanted, f"{_told(lines[-1])} and more behind it: {_told(rest)}")
        output.ahead.clear()
        return lines

    async def _write(self, pieces: list[bytes]) -> None:
        # Written to a program that has ended, it goes nowhere: the end of the output tells of that.
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(PAUSE)
            self._program.get_pipe_transport(0).write(piece)

    async def _again(self, expected: str, came: str) -> NoReturn:
        await self.stop()
        raise Failed(expected, came)

    async def _start(self) -> None:
        own_group = {} if sys.platform == "win32" else {"start_new_session": True}
        loop = asyncio.get_running_loop()
        try:
            self._program, self._output = await loop.subprocess_exec(_Output, *self._words, **own_group)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise KitError(f"the codec {self._words[0]!r} cannot be started: {reason}") from error

    async def _ending(self) -> str:
        await _within_grace(self._output.closed)  # the reason may still be under way
        code = self._program.get_returncode()
        how = f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        lines = bytes(self._output.errors).split(b"\n")
        said = [text for text in reversed(lines) if text.strip()]
        # The last line, but of Node that is its version: then the one that says what is wrong.
        telling = next((text for text in said if ERROR.match(text)), said[0] if said else b"")
        return f"{how}; on standard error: {_told(telling)}" if telling else how

    async def stop(self) -> None:
        """Ends the program: its input ends, and if that does not do, it and what it started are killed."""
        program, self._program = self._program, None
        if program is None:
            return
        output, self._output = self._output, _Output()
        try:
            program.get_pipe_transport(0).close()
            if self._silences == 0 and not output.ahead:
                await _within_grace(output.exited)
        finally:
            _kill(program)
            await output.exited.wait()
            program.close()  # and its pipes, which a child of it may still hold


async def _within_grace(event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            await event.wait()


def _kill(program: asyncio.SubprocessTransport) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            program.kill()
        else:
            os.killpg(program.get_pid(), signal.SIGKILL)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _told(raw: bytes | bytearray) -> str:
    text = bytes(raw[: 4 * MAX_TOLD]).decode("utf-8", "replace")
    return repr(text[:MAX_TOLD]) + (" …" if len(text) > MAX_TOLD or len(raw) > 4 * MAX_TOLD else "")
