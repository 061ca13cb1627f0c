"""`python -m host_sim device`: register a virtual device with a cloud, and run the real firmware for it.

The registration stays in a folder, so that the next start is the same device. Must never print a token or a
secret; a token belongs into HXTP_TOKEN or a file, where other users of the machine cannot read it.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from host_sim import FIRMWARE, ROOT
from host_sim.board import BoardError, VirtualBoard
from host_sim.board.cli import run
from host_sim.cloud_client import bootstrap
from host_sim.cloud_client.api import OWN_CA, Api, CloudError, own_ca
from host_sim.cloud_client.registration import Identity, register
from host_sim.cloud_device.flash import flash_files
from host_sim.cloud_device.identity import kept
from host_sim.files import StoreError, lock_folder

BOARDS = FIRMWARE / "boards"
TOKEN = "HXTP_TOKEN"  # the environment's name of it, not a token
MAX_TOKEN = 2048  # characters
EPILOG = """\
examples:
  export HXTP_TOKEN=$(python -m host_sim cloud token --tenant home --email me@example.org)
  python -m host_sim device --cloud https://127.0.0.1:8443/api/v1 --board demo-light
  python -m host_sim device --cloud https://cloud.example --ca ca.pem --board demo-light
  python -m host_sim device --cloud … --token-file token.txt --board demo-relay --runtime micropython"""


class Usage(Exception):
    """The command line lacks something or is wrong; says what to write."""


def main(argv: list[str]) -> int:
    """0 after Ctrl-C, 1 where the cloud or the board is in the way, 2 for a wrong command line."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        board = _board(options.board)
        folder = options.data or ROOT / "build" / "device" / board.stem
        lock = lock_folder(folder)
        try:
            return _run(options, board, folder)
        finally:
            os.close(lock)
    except Usage as error:
        print(f"host_sim device: {error}", file=sys.stderr)
        return 2
    except (CloudError, BoardError, StoreError, OSError) as error:
        print(f"host_sim device: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m host_sim device",
        description="Register a virtual device with a cloud, and run the real firmware for it until Ctrl-C.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cloud", required=True, metavar="URL", help="the API: https://HOST:PORT/api/v1")
    parser.add_argument(
        "--board", required=True, metavar="NAME", help=f"one of {', '.join(_names())}, or a file"
    )
    parser.add_argument("--token", metavar="T", help=f"others on this machine can read it: better {TOKEN}")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="its first line is the token")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help=f"CA of the API's certificate ({OWN_CA} for a cloud on this "
        "machine; else the system's)"
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="registration and flash (default build/device/NAME)"
    )
    parser.add_argument("--home", metavar="ID", help="the home that a new device belongs to")
    parser.add_argument("--room", metavar="ID", help="its room")
    parser.add_argument("--runtime", choices=("cpython", "micropython"), default="cpython")
    parser.add_argument("--heap", default="128K", help="MicroPython's heap (default 128K)")
    parser.add_argument("--seconds", type=float, help="unplug it after so long, instead of at Ctrl-C")
    return parser


def _names() -> list[str]:
    return sorted(path.stem for path in BOARDS.glob("*.json"))


def _board(name: str) -> Path:
    path = BOARDS / f"{name}.json" if name in _names() else Path(name)
    if path.suffix != ".json" or not path.is_file():
        raise Usage(f"there is no board {name!r}; there are {', '.join(_names())}, or name a .json file")
    return path


def _device_type(board: Path) -> str:
    try:
        found = json.loads(board.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Usage(f"{board} is no JSON: {error}") from None
    name = found.get("device_type") if isinstance(found, dict) else None
    if not isinstance(name, str) or not name:
        raise Usage(f'{board} has no "device_type"')
    return name


def _token(options: argparse.Namespace) -> str:
    if options.token_file is not None:
        with open(options.token_file, encoding="utf-8") as stream:
            found = stream.readline(MAX_TOKEN + 1)
    else:
        found = options.token or os.environ.get(TOKEN, "")
    found = found.strip()
    if not found.isascii() or not found.isprintable() or len(found) > MAX_TOKEN:
        raise Usage("this cannot be a token: give what `host_sim cloud token` printed, on one line")
    if not found:
        raise Usage(f"a new device needs a token: set {TOKEN}, or give --token-file FILE")
    return found


def _ca(options: argparse.Namespace) -> Path | None:
    if options.ca is not None:
        if not options.ca.is_file():
            raise Usage(f"--ca: there is no file {options.ca}")
        return options.ca
    return own_ca(options.cloud)


def _run(options: argparse.Namespace, board: Path, folder: Path) -> int:
    ca, device_type = _ca(options), _device_type(board)
    api = Api(options.cloud, ca)

    def make() -> Identity:
        return register(api, _token(options), device_type, options.home, options.room)

    device, new = kept(folder, make, device_type, api.base)
    print(f"{'registered' if new else 'known as'} {device.device_id} ({device_type})", flush=True)
    try:
        found = bootstrap.ask(api, device)
    except CloudError as error:
        if error.status in (401, 403, 404, 409, 410):
            raise CloudError(f"{error} (to register another device: remove {folder})", error.status) from None
        raise
    print(f"broker {found.mqtt}; Ctrl-C unplugs the board", flush=True)
    virtual = VirtualBoard(
        folder / "flash",
        runtime=options.runtime,
        heap=options.heap,
        name=device.device_id[:12],
        files={**flash_files(device, found, "board.json", ca), "board.json": board},
    )
    return run(virtual, options.seconds)
