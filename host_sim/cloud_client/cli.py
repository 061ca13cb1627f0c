"""`python -m host_sim client`: what people do with a cloud by hand.

Must never take a secret as an argument, where every user of the machine could read it, nor print one; nor end
with 0 unless what was asked for happened.
"""

import argparse
import contextlib
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from host_sim import commandline
from host_sim.cloud_client import boards, words
from host_sim.cloud_client.api import CloudError, Unreachable, UsageError
from host_sim.cloud_client.client import EXECUTED, UNSETTLED, Client, NeedsYes
from host_sim.cloud_client.options import add_options, place_of
from host_sim.given import WrongPath
from host_sim.params import plain

MAX_WAIT = 86400.0  # seconds
UNREACHABLE, UNANSWERED = 3, 4
STATUSES = """\
status:
  0  done; of a command: the device executed it
  1  refused or failed; of online: the device is not there
  2  a wrong command line; of online: nobody knows
  3  the cloud cannot be reached; whether a command got there is not known
  4  of a command: no answer yet, it goes on waiting for its device"""
EPILOG = f"""\
{STATUSES}

examples:
  python -m host_sim client devices
  python -m host_sim client device lamp
  python -m host_sim client command lamp light_brightness brightness=80 transition=2000
  python -m host_sim client command 3f2a ir_send '{{"encoding": "nec", "address": 4, "command": 8}}'

DEVICE is a device's id, the beginning of one, or its name. Values are read as the device declares them.
A cloud that was started in this folder needs no options; another one needs --cloud and HXTP_TOKEN."""


def main(argv: list[str]) -> int:
    """0 if it worked; else what STATUSES says, with the reason on stderr; 130 after Ctrl-C."""
    parser = _parser()
    if argv and argv[0].startswith("-") and argv[0] not in ("-h", "--help"):
        parser.error(f"{argv[0].partition('=')[0]} goes behind the command: client devices --json")
    options = parser.parse_args(argv)
    return guarded(lambda: options.run(options), options.trouble)


def guarded(run: Callable[[], int], trouble: int = 1) -> int:
    """What `run` returns. Where it could not, a line on stderr says why; UNREACHABLE or `trouble` then."""
    failures = {UsageError: 2, WrongPath: 2, Unreachable: UNREACHABLE, CloudError: trouble, OSError: trouble}
    return commandline.guarded("client", run, failures, words=words.refusal)


