"""`python -m host_sim cloud`: start the reference cloud, and make tokens for it.

Must never take a secret as an argument, where every user of the machine could read it.
"""

import argparse
import dataclasses
import difflib
import gc
import getpass
import logging
import re
import shlex
import signal
import threading
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from host_sim import commandline
from host_sim.cloud import logs
from host_sim.cloud.operating import add_commands
from host_sim.cloud.settings import EMAIL, PREFIX, TIERS, Settings, SettingsError, load
from host_sim.given import WrongPath, first_line, line_of_input
from host_sim.trouble import Trouble

if TYPE_CHECKING:
    from host_sim.cloud.server import Cloud

log = logging.getLogger(__name__)

EPILOG = """\
Every setting can also stand in the environment (HXTP_CLOUD_PORT=…) or in a TOML file (--config FILE).

examples:
  python -m host_sim cloud
  python -m host_sim cloud token --tenant home --email me@example.org --role owner
  python -m host_sim cloud user --email me@example.org

and from another terminal in the same folder, without a token:
  python -m host_sim device --board demo-light
  python -m host_sim client command demo-light light_on"""

# Every setting but the secrets, which no argument may hold.
HELP = {
    "host": "to listen on",
    "port": "of HTTPS, 0 for any free one",
    "database_owner": "PostgreSQL: as the role that owns the tables, which makes and changes them",
    "broker": "mqtts://[USER@]HOST[:PORT] (default: the embedded one)",
    "broker_port": "of the embedded broker, 0 for any free one",
    "broker_ca": "the CA that vouches for the broker (default: the system's)",
    "public_broker": "how devices reach the broker: mqtts://HOST[:PORT] (default: as the cloud does)",
    "public_broker_ca": "the CA of the certificate that they find there (default: that of --broker-ca)",
    "shared_subscriptions": "several workers share the devices' messages (MQTT 5)",
    "dynamic_security": "the broker is Mosquitto with that plugin: write who may come in",
    "redis": "redis[s]://HOST, for limits and live messages that all workers share",
    "redis_ca": "the CA that vouches for it, with rediss:// (default: the system's)",
    "plain_http": "HTTP without TLS, on this machine alone",
    "certificate": "of the API (default: of a development CA)",
    "certificate_key": "its key",
    "allowed_origins": "of web pages that may call the API: https://HOST, … or *",
    "public_url": "how clients reach the API: https://HOST/api/v1",
    "heartbeat_s": "seconds between two heartbeats of a device",
    "states_kept": "states of each device that can be asked for",
    "telemetry_days": "age at which samples are deleted; 0: never",
    "history_days": "the same for commands, observations, and what was revoked",
    "token_life_s": "seconds that a token holds",
    "tier": f"of new tenants: {', '.join(TIERS)}",
    "free_per_minute": "requests of a tenant in the tier free; 0: without a limit, as with the next ones",
    "pro_per_minute": "requests of a tenant in the tier pro",
    "device_per_minute": "commands to one device",
    "action_per_5min": "commands to one device with the same action",
    "sensitive_per_minute": "sensitive commands to one device",
    "critical_per_hour": "critical commands to one device",
    "failed_auth_per_minute": "requests of an address without a valid token or key",
    "device_packets_s": "MQTT packets of one device a second at the embedded broker",
    "connections": "of HTTP and WebSocket at a time",
    "connections_per_address": "of them from one address; raise it behind a proxy",
    "head_bytes": "of a request without its body",
    "head_s": "seconds that a request's head may take, and a TLS handshake",
    "log_level": "debug, info, warning or error",
    "log_format": "text, or json: an object a line",
}
META = {
    "host": "ADDRESS",
    "database_owner": "URL",
    "broker": "URL",
    "broker_ca": "FILE",
    "public_broker": "URL",
    "public_broker_ca": "FILE",
    "redis": "URL",
    "redis_ca": "FILE",
    "certificate": "FILE",
    "certificate_key": "FILE",
    "allowed_origins": "URLS",
    "public_url": "URL",
}
MAX_LINE = 4096  # characters of a password file that are looked at


