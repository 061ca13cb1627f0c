"""`python -m host_sim ir`: translates and draws infrared commands. It must never lose a thing silently."""

import argparse
import sys
from pathlib import Path

from host_sim.ir import formats, show
from host_sim.ir.signals import FormatError, Signal


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m host_sim ir", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listed = "\n".join(f"  {name:<14} {about}" for name, about in formats.NAMES.items())
    for name, about in (
        ("convert", "write the commands of a file in another format"),
        ("show", "draw commands, decoded bit by bit"),
        ("list", "the commands of a file"),
    ):
        sub = commands.add_parser(
            name,
            help=about,
            epilog="formats:\n" + listed,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("file", help="the file, or - for stdin")
        sub.add_argument("--from", dest="source", required=True, choices=formats.NAMES, metavar="FORMAT")
        if name == "convert":
            sub.add_argument("--to", dest="target", required=True, choices=formats.NAMES, metavar="FORMAT")
        if name == "show":
            sub.add_argument("--name", help="this command only")
            sub.add_argument("--svg", action="store_true", help="as SVG (one command)")
    options = parser.parse_args(argv)
    try:
        signals = read(options.file, options.source)
        if options.command == "convert":
            text, lost = formats.module(options.target).dump(signals)
            print(text, end="")
            for line in lost:
                print(f"lost: {line}", file=sys.stderr)
        elif options.command == "list":
            for signal in signals:
                print(f"{signal.name}: {show.readings(signal)[0][2] or f'{len(signal.once)} raw timings'}")
        else:
            _show(signals, options)
    except (FormatError, OSError, UnicodeDecodeError) as error:
        print(f"ir: {options.file}: {error}", file=sys.stderr)
        return 1
    return 0


def read(file: str, source: str) -> list[Signal]:
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    return formats.module(source).load(text)


def _show(signals: list[Signal], options: argparse.Namespace) -> None:
    chosen = [signal for signal in signals if options.name in (None, signal.name)]
    if not chosen:
        raise FormatError(f"no command named {options.name!r}: {', '.join(s.name for s in signals)}")
    if options.svg and len(chosen) > 1:
        raise FormatError("choose one of them with --name: " + ", ".join(s.name for s in chosen))
    print("".join(show.svg(s) if options.svg else show.text(s) for s in chosen), end="")
