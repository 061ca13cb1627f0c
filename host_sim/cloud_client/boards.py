"""`client register` and `client renew`: the files that a board needs to find its broker and trust its cloud.

They hold the device's secret and the Wi-Fi's password: mode 0600, and never printed. Must never write over
the files of another device.
"""

import argparse
import contextlib
import getpass
import json
import re
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from host_sim import FIRMWARE, commandline
from host_sim.cloud_client import bootstrap
from host_sim.cloud_client.api import CloudError, UsageError, is_local
from host_sim.cloud_client.client import Client
from host_sim.cloud_client.options import place_of
from host_sim.cloud_client.registration import Identity
from host_sim.files import replace_file
from host_sim.given import first_line, line_of_input, wrong_folder
from host_sim.params import plain
from host_sim.provision import SIMULATED_WIFI

MAX_NAME = 64  # characters
MAX_SSID, MAX_PASSWORD = 32, 63  # bytes, characters: what Wi-Fi takes
CONFIG = "hxtp.json"
MAX_CONFIG = 65536  # bytes
ON_BOARD = re.compile(r"boards/[A-Za-z0-9_-]{1,64}\.json|board\.json")  # a path on the device


def add_register(call: argparse.ArgumentParser) -> None:
    """The options of `client register`."""
    call.add_argument("name", metavar="NAME", help="what the device is called, such as lamp")
    call.add_argument(
        "--board", required=True, help="a name of firmware/boards, a file of your own, or boards/NAME.json"
    )
    call.add_argument("--type", metavar="T", help="its device type (default: what the board's data say)")
    call.add_argument("--out", type=Path, metavar="FOLDER", help="for the files (default build/boards/NAME)")
    call.add_argument(
        "--ssid", metavar="NAME", help="the Wi-Fi, '' for a virtual board (default: asks, on a terminal)"
    )
    call.add_argument(
        "--wifi-password-file", metavar="F", help="its first line; - for standard input (default: asks)"
    )


def add_renew(call: argparse.ArgumentParser) -> None:
    """The options of `client renew`."""
    call.add_argument("folder", type=Path, metavar="FOLDER", help="with the board's hxtp.json")


def register(options: argparse.Namespace) -> int:
    """Make a device and its files. Raises CloudError, WrongPath, OSError."""
    board, device_type = _board(options.board, options.name)
    folder = options.out or Path("build", "boards", _plain_name(options.name))
    if not options.name.isprintable() or not options.name.strip() or len(options.name) > MAX_NAME:
        raise UsageError(f"a device's name has 1 to {MAX_NAME} characters, and none that steer a terminal")
    if (folder / CONFIG).exists():
        raise UsageError(f"{folder} holds the files of a device already: give another folder with --out")
    wifi = _wifi(options.ssid, options.wifi_password_file)
    place = place_of(options)
    client = Client(place.session(), place.ca)
    if any(one["name"] == options.name for one in client.devices()):
        raise CloudError(f"there is a device named {options.name} already: choose another name")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise wrong_folder("--out", folder, "a board's files", error) from None
    device = client.register(options.name, options.type or device_type)
    try:
        files = client.board_files(device, board, wifi)
        for name, text in files.items():
            replace_file(folder / name, text)
    except (CloudError, OSError):
        with contextlib.suppress(CloudError):
            client.revoke(device.device_id)  # its secret is nowhere
        raise
    print(f"device {plain(device.device_id)}, {plain(options.name)} ({plain(device.device_type)})")
    config = json.loads(files[CONFIG])
    _told(folder, config)
    if wifi is None:
        print(
            "no Wi-Fi was given, so they are for a virtual board; "
            f'for one of yours write its name and password under "wifi" in {CONFIG}'
        )
    if wifi is not None and _is_here(config["mqtt"]):
        commandline.complain("client", _for_here_alone(config["mqtt"]))
    return 0


def renew(options: argparse.Namespace) -> int:
    """Ask where the broker is and how long a password may hold, and write that into the files of a board.

    Raises CloudError, OSError.
    """
    config = _read(options.folder / CONFIG)
    place = place_of(options)
    try:
        device = Identity(
            place.url, config["device_id"], config["tenant_id"], "", bytes.fromhex(config["secret"])
        )
        found = bootstrap.ask(place.api(), device)
    except (KeyError, TypeError, ValueError):
        raise CloudError(f"{options.folder / CONFIG} lacks the device's ids or its secret") from None
    mqtt, old = found.mqtt, config.get("mqtt")
    if _is_here(mqtt) and _on_a_wifi(config):
        # A board elsewhere would look for its broker in itself, and could not be told any better.
        mqtt, told = (mqtt, "") if _is_here(old) else (old, f"; {old} is kept")
        commandline.complain("client", f"{_for_here_alone(found.mqtt)}{told}")
    config.update(mqtt=mqtt, password_expiry=found.expiry)
    if found.ca is not None:
        config["ca"] = "ca.pem"
        replace_file(options.folder / "ca.pem", found.ca)
    replace_file(options.folder / CONFIG, json.dumps(config, indent=2) + "\n")
    print(f"device {plain(device.device_id)}")
    _told(options.folder, config)
    return 0


