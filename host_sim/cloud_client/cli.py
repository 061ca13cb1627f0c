"""`python -m host_sim client`: what people do with a cloud by hand.

Must never take a secret as an argument, where every user of the machine could read it, nor print one; nor end
with 0 unless what was asked for happened.
"""

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from host_sim.cloud_client import boards, words
from host_sim.cloud_client.api import CloudError, UsageError
from host_sim.cloud_client.client import EXECUTED, UNSETTLED, Client, NeedsYes
from host_sim.cloud_client.options import add_options, place_of
from host_sim.params import plain

MAX_WAIT = 86400.0  # seconds
EPILOG = """\
examples:
  python -m host_sim client devices
  python -m host_sim client device lamp
  python -m host_sim client command lamp light_brightness brightness=80 transition=2000
  python -m host_sim client command 3f2a ir_send '{"encoding": "nec", "address": 4, "command": 8}'

DEVICE is a device's id, the beginning of one, or its name. Values are read as the device declares them.
A cloud that was started in this folder needs no options; another one needs --cloud and HXTP_TOKEN."""


def main(argv: list[str]) -> int:
    """0 if it worked, 1 if not (the reason is on stderr), 2 for a wrong command line, 130 after Ctrl-C."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    return guarded(lambda: options.run(options), options.trouble)


def guarded(run: Callable[[], int], trouble: int = 1) -> int:
    """What `run` returns; `trouble`, with one line on stderr that says why, where it could not."""
    try:
        return run()
    except UsageError as error:
        print(plain(f"host_sim client: {error}"), file=sys.stderr)
        return 2
    except CloudError as error:
        print(f"host_sim client: {words.refusal(error)}", file=sys.stderr)
        return trouble
    except BrokenPipeError:
        raise  # nobody reads any more: what runs this ends quietly
    except OSError as error:
        print(plain(f"host_sim client: {error}"), file=sys.stderr)
        return trouble
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m host_sim client",
        description="Register devices with a cloud, see them, and send them commands.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    calls = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def add(name: str, run: Any, text: str, trouble: int = 1) -> argparse.ArgumentParser:
        # Without abbreviations: --pass would otherwise be taken, with a password after it.
        call = calls.add_parser(name, help=text, description=text, allow_abbrev=False)
        call.set_defaults(run=run, trouble=trouble)
        add_options(call)
        return call

    call = add("devices", _devices, "list the devices")
    call.add_argument("--json", action="store_true", help="as JSON")
    call = add("device", _device, "show a device: its state, and its actions with their parameters")
    call.add_argument("device", metavar="DEVICE")
    call.add_argument("--json", action="store_true", help="as JSON")
    call = add(
        "command", _command, "send a command, wait for the device's answer; status 0 where it was executed"
    )
    call.add_argument("device", metavar="DEVICE")
    call.add_argument("action", metavar="ACTION", help="such as light_on; `client device DEVICE` lists them")
    call.add_argument("params", nargs="*", metavar="name=value", help="parameters, or one JSON object")
    add_sending(call)
    call = add(
        "online", _online, "status 0 where a device is online, 1 where it is not, 2 where nobody knows", 2
    )
    call.add_argument("device", metavar="DEVICE")
    call = add("watch", _watch, "show what devices tell, as it comes, until Ctrl-C")
    call.add_argument("device", metavar="DEVICE", nargs="?", help="this one alone")
    boards.add_register(add("register", boards.register, "make a device, and the files that its board needs"))
    boards.add_renew(
        add("renew", boards.renew, "write a board's files again, with a password that holds longer")
    )
    return parser


def add_sending(call: argparse.ArgumentParser) -> None:
    """The options that `send` reads, beside those of the cloud."""
    call.add_argument("--wait", type=_seconds, default=15, metavar="S", help="seconds to wait (default 15)")
    call.add_argument(
        "--ttl", type=_seconds, metavar="S", help="seconds that it may wait for the device (default 300)"
    )
    call.add_argument("--dry-run", action="store_true", help="every check, and nothing moves")
    call.add_argument(
        "--yes", action="store_true", help="say yes to a sensitive or critical command beforehand"
    )
    call.add_argument("--json", action="store_true", help="what became of it, as JSON")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MAX_WAIT:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give seconds, more than 0 and at most 86400")
    return seconds


def _client(options: argparse.Namespace) -> Client:
    place = place_of(options)
    return Client(place.session(), place.ca)


def _devices(options: argparse.Namespace) -> int:
    found = _client(options).devices()
    if options.json:
        print(json.dumps(found, indent=2))
    elif found:
        print(words.devices(found))
    else:
        print("no devices yet; make one: python -m host_sim device --board demo-light, or client register")
    return 0


def _device(options: argparse.Namespace) -> int:
    client = _client(options)
    one = client.find(options.device)
    state, manifest = client.state(one["id"]), client.manifest(one["id"])
    if options.json:
        print(json.dumps({"device": one, "state": state, "manifest": manifest}, indent=2))
    else:
        print(words.device(one, state, manifest))
    return 0


def _online(options: argparse.Namespace) -> int:
    online = _client(options).find(options.device).get("online") is True
    print("online" if online else "offline")
    return 0 if online else 1


def _watch(options: argparse.Namespace) -> int:
    # Here and not above: nothing else needs a WebSocket.
    from host_sim.cloud_client.watch import watch

    client = _client(options)
    watch(client, client.find(options.device) if options.device is not None else None)
    return 0


def _command(options: argparse.Namespace) -> int:
    return send(options, options.action, _params(options.params))


def send(options: argparse.Namespace, action: str, params: Mapping[str, Any]) -> int:
    """Send a command to `options.device` and print what became of it; 0 where it was executed, else 1.

    Raises CloudError.
    """
    client = _client(options)
    device = client.find(options.device)
    end = time.monotonic() + options.wait
    try:
        command_id = client.send(device["id"], action, params, dry_run=options.dry_run, ttl_s=options.ttl)
    except NeedsYes as asked:
        if not options.yes and not _says_yes(asked):
            return 1
        end = time.monotonic() + options.wait
        command_id = client.confirm(device["id"], asked.token)
    command = client.settled(command_id, end)
    executed = command.get("status") == EXECUTED
    if options.json:
        print(json.dumps(command, indent=2))
        return 0 if executed else 1
    waits = command.get("status") in UNSETTLED
    online = client.find(device["id"]).get("online") is True if waits else None
    print(words.ended(command, online), file=sys.stdout if executed else sys.stderr)
    return 0 if executed else 1


def _says_yes(asked: NeedsYes) -> bool:
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        print(f"host_sim client: {plain(asked)}; it was not executed: add --yes", file=sys.stderr)
        return False
    print(f"{plain(asked)}. Send it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline(16).strip().lower() in ("y", "yes"):
        return True
    print("host_sim client: it was not executed", file=sys.stderr)
    return False


def _params(given: list[str]) -> dict[str, Any]:
    if len(given) == 1 and given[0].lstrip().startswith("{"):
        try:
            return dict(json.loads(given[0]))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"the parameters are not a JSON object: {error}") from None
    params: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{word!r} is not name=value")
        if name in params:
            raise UsageError(f"{name} is given twice")
        params[name] = value
    return params