def _parser() -> argparse.ArgumentParser:
    parser = commandline.parser_of(
        "client", "Register devices with a cloud, see them, and send them commands.", EPILOG
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
    call.epilog, call.formatter_class = STATUSES, argparse.RawDescriptionHelpFormatter
    call.add_argument("device", metavar="DEVICE")
    call.add_argument("action", metavar="ACTION", help="such as light_on; `client device DEVICE` lists them")
    call.add_argument(
        # With a default, or argparse calls it required.
        "params",
        nargs="*",
        default=[],
        metavar="name=value",
        help="parameters, or one JSON object",
    )
    add_sending(call)
    call = add("result", _result, "tell what became of a command; status as of `command`")
    call.add_argument("command", metavar="ID", help="the command's id")
    call.add_argument("--wait", type=_seconds, default=0, metavar="S", help="seconds to wait for it")
    call.add_argument("--json", action="store_true", help="as JSON")
    call = add(
        "online", _online, "status 0 where a device is online, 1 where it is not, 2 where nobody knows", 2
    )
    call.add_argument("device", metavar="DEVICE")
    call.add_argument("--json", action="store_true", help="as JSON")
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


@contextlib.contextmanager
def _refused_as_json(options: argparse.Namespace, **more: str) -> Iterator[None]:
    """Print what is in the way as JSON too, with `more`, where the answer was to be JSON."""
    try:
        yield
    except CloudError as error:
        if options.json and not isinstance(error, UsageError):
            print(json.dumps({**words.refused(error), **more}, indent=2))
        raise


def _devices(options: argparse.Namespace) -> int:
    with _refused_as_json(options):
        found = _client(options).devices()
    if options.json:
        print(json.dumps(found, indent=2))
    elif found:
        print(words.devices(found))
    else:
        print("no devices yet; make one: python -m host_sim device --board demo-light, or client register")
    return 0


def _device(options: argparse.Namespace) -> int:
    with _refused_as_json(options):
        client = _client(options)
        one = client.find(options.device)
        state, manifest = client.state(one["id"]), client.manifest(one["id"])
    if options.json:
        print(json.dumps({"device": one, "state": state, "manifest": manifest}, indent=2))
    else:
        print(words.device(one, state, manifest))
    return 0


def _online(options: argparse.Namespace) -> int:
    with _refused_as_json(options):
        one = _client(options).find(options.device)
    online = one.get("online") is True
    if options.json:
        told = {"id": one["id"], "name": one["name"], "online": online, "last_seen": one.get("last_seen")}
        print(json.dumps({**told, "away": one.get("away") is True}, indent=2))
    else:
        print(words.presence(one) if online else "offline")
    return 0 if online else 1


def _watch(options: argparse.Namespace) -> int:
    # Here and not above: nothing else needs a WebSocket.
    try:
        from host_sim.cloud_client.watch import watch
    except ImportError:
        raise CloudError("this needs the package websockets: make setup") from None

    client = _client(options)
    watch(client, client.find(options.device) if options.device is not None else None)
    return 0


def _command(options: argparse.Namespace) -> int:
    return send(options, options.action, _params(options.params))


def send(options: argparse.Namespace, action: str, params: Mapping[str, Any]) -> int:
    """Send a command to `options.device` and print what became of it; a status of STATUSES.

    Raises CloudError.
    """
    with _refused_as_json(options):
        client = _client(options)
        device = client.find(options.device)
        end = time.monotonic() + options.wait
        try:
            command_id = client.send(device["id"], action, params, dry_run=options.dry_run, ttl_s=options.ttl)
        except NeedsYes as asked:
            if not options.yes and not _says_yes(asked):
                if options.json:
                    print(json.dumps({**words.refused(asked), "hint": "add --yes"}, indent=2))
                return 1
            end = time.monotonic() + options.wait
            command_id = client.confirm(device["id"], asked.token)
    try:
        with _refused_as_json(options, command_id=command_id):
            command = client.settled(command_id, end)
    except CloudError:
        print(plain(f"command {command_id} was accepted; {words.later(command_id)}"), file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print(_interrupted(client, command_id), file=sys.stderr)
        raise
    return _tell(options, client, command)


def _interrupted(client: Client, command_id: str) -> str:
    with contextlib.suppress(CloudError):
        command = client.settled(command_id, time.monotonic())
        if command.get("status") not in UNSETTLED:
            return words.ended(command, None)
        return words.interrupted(command)
    return words.interrupted({"id": command_id})


def _result(options: argparse.Namespace) -> int:
    if not re.fullmatch(r"[0-9A-Za-z-]{1,64}", options.command):
        raise UsageError(f"{options.command!r} is no command's id")
    with _refused_as_json(options):
        client = _client(options)
        command = client.settled(options.command, time.monotonic() + options.wait)
    return _tell(options, client, command)


def _tell(options: argparse.Namespace, client: Client, command: Mapping[str, Any]) -> int:
    executed, waits = command.get("status") == EXECUTED, command.get("status") in UNSETTLED
    status = 0 if executed else UNANSWERED if waits else 1
    if options.json:
        print(json.dumps(command, indent=2))
        return status
    online = client.find(str(command.get("device_id"))).get("online") is True if waits else None
    print(words.ended(command, online), file=sys.stdout if executed else sys.stderr)
    return status


def _says_yes(asked: NeedsYes) -> bool:
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        commandline.complain("client", f"{asked}; it was not executed: add --yes")
        return False
    print(f"{plain(asked)}. Send it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline(16).strip().lower() in ("y", "yes"):
        return True
    commandline.complain("client", "it was not executed")
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