def _is_here(mqtt: object) -> bool:
    """Whether a broker's address is of whoever looks for it, or none at all."""
    try:
        host = urlsplit(mqtt).hostname if isinstance(mqtt, str) else None
    except ValueError:
        host = None
    return host is None or is_local(host)


def _for_here_alone(mqtt: str) -> str:
    return (
        f"the broker {mqtt} is for this machine alone: for a board on a Wi-Fi start the cloud with "
        "--host and this machine's address there, then client renew"
    )


def _on_a_wifi(config: dict[str, Any]) -> bool:
    wifi = config.get("wifi")
    return isinstance(wifi, dict) and wifi.get("ssid") not in (None, "", SIMULATED_WIFI[0])


def _told(folder: Path, config: dict[str, Any]) -> None:
    print(f"files for its board: {folder} ({CONFIG} holds its secret)")
    until = time.strftime("%Y-%m-%d", time.gmtime(config["password_expiry"]))
    print(f"its MQTT password holds until {until}; longer after: python -m host_sim client renew {folder}")


def _plain_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "device"


def _board(given: str, name: str) -> tuple[str, str]:
    """(path on the device, device type): of a board's name, of a file here, or of a path on the board. Raises
    UsageError."""
    own = FIRMWARE / "boards"
    if not given.endswith(".json"):
        file = own / f"{given}.json"
        if file.parent != own or not file.is_file():
            known = ", ".join(sorted(path.stem for path in own.glob("*.json")))
            raise UsageError(f"there is no board {given!r}; there are {known}, or name a .json file")
        return f"boards/{given}.json", _type(file, name)
    for file in (Path(given), FIRMWARE / given):
        if file.is_file():
            there = f"boards/{file.name}"
            device_type = _type(file, name)
            if file.resolve().parent != own.resolve():
                commandline.complain("client", f"copy {file} onto the board, as {there}")
            return there, device_type
    if not ON_BOARD.fullmatch(given):
        raise UsageError(f"there is no file {given}; one that is on the board already is boards/NAME.json")
    commandline.complain("client", f"there is no firmware/{given}: it has to be on the board already")
    return given, name


def _type(file: Path, name: str) -> str:
    """The device type that a board's data name, else `name`. Raises UsageError."""
    try:
        with file.open(encoding="utf-8") as stream:
            found = json.loads(stream.read(MAX_CONFIG))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{file} holds no board's data: a JSON object of up to {MAX_CONFIG} bytes")
    told = found.get("device_type")
    return told if isinstance(told, str) and told else name


def _wifi(ssid: str | None, password_file: str | None) -> tuple[str, str] | None:
    """(name, password), asked for where somebody can answer; None for a virtual board. Raises UsageError,
    WrongPath."""
    asks = sys.stdin.isatty() and password_file != "-"
    if ssid is None and not password_file and asks:
        print("the board's Wi-Fi (nothing for a virtual board): ", end="", file=sys.stderr, flush=True)
        ssid = sys.stdin.readline(256).strip()
    if not ssid:
        if password_file:
            raise UsageError("--wifi-password-file needs --ssid")
        return None
    if len(ssid.encode()) > MAX_SSID:
        raise UsageError(f"a Wi-Fi's name has up to {MAX_SSID} bytes")
    if password_file == "-":
        password = line_of_input("--wifi-password-file", 256, "the Wi-Fi's password")
    elif password_file:
        password = first_line("--wifi-password-file", password_file, 256, "the Wi-Fi's password")
    elif asks:
        password = getpass.getpass(f"password of {plain(ssid)}: ")
    else:
        raise UsageError("the Wi-Fi's password: give --wifi-password-file FILE, or - for standard input")
    if len(password) > MAX_PASSWORD:
        raise UsageError(f"a Wi-Fi's password has up to {MAX_PASSWORD} characters")
    return ssid, password


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open(encoding="utf-8") as stream:
            config = json.loads(stream.read(MAX_CONFIG))
    except FileNotFoundError:
        raise UsageError(f"there is no {file}") from None
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise CloudError(f"{file} is no JSON object")
    return config
