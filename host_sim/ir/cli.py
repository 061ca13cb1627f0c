"""`python -m host_sim ir`: translates and draws infrared commands. It must never lose a thing silently."""

import argparse
import os
import shutil
import stat
import sys

from host_sim.cloud_client import cli as client
from host_sim.cloud_client.options import add_options
from host_sim.commandline import complain, parser_of
from host_sim.ir import formats, show
from host_sim.ir.formats import device
from host_sim.ir.guess import guess
from host_sim.ir.reading import MOST_CHARACTERS, shown
from host_sim.ir.signals import FormatError, Signal
from host_sim.params import plain

EPILOG = """\
examples:
  python -m host_sim ir convert tv.ir --to tasmota
  python -m host_sim ir show tv.ir --name Power
  python -m host_sim ir send demo-ir tv.ir --name Power

COMMAND --help lists the formats."""
# A character of UTF-8 has up to four bytes.
MOST_BYTES = 4 * MOST_CHARACTERS


def main(argv: list[str]) -> int:
    """0 where all was done, 1 where something was not (stderr says what), 2 for a wrong command line."""
    options = _parser().parse_args(argv)
    try:
        signals, refused = _signals(options)
        _tell_left_out(refused)
        status = options.run(signals, options)
        return status if options.run is _send else int(status or bool(refused))
    except BrokenPipeError:
        raise  # nobody reads any more: what runs this ends quietly
    except (FormatError, OSError, UnicodeError) as error:
        told = f"{error.strerror}" if isinstance(error, OSError) and error.strerror else str(error)
        complain("ir", f"{_plain(options.file)}: {_plain(told)}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(
        "ir", "Translate infrared commands between formats, draw them, or have a device send one.", EPILOG
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    listed = "formats:\n" + "\n".join(f"  {name:<14} {about}" for name, about in formats.NAMES.items())

    def add(name: str, run, about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=listed,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        if name == "send":
            sub.add_argument("device", help="its id, the beginning of it, or its name")
        sub.add_argument("file", help="the file, or - for stdin")
        sub.add_argument(
            "--from",
            dest="source",
            choices=formats.NAMES,
            metavar="FORMAT",
            help="the file's (default: looks)",
        )
        sub.add_argument("--name", action="append", help="this command only; may be given again")
        sub.add_argument("--keep-going", action="store_true", help="leave out what cannot be had, and say so")
        return sub

    call = add("convert", _convert, "write the commands of a file in another format")
    call.add_argument("--to", dest="target", required=True, choices=formats.NAMES, metavar="FORMAT")
    call = add("show", _show, "draw commands, decoded bit by bit")
    call.add_argument("--svg", action="store_true", help="as SVG (one command)")
    call.add_argument("--colour", "--color", choices=("auto", "always", "never"), default="auto")
    call.add_argument("--width", type=int, help="columns (default: the terminal's)")
    add("list", _list, "the commands of a file")
    call = add("send", _send, "have a device send a command of a file, by way of its cloud")
    client.add_sending(call)
    add_options(call)
    return parser


def _plain(text: str) -> str:
    """Text on one line, without what a terminal obeys."""
    return plain(text[:500])


def text_of(file: str) -> str:
    """The text of a file, or of stdin for «-»; raises FormatError where it is bigger than any such file."""
    if file == "-":
        data = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        descriptor = os.open(
            file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
        )  # a pipe that nobody writes to must not hold it up
        with open(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FormatError("no file; give - to read from a pipe")
            data = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise FormatError(f"bigger than {MOST_BYTES // 1_000_000} MB, and so no file of commands")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FormatError("no text of UTF-8") from None


def _source(text: str, file: str, source: str | None) -> str:
    found = source or guess(text, file)
    if found is None:
        raise FormatError(
            "of no format that is known here, or of several; say which: --from " + "|".join(formats.NAMES)
        )
    return found


def _signals(options: argparse.Namespace) -> tuple[list[Signal], list[str]]:
    text = text_of(options.file)
    source = _source(text, options.file, options.source)
    # For chosen commands it does not matter what is wrong with the others.
    if options.keep_going or options.name:
        signals, refused = formats.load_some(source, text)
    else:
        signals, refused = formats.load(source, text), []
    if not options.name:
        if not signals:
            raise FormatError(
                "no command in it that can be had" + "".join(f"; {line}" for line in refused[:1])
            )
        return signals, refused
    for name in options.name:
        if not any(signal.name == name for signal in signals):
            for line in refused:
                if line.startswith(f"{name}: "):
                    raise FormatError(line)
            there = ", ".join(shown(signal.name) for signal in signals[:20])
            raise FormatError(f"no command named {shown(name)}; there are: {there}")
    return [signal for signal in signals if signal.name in options.name], []


def _tell_left_out(lines: list[str]) -> None:
    for line in lines:
        print(f"left out: {_plain(line)}", file=sys.stderr)


def _convert(signals: list[Signal], options: argparse.Namespace) -> bool:
    """Whether something was left out. What was chosen by name is wanted whole, unless --keep-going."""
    if options.keep_going:
        text, lost, refused = formats.dump_some(options.target, signals)
    else:
        text, lost, refused = *formats.dump(options.target, signals), []
    _print(text)
    for line in lost:
        print(f"lost: {_plain(line)}", file=sys.stderr)
    _tell_left_out(refused)
    return bool(refused)


def _print(text: str) -> None:
    # Names from elsewhere may have letters that this terminal's encoding has not.
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end="")


def _list(signals: list[Signal], options: argparse.Namespace) -> bool:
    for signal in signals:
        _print(f"{_plain(signal.name)}: {show.summary(signal)}\n")
    return False


def _show(signals: list[Signal], options: argparse.Namespace) -> bool:
    if options.svg:
        if len(signals) > 1:
            raise FormatError(
                "choose one of them with --name: " + ", ".join(shown(s.name) for s in signals[:20])
            )
        _print(show.svg(signals[0]))
        return False
    colour = options.colour == "always"
    if options.colour == "auto":
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    width = options.width or shutil.get_terminal_size((72, 24)).columns
    _print("\n".join(show.text(signal, min(width, 1000), colour=colour) for signal in signals))
    return False


def _send(signals: list[Signal], options: argparse.Namespace) -> int:
    if len(signals) > 1:
        raise FormatError("choose one of them with --name: " + ", ".join(shown(s.name) for s in signals[:20]))
    action, params = device.action(signals[0])
    return client.guarded(lambda: client.send(options, action, params))
