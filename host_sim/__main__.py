"""`python -m host_sim COMMAND …`: one entry for every host-side program.

Commands are imported when they are called, so that one with a missing extra does
not take the others down.
"""

import sys

if sys.version_info < (3, 11):  # before anything that an older one cannot even read
    sys.exit(f"host_sim: this needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}")

import difflib
import importlib

from host_sim import ROOT, commandline

COMMANDS = {
    "conformance": ("host_sim.conformance.cli", "test whether an implementation does what the text says"),
    "codec": ("host_sim.codec", "sign and verify messages, a JSON object a line on stdin"),
    "broker": ("host_sim.broker.cli", "run the mock MQTT broker"),
    "board": ("host_sim.board.cli", "run the firmware on a virtual ESP32"),
    "cloud": ("host_sim.cloud.cli", "run the reference cloud, make tokens for it"),
    "client": ("host_sim.cloud_client.cli", "register devices with a cloud, see them, send them commands"),
    "device": ("host_sim.cloud_device.cli", "register a virtual device with a cloud and run it"),
    "ir": ("host_sim.ir.cli", "translate infrared commands between formats, and draw them"),
    "demo": ("host_sim.demo.cli", "play the demonstration"),
    "runtimes": ("host_sim.runtimes", "fetch real MicroPython for the tests"),
}


def usage() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "usage: python -m host_sim COMMAND [--help]\n\n" + "\n".join(rows) + "\n"


def main(argv: list[str]) -> int:
    try:
        status = _call(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        commandline.read_no_more()
        return 1
    except KeyboardInterrupt:
        # Before a command has come so far that it sees to this itself: while it is imported.
        return 130
    return status


def _call(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage(), end="")
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        near = "".join(f"; did you mean {one}?" for one in difflib.get_close_matches(argv[0], COMMANDS, 1))
        print(f"host_sim: no command named {argv[0]!r}{near}\n\n{usage()}", end="", file=sys.stderr)
        return 2
    try:
        return importlib.import_module(COMMANDS[argv[0]][0]).main(argv[1:])
    except ModuleNotFoundError as missing:
        if not missing.name or missing.name.partition(".")[0] in ("host_sim", "hxtp"):
            raise  # a fault of ours
        commandline.complain(argv[0], f"{sys.executable} lacks the package {missing.name}. {_ready()}")
        return 2


def _ready() -> str:
    made = ROOT / ".venv" / "bin" / "python"
    begin = "Use" if made.exists() else "Run make setup once; then use"
    return f"{begin} .venv/bin/python in {ROOT}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
