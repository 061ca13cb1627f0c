"""`python -m host_sim gateway`: run a gateway, and talk to the one that runs.

It must never take a secret as an argument, where every user of the machine could read it, nor print one.
"""

import argparse
import json
import logging
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from host_sim import ROOT
from host_sim.gateway.client import MAX_WAIT, PLACES, ControlError, ask, usual_place
from host_sim.params import plain

EPILOG = """\
examples:
  python -m host_sim gateway serve
  python -m host_sim gateway devices
  python -m host_sim gateway command 3f2a light_brightness brightness=80 transition=2000
  python -m host_sim gateway command 3f2a ir_send '{"freq_khz": 38, "raw": [9000, 4500]}'

A device is named by its id or by the beginning of it.
Values are read as the device's manifest declares them."""


def main(argv: list[str]) -> int:
    """0 if it worked, 1 if not (the reason is on stderr), 2 for a wrong command line."""
    options = _parser().parse_args(argv)
    try:
        return options.run(options)
    except ControlError as error:
        print(plain(f"host_sim gateway: {f'{error.code}: ' if error.code else ''}{error}"), file=sys.stderr)
        for choice in error.choices:
            print(f"    {plain(choice)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m host_sim gateway",
        description="A small gateway: registers devices, signs commands, verifies what comes back.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    calls = parser.add_subparsers(required=True, metavar="serve|devices|online|command|register|renew")

    def add(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        call = calls.add_parser(name, help=text, description=text)
        call.set_defaults(run=run)
        call.add_argument(
            "--data",
            metavar="FOLDER",
            default=os.environ.get("HXTP_GATEWAY_DATA") or (PLACES[0] if run is _serve else usual_place()),
            help="the gateway's data (default: $HXTP_GATEWAY_DATA, else where a gateway runs under build/)",
        )
        return call

    call = add("serve", _serve, "run the gateway and a broker over TLS, until Ctrl-C")
    call.add_argument(
        "--port", type=_port, default=8883, help="the broker's port, 0 for any free one (default 8883)"
    )
    call.add_argument("--tenant", default="home", help="tenant id of a new data folder (default home)")
    call.add_argument("-v", "--verbose", action="store_true", help="also tell heartbeats and telemetry")
    call = add("devices", _devices, "list the devices and what they can do")
    call.add_argument("--json", action="store_true", help="everything that is known, as JSON")
    call = add("online", _online, "status 0 where a device is online, 1 where it is not")
    call.add_argument("device", help="its id")
    call = add("command", _command, "send a command and wait for the device's answer")
    call.add_argument("device", help="its id, or the beginning of it")
    call.add_argument("action", help="such as light_on; `gateway devices` lists them")
    call.add_argument("params", nargs="*", metavar="key=value", help="parameters, or one JSON object")
    call.add_argument("--wait", type=_seconds, default=15, metavar="S", help="seconds to wait (default 15)")
    call.add_argument(
        "--life", type=_seconds, default=300, metavar="S", help="seconds the command lives (default 300)"
    )
    call = add("register", _register, "make a device and the files that its board needs")
    call.add_argument("device_type", help="such as light")
    call.add_argument("--board", required=True, help="board data on the device, such as boards/light.json")
    call = add("renew", _renew, "write a board's files again, good for another 30 days")
    call.add_argument("device", help="its id, or the beginning of it")
    call.add_argument("--board", required=True, help="board data on the device")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:6]) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give seconds, more than 0 and at most 86400")
    return seconds


def _devices(options: argparse.Namespace) -> int:
    devices = ask(options.data, "GET", "/devices")["devices"]
    if options.json:
        print(json.dumps(devices, indent=2))
        return 0
    if not devices:
        print("no devices yet; make one: python -m host_sim gateway register TYPE --board boards/NAME.json")
    for device in devices:
        where = "online" if device["online"] else "offline" if device["last_seen"] else "never seen"
        firmware = f", firmware {plain(device['firmware_version'])}" if device["firmware_version"] else ""
        print(f"{device['device_id']}  {plain(device['device_type'])}, {where}{firmware}")
        if device["actions"]:
            print(f"    can     {' '.join(map(plain, device['actions']))}")
        if device["state"]:
            print(f"    state   {json.dumps(device['state'], sort_keys=True)}")
        if device["refused"]:
            counts = (f"{code}:{count}" for code, count in sorted(device["refused"].items()))
            print(f"    refused {' '.join(counts)}")
        for ticket in device["pending"]:
            print(f"    waiting {ticket['action']} ({ticket['state']}, sent {ticket['attempts']} times)")
    return 0


def _online(options: argparse.Namespace) -> int:
    """Status 2 where there is no answer to that question, so that a program does not take it for offline."""
    try:
        devices = ask(options.data, "GET", "/devices")["devices"]
    except ControlError as error:
        print(plain(f"host_sim gateway: {error}"), file=sys.stderr)
        return 2
    found = [device["online"] for device in devices if device["device_id"] == options.device]
    if not found:
        print(plain(f"host_sim gateway: no device {options.device}"), file=sys.stderr)
        return 2
    print("online" if found[0] else "offline")
    return 0 if found[0] else 1


def _command(options: argparse.Namespace) -> int:
    request = {
        "device": options.device,
        "action": options.action,
        "params": _params(options.params),
        "wait_s": options.wait,
        "life_s": options.life,
    }
    answer = ask(options.data, "POST", "/command", request, timeout=min(options.wait, MAX_WAIT) + 10)
    ticket = answer["command"]
    if ticket["state"] == "acknowledged":
        result = ticket["result"].get("result")
        print(f"{options.action}: executed{f' {json.dumps(result, sort_keys=True)}' if result else ''}")
        return 0
    if ticket["state"] in ("queued", "dispatched"):
        away = "" if answer["online"] else "; the device is offline"
        print(f"{options.action}: no answer yet, still {ticket['state']}{away}", file=sys.stderr)
        return 1
    member = ticket["result"].get("member")
    reason = ticket["error"] or "it was never sent"
    told = f"{options.action}: {ticket['state']}, {reason}{f' ({member})' if member else ''}"
    print(plain(told), file=sys.stderr)
    return 1


def _params(words: list[str]) -> dict:
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        try:
            return dict(json.loads(words[0]))
        except (ValueError, RecursionError) as error:
            raise ControlError(f"the parameters are not a JSON object: {error}") from None
    params = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ControlError(f"{word!r} is not key=value")
        if name in params:
            raise ControlError(f"{name} is given twice")
        params[name] = value
    return params


def _register(options: argparse.Namespace) -> int:
    if not (ROOT / "firmware" / options.board).is_file():
        print(
            f"host_sim gateway: there is no firmware/{options.board}: put that file onto the board, "
            "or register again with one of firmware/boards",
            file=sys.stderr,
        )
    request = {"device_type": options.device_type, "board": options.board}
    return _provisioned(ask(options.data, "POST", "/register", request))


def _renew(options: argparse.Namespace) -> int:
    request = {"device": options.device, "board": options.board}
    return _provisioned(ask(options.data, "POST", "/renew", request))


def _provisioned(answer: dict) -> int:
    print(f"device {answer['device']}")
    print(f"files for its board: {Path(answer['file']).parent} (they hold its secret)")
    print(f"its MQTT password is good until {time.strftime('%Y-%m-%d', time.gmtime(answer['expires']))}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    # Here and not above: `gateway devices` needs neither paho nor cryptography.
    from host_sim.gateway.serve import serve

    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *unused: stop.set())
    return serve(options.data, options.port, options.tenant, options.verbose, stop)
