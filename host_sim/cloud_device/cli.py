"""`python -m host_sim device`: register a virtual device with a cloud, and run the real firmware for it.

The registration stays in a folder, so that the next start is the same device. Must never print a token or a
secret; a token belongs into HXTP_TOKEN or a file, where other users of the machine cannot read it.
"""

import argparse
import json
import os
from pathlib import Path

from host_sim import FIRMWARE, commandline
from host_sim.board import VirtualBoard
from host_sim.board.cli import run
from host_sim.board.virtual import runtime_of
from host_sim.cloud_client import bootstrap
from host_sim.cloud_client.api import CloudError, UsageError
from host_sim.cloud_client.client import Client
from host_sim.cloud_client.flash import flash_files
from host_sim.cloud_client.options import TOKEN, add_options, place_of
from host_sim.cloud_client.registration import Identity
from host_sim.cloud_device.identity import kept
from host_sim.files import lock_folder
from host_sim.trouble import Trouble

BOARDS = FIRMWARE / "boards"
EPILOG = """\
examples:
  python -m host_sim device --board demo-light                  for a cloud that runs on this machine
  python -m host_sim device --cloud https://cloud.example --token-file token.txt --board demo-light
  python -m host_sim device --board demo-relay --runtime micropython"""


def main(argv: list[str]) -> int:
    """0 after Ctrl-C, 1 where the cloud or the board is in the way, 2 for a wrong command line."""
    options = _parser().parse_args(argv)
    failures = {UsageError: 2, Trouble: 1, OSError: 1}
    return commandline.guarded("device", lambda: _locked(options), failures, interrupted=0)


def _parser() -> argparse.ArgumentParser:
    parser = commandline.parser_of(
        "device",
        "Register a virtual device with a cloud, and run the real firmware for it until Ctrl-C.",
        EPILOG,
    )
    parser.add_argument(
        "--board", required=True, metavar="NAME", help=f"one of {', '.join(_names())}, or a file"
    )
    parser.add_argument("--token", metavar="T", help=f"others on this machine can read it: better {TOKEN}")
    add_options(parser, "--cloud-data")
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
        raise UsageError(f"there is no board {name!r}; there are {', '.join(_names())}, or name a .json file")
    return path


def _device_type(board: Path) -> str:
    try:
        found = json.loads(board.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{board} is no JSON: {error}") from None
    name = found.get("device_type") if isinstance(found, dict) else None
    if not isinstance(name, str) or not name:
        raise UsageError(f'{board} has no "device_type"')
    return name


def _locked(options: argparse.Namespace) -> int:
    board = _board(options.board)
    device_type = _device_type(board)
    runtime_of(options.runtime)  # before a device is made that could not run
    folder = options.data or Path("build", "device", board.stem)
    lock = lock_folder(folder)
    try:
        return _run(options, board, device_type, folder)
    finally:
        os.close(lock)


def _run(options: argparse.Namespace, board: Path, device_type: str, folder: Path) -> int:
    place = place_of(options)
    api = place.api()

    def make() -> Identity:
        client = Client(place.session(options.token), place.ca)
        return client.register(board.stem, device_type, options.home, options.room)

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
        files={**flash_files(device, found, "board.json", place.ca), "board.json": board},
    )
    return run(virtual, options.seconds)