def main(argv: list[str]) -> int:
    """0 if it worked, 1 if not (the reason is on stderr), 2 for a wrong command line."""
    parser = _parser()
    _known(parser, argv)
    options = parser.parse_args(argv)
    given = {one.name: getattr(options, one.name, None) for one in dataclasses.fields(Settings)}
    return commandline.guarded(
        "cloud",
        lambda: options.run(load(given, getattr(options, "config", None)), options),
        {SettingsError: 2, WrongPath: 2, Trouble: 1, OSError: 1},
    )


def _known(parser: argparse.ArgumentParser, argv: list[str]) -> None:
    """Name an option that there is not: of `--prot 9000` argparse would say that there is no command 9000, of
    `token --emial E` that --email is missing."""
    known = parser._option_string_actions
    words = iter(argv)
    for word in words:
        if not word.startswith("-") or word == "--":
            # A command, whose options follow; or what is none, of which argparse tells.
            for action in parser._subparsers._group_actions if parser._subparsers is not None else ():
                if isinstance(action.choices, dict) and word in action.choices:
                    _known(action.choices[word], list(words))
            return
        name, equals, _ = word.partition("=")
        meant = [action for option, action in known.items() if option == name or option.startswith(name)]
        if not meant:
            parser.exit(2, f"{parser.prog}: {_unknown(name, known)}\n")
        if not equals and any(action.nargs != 0 for action in meant):
            next(words, None)  # its value


def _unknown(name: str, known: Iterable[str]) -> str:
    setting = name.lstrip("-").replace("-", "_")
    if setting in {one.name for one in dataclasses.fields(Settings)} - HELP.keys() - {"data", "database"}:
        return f"{name} is no option, which others could read: set {PREFIX}{setting.upper()}, or use --config"
    near = difflib.get_close_matches(name, known, 1)
    return f"unknown option {name}; " + (f"did you mean {near[0]}?" if near else "--help lists them")


def _parser() -> argparse.ArgumentParser:
    parser = commandline.parser_of(
        "cloud", "The reference cloud: the HxTP Cloud API, with all that it needs embedded.", EPILOG
    )
    # Without defaults: those of a command would take the place of what stands before the command.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config", metavar="FILE", help="settings as TOML")
    common.add_argument("--data", metavar="DIR", help="keys, certificates and SQLite (default build/cloud)")
    common.add_argument(
        "--database", metavar="URL", help="postgresql://ROLE@HOST/NAME (default: SQLite in DIR)"
    )
    _serving(parser, common)
    calls = parser.add_subparsers(metavar="COMMAND", title="commands")
    call = calls.add_parser("token", parents=[common], help="print a bearer token, for a tenant made if new")
    call.add_argument(
        "--tenant", metavar="NAME", help="without it: role none, to register a tenant by the API"
    )
    call.add_argument("--email", required=True, type=_email, metavar="E", help="whose token it is")
    call.add_argument(
        "--role",
        choices=("owner", "admin", "user", "viewer"),
        help="of somebody who is new in the tenant (default owner)",
    )
    call.add_argument("--change-role", action="store_true", help="and of somebody who has another one there")
    call.add_argument("--tier", choices=tuple(TIERS), help="of a tenant that is made now")
    call.set_defaults(run=_token)
    call = calls.add_parser(
        "user",
        parents=[common],
        help="give a user, made if new, a password for the pages",
        allow_abbrev=False,  # or --password would be taken, with a password after it
    )
    call.add_argument("--email", required=True, type=_email, metavar="E", help="whose password it is")
    call.add_argument(
        "--password-file", metavar="F", help="its first line; - for standard input (default: ask for it)"
    )
    call.set_defaults(run=_user)
    add_commands(calls, common)
    return parser


