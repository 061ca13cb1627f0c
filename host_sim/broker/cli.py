"""`python -m host_sim broker`: the mock broker from a shell, until Ctrl-C.

It must never take a password on the command line, where every user of the machine could read it.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from host_sim import commandline
from host_sim.broker import DOES_NOT, faultfile, topics
from host_sim.broker.authority import Authority, OpenAuthority, User, UserAuthority
from host_sim.broker.faults import FaultPlan, Injected
from host_sim.broker.server import BrokerServer
from host_sim.broker.settings import Settings
from host_sim.trouble import Trouble

_LIMITS = {each.name: each for each in dataclasses.fields(Settings)}

_HELP = f"""\
What it does not do:
{chr(10).join(f"  {what}: {instead}" for what, instead in DOES_NOT.items())}

The users file is a JSON object, one member for each user:
  {{"cloud": {{"password": "…", "publish": ["hxtp/#"], "subscribe": ["hxtp/#"]}}}}
publish and subscribe are topic filters, ["#"] if left out.

{faultfile.HELP}
The trace has one JSON object a line for every fault and outage, as it happens; "at" is Unix time in ms.

Limits, each with its default:
{chr(10).join(f"  {name:<25} {each.default:>10}  {each.metadata['help']}" for name, each in _LIMITS.items())}
"""


def main(argv: list[str]) -> int:
    """Run the broker. 0 after Ctrl-C or SIGTERM, 1 if it cannot start, 2 for a wrong command line."""
    options = _parser().parse_args(argv)
    return commandline.guarded("broker", lambda: _run(options), {Trouble: 1}, interrupted=0)


def _parser() -> argparse.ArgumentParser:
    parser = commandline.parser_of(
        "broker",
        "The mock MQTT 3.1.1 broker: QoS 0 and 1, retained messages, wills, persistent sessions.",
        _HELP,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port, 0 for any free one (default 1883, with TLS 8883)")
    parser.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM; needs --tls-key"
    )
    parser.add_argument(
        "--tls-key", type=Path, metavar="FILE", help="its private key, PEM, without a passphrase"
    )
    parser.add_argument(
        "--allow-anonymous", action="store_true", help="let clients without a user name do anything"
    )
    parser.add_argument(
        "--users", type=Path, metavar="FILE", help="users, passwords and permissions, see below"
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=N",
        help="set a limit, see below; again for more",
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="a plan of faults, see below")
    parser.add_argument(
        "--fault-rate",
        action="append",
        default=[],
        metavar="ACTION=P",
        help="add a rate to the plan; again for more",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="in place of the plan's seed (default 0)")
    parser.add_argument("--trace", metavar="FILE", help="add what was injected to it; - for standard output")
    return parser


def _run(options: argparse.Namespace) -> int:
    if bool(options.tls_cert) != bool(options.tls_key):
        raise Trouble("--tls-cert and --tls-key go together")
    tls = _tls(options.tls_cert, options.tls_key) if options.tls_cert else None
    port = options.port if options.port is not None else 8883 if tls else 1883
    if not 0 <= port <= 65535:
        raise Trouble(f"{port} is not a port")
    authority = _authority(options.users, options.allow_anonymous)
    settings = _settings(options.limit)
    with _trace(options.trace) as record:
        faults = _faults(options.faults, options.fault_rate, options.seed, record)
        server = BrokerServer(
            options.host, port, tls=tls, authority=authority, settings=settings, faults=faults
        )
        asyncio.run(_serve(server))
    return 0


async def _serve(server: BrokerServer) -> None:
    try:
        await server.start()
    except OSError as error:
        raise Trouble(
            f"cannot listen on {server.host} port {server.port}: {error.strerror or error}"
        ) from None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows: Ctrl-C arrives as KeyboardInterrupt, and asyncio.run tidies up
            break
    scheme = "mqtt" if server.tls is None else "mqtts"
    print(f"listening on {scheme}://{server.host}:{server.port}", flush=True)
    try:
        await stop.wait()
    finally:
        await server.stop()
    counts = server.counts
    print(
        f"stopped: {counts.connected} clients, {counts.received} messages in, {counts.sent} out", flush=True
    )


def _tls(certificate: Path, key: Path) -> ssl.SSLContext:
    for path in (certificate, key):
        if not path.is_file():
            raise Trouble(f"no such file: {path}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without this an encrypted key would ask for its passphrase, in the middle of a script.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise Trouble(f"cannot use {certificate} with {key}: {error}") from None
    return context


def _settings(limits: list[str]) -> Settings:
    values = {}
    for text in limits:
        name, _, value = text.partition("=")
        if name not in _LIMITS:
            raise Trouble(f"no limit named {name!r}: {', '.join(_LIMITS)}")
        try:
            values[name] = int(value)
        except ValueError:
            raise Trouble(f"--limit {name}=N takes a whole number, and got {value!r}") from None
    try:
        return Settings(**values)
    except ValueError as error:
        raise Trouble(str(error)) from None


def _faults(
    path: Path | None, rates: list[str], seed: int | None, record: Callable[[Injected], None] | None
) -> FaultPlan | None:
    """None without any: then bytes pass untouched, and at full speed."""
    if path is None and not rates:
        if seed is not None or record is not None:
            raise Trouble(
                "--seed and --trace are for faults: give --faults FILE or --fault-rate ACTION=P too"
            )
        return None
    document = {} if path is None else _json(path)
    try:
        if isinstance(document, dict):
            if rates:
                document = {**document, "rates": {**document.get("rates", {}), **dict(map(_rate, rates))}}
            if seed is not None:
                document = {**document, "seed": seed}
        return faultfile.plan_from(document, record or _ignore)
    except ValueError as error:
        raise Trouble(f"{path}: {error}" if path is not None else str(error)) from None


def _rate(text: str) -> tuple[str, float]:
    action, _, value = text.partition("=")
    try:
        return action, float(value)
    except ValueError:
        raise Trouble(f"--fault-rate {action}=P takes a probability, and got {value!r}") from None


def _ignore(injected: Injected) -> None:
    """Nobody asked for a trace: it is not kept either, since this may run for months."""


@contextlib.contextmanager
def _trace(name: str | None) -> Iterator[Callable[[Injected], None] | None]:
    if name is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            out = sys.stdout if name == "-" else stack.enter_context(open(name, "a", encoding="utf-8"))
        except OSError as error:
            raise Trouble(f"cannot write {name}: {error.strerror}") from None
        yield lambda injected: print(faultfile.line_of(injected), file=out, flush=True)


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Trouble(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise Trouble(f"{path} is not JSON: {error}") from None


def _authority(path: Path | None, anonymous: bool) -> Authority:
    if path is None:
        if not anonymous:
            raise Trouble("nobody could log in: give --users FILE, or --allow-anonymous")
        return OpenAuthority()
    table = _json(path)
    if not isinstance(table, dict):
        raise Trouble(f"{path}: not a JSON object of users")
    return UserAuthority({name: _user(path, name, entry) for name, entry in table.items()}, anonymous)


def _user(path: Path, name: str, entry: object) -> User:
    if not isinstance(entry, dict) or not isinstance(entry.get("password"), str) or not entry["password"]:
        raise Trouble(f'{path}: user {name!r} needs an object with a "password"')
    unknown = sorted(set(entry) - {"password", "publish", "subscribe"})
    if unknown:
        raise Trouble(f"{path}: user {name!r} has an unknown member {unknown[0]!r}")
    for verb in ("publish", "subscribe"):
        filters = entry.get(verb, ["#"])
        if not isinstance(filters, list) or not all(map(_is_filter, filters)):
            raise Trouble(f"{path}: {verb!r} of user {name!r} is not a list of topic filters")
    return User(entry["password"], tuple(entry.get("publish", ["#"])), tuple(entry.get("subscribe", ["#"])))


def _is_filter(item: object) -> bool:
    return isinstance(item, str) and topics.is_filter(item)
