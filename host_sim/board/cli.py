"""`python -m host_sim board`: run the firmware on a virtual board in the foreground, as with a real one on a
cable.

It must never print a secret of the configuration; the console is the firmware's, and it keeps to the same
rule.
"""

import argparse
import contextlib
import json
import threading
from pathlib import Path

from host_sim import commandline
from host_sim.board.scratch import scratch
from host_sim.board.supervisor import BoardError
from host_sim.board.trace import Event, describe
from host_sim.board.virtual import VirtualBoard
from host_sim.board.waveform import rmt
from host_sim.trouble import Trouble

BOARD_FILE = "board.json"


class WrongFile(Trouble):
    """A file that the command line names cannot be used."""


def main(argv: list[str]) -> int:
    """0 after Ctrl-C or --seconds, 1 where the board cannot run or is in fault, 2 for wrong options."""
    options = _parser().parse_args(argv)
    return commandline.guarded("board", lambda: _run(options), {WrongFile: 2, BoardError: 1})


def _run(options: argparse.Namespace) -> int:
    files = _files(options.config, options.board)
    with contextlib.nullcontext(options.flash) if options.flash else scratch() as flash:
        try:
            board = VirtualBoard(
                flash,
                runtime=options.runtime,
                heap=options.heap,
                name=options.name,
                files=files,
                slots=options.slots,
            )
        except OSError as error:
            raise BoardError(_flash_trouble(error, flash)) from None
        return run(board, options.seconds)


def _parser() -> argparse.ArgumentParser:
    parser = commandline.parser_of(
        "board",
        "Run the firmware on a virtual board in the foreground, as with a real one on a cable, until Ctrl-C.",
    )
    parser.add_argument(
        "--config", type=Path, help="hxtp.json of the device; without it the flash has its own or none"
    )
    parser.add_argument(
        "--board", type=Path, help="board data (as in firmware/boards), instead of the configured one"
    )
    parser.add_argument(
        "--flash", type=Path, help="folder that is the flash and stays; else a new board each time"
    )
    parser.add_argument("--runtime", choices=("cpython", "micropython"), default="cpython")
    parser.add_argument("--heap", default="128K", help="MicroPython's heap (default 128K)")
    parser.add_argument(
        "--name", default="board", help="which board it is: MAC address and unique id follow from it"
    )
    parser.add_argument("--slots", type=int, choices=(1, 2), default=1, help="application partitions")
    parser.add_argument("--seconds", type=float, help="unplug it after so long, instead of at Ctrl-C")
    return parser


def _flash_trouble(error: OSError, flash: str | Path) -> str:
    """What is wrong with the folder of the flash, in one sentence."""
    # shutil.Error has a list of its own in the place of errno.
    what = (
        f"{error.strerror}: {error.filename}" if error.strerror else "some of the firmware cannot be copied"
    )
    return f"the flash cannot be written to {flash} ({what}); name another folder with --flash"


def _text(path: Path, wanted: str) -> str:
    """A file that the command line names; raises WrongFile with its name where it cannot be had."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WrongFile(f"there is no {path}; {wanted}") from None
    except OSError as error:
        raise WrongFile(f"{path} cannot be read ({error.strerror}); {wanted}") from None
    except UnicodeDecodeError:
        raise WrongFile(f"{path} is no text of UTF-8; {wanted}") from None


def _files(config: Path | None, board: Path | None) -> dict[str, str | bytes | Path]:
    """What goes into the flash: the configuration, the CA file that it names, and the board data."""
    files: dict[str, str | bytes | Path] = {}
    if board is not None:
        _text(board, "--board wants a file with board data, such as firmware/boards/demo-light.json")
        files[BOARD_FILE] = board
    if config is None:
        return files
    text = _text(config, "--config wants the device's hxtp.json")
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongFile(f"{config} is no JSON: {error}") from None
    if not isinstance(settings, dict):
        raise WrongFile(f"{config} is not a JSON object")
    ca = settings.get("ca")
    if isinstance(ca, str) and not ca.startswith("-----"):
        beside = config.parent / ca
        if beside.is_file():
            settings["ca"] = beside.name
            files[beside.name] = beside
    if board is not None:
        settings["board"] = BOARD_FILE
    files["hxtp.json"] = json.dumps(settings)
    return files


def run(board: VirtualBoard, seconds: float | None) -> int:
    """Power a board and print what it does, until Ctrl-C or for so long. 1: it is in fault.

    Raises BoardError where it does not start, BrokenPipeError where nobody reads any more.
    """
    unread = threading.Event()
    lock = threading.Lock()

    def show(text: str) -> None:
        with lock:
            try:
                print(text, flush=True)
            except BrokenPipeError:
                unread.set()

    def event(one: Event) -> None:
        line = describe(one)
        if line is not None:
            show(f"[{one.t_us / 1e6:10.3f}] {line}")
        if one.ev == "rmt":
            show(rmt(one))

    board.observe(event, lambda line: show(f"  | {line}"))
    try:
        board.start()
        waited = 0.0
        while board.fault is None and not unread.is_set() and (seconds is None or waited < seconds):
            unread.wait(0.2)
            waited += 0.2
    except KeyboardInterrupt:
        show("(unplugged)")
    finally:
        board.stop()
    if unread.is_set():
        raise BrokenPipeError("nobody reads any more what the board does")
    if board.fault:
        commandline.complain("board", board.fault)
        return 1
    return 0