def _serving(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    for action in common._actions:
        parser._add_action(action)
    there = {action.dest for action in parser._actions}
    for one in dataclasses.fields(Settings):
        if one.name not in there and one.name in HELP:
            option = "--" + one.name.replace("_", "-")
            if isinstance(one.default, bool):
                parser.add_argument(option, action="store_const", const=True, help=HELP[one.name])
            else:
                default = "" if one.default in ("", 0) else f" (default {one.default})"
                meta = "N" if isinstance(one.default, int) else META.get(one.name, "WORD")
                parser.add_argument(option, metavar=meta, help=HELP[one.name] + default)
    parser.set_defaults(run=_serve)


def _email(text: str) -> str:
    if not re.fullmatch(EMAIL, text):
        raise argparse.ArgumentTypeError(f"{text!r} is no e-mail address")
    return text


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    # Here and not above: `--help` needs none of it.
    from host_sim.cloud.server import Cloud

    logs.configure(settings.log_level, settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *unused: stop.set())
    cloud = Cloud(settings).start()
    # What is here by now stays to the end; of what comes nearly all goes by itself when a turn is done.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    try:
        _greet(settings, cloud, _place(options))
        stop.wait()
    finally:
        cloud.stop()
    if settings.log_format == "json":
        log.info(logs.Event("stopped"))
    else:
        print("stopped", flush=True)
    return 0


def _place(options: argparse.Namespace) -> list[str]:
    """The options that say which cloud is meant, for the command line of another command."""
    given = {name: getattr(options, name, None) for name in ("config", "data", "database")}
    return [word for name, value in given.items() if value for word in (f"--{name}", str(value))]


def _greet(settings: Settings, cloud: "Cloud", place: list[str]) -> None:
    """Say where everything is: to a person, or to whoever reads the logs. `place`: as `_place` has it."""
    own_ca = None if settings.certificate or settings.plain_http or cloud.pki is None else cloud.pki.ca
    if settings.log_format == "json":
        where = {"api": settings.base_url(), "broker": cloud.broker_url, "data": settings.data, "ca": own_ca}
        log.info(logs.Event("started", **where))
        for words in settings.advice():
            log.warning(words)
        return
    print(f"API {settings.base_url()}, broker {cloud.broker_url}, data {settings.data}", flush=True)
    if own_ca is not None:
        print(f"its certificate's CA: {own_ca}  (curl --cacert {own_ca} …)", flush=True)
    elif cloud.broker is not None and cloud.pki is not None:
        print(f"the broker's certificate's CA: {cloud.pki.ca}", flush=True)
    for words in settings.advice():
        print(f"mind: {words}", flush=True)
    call = shlex.join(["token", *place, "--tenant", "home", "--email", "you@example.org"])
    print(f"a token: python -m host_sim cloud {call}", flush=True)


def _token(settings: Settings, options: argparse.Namespace) -> int:
    from host_sim.cloud.provisioning import token_for

    new = not settings.database and not settings.database_file().exists()
    try:
        token = token_for(
            settings,
            options.email,
            options.tenant,
            options.role,
            options.tier,
            change_role=options.change_role,
        )
    except ValueError as error:
        raise Trouble(str(error)) from None
    if new:
        told = f"{settings.data} held no cloud's data: this token is for a new one, to be started with them"
        commandline.complain("cloud", f"{told}; --data DIR names those of another")
    print(token)
    return 0


def _user(settings: Settings, options: argparse.Namespace) -> int:
    from host_sim.cloud.catalogue.users import WeakPassword
    from host_sim.cloud.provisioning import set_password

    try:
        made = set_password(settings, options.email, _password(options.password_file))
    except WeakPassword as error:
        raise Trouble(str(error)) from None
    told = "made, with this password" if made else "has another password now, and the old tokens have ended"
    print(f"{options.email} {told}")
    return 0


def _password(file: str | None) -> str:
    if file is None:
        from host_sim.cloud.catalogue.users import check_password

        try:
            with warnings.catch_warnings(action="error", category=getpass.GetPassWarning):
                first = getpass.getpass("password: ")
                check_password(first)  # before it is typed once more
                if first != getpass.getpass("again: "):
                    raise OSError("these were two different passwords")
        except (EOFError, getpass.GetPassWarning):
            # Otherwise it would be read from whatever is there, and might be shown.
            raise Trouble(
                "no terminal to ask for a password: use --password-file F, or - for input"
            ) from None
        return first
    if file == "-":
        return line_of_input("--password-file", MAX_LINE, "the password")
    return first_line("--password-file", file, MAX_LINE, "the password")
