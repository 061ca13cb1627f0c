"""`python -m host_sim broker`: the mock broker from a shell, until Ctrl-C.

It must never take a password on the command line, where every user of the machine could read it.
"""

import argparse
import asyncio
import json
import signal
import ssl
import sys
from pathlib import Path

from host_sim.broker import topics
from host_sim.broker.authority import Authority, OpenAuthority, User, UserAuthority
from host_sim.broker.server import BrokerServer

_USERS_HELP = """\
The users file is a JSON object, one member for each user:
  {"cloud": {"password": "…", "publish": ["hxtp/#"], "subscribe": ["hxtp/#"]}}
publish and subscribe are topic filters, ["#"] if left out."""


class CliError(Exception):
    """What the user has to put right; printed without a traceback."""


def main(argv: list[str]) -> int:
    """Run the broker. 0 after Ctrl-C or SIGTERM, 1 if it cannot start, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="python -m host_sim broker",
        description="The mock MQTT 3.1.1 broker: QoS 0 and 1, retained, wills. No QoS 2, no MQTT 5.",
        epilog=_USERS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    options = parser.parse_args(argv)
    try:
        if bool(options.tls_cert) != bool(options.tls_key):
            raise CliError("--tls-cert and --tls-key go together")
        tls = _tls(options.tls_cert, options.tls_key) if options.tls_cert else None
        port = options.port if options.port is not None else 8883 if tls else 1883
        if not 0 <= port <= 65535:
            raise CliError(f"{port} is not a port")
        authority = _authority(options.users, options.allow_anonymous)
        asyncio.run(_serve(BrokerServer(options.host, port, tls=tls, authority=authority)))
    except CliError as error:
        print(f"host_sim broker: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the signal handlers stood
        return 0
    return 0


async def _serve(server: BrokerServer) -> None:
    try:
        await server.start()
    except OSError as error:
        raise CliError(
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
            raise CliError(f"no such file: {path}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without this an encrypted key would ask for its passphrase, in the middle of a script.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise CliError(f"cannot use {certificate} with {key}: {error}") from None
    return context


def _authority(path: Path | None, anonymous: bool) -> Authority:
    if path is None:
        if not anonymous:
            raise CliError("nobody could log in: give --users FILE, or --allow-anonymous")
        return OpenAuthority()
    try:
        table = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CliError(f"{path} is not JSON: {error}") from None
    if not isinstance(table, dict):
        raise CliError(f"{path}: not a JSON object of users")
    return UserAuthority({name: _user(path, name, entry) for name, entry in table.items()}, anonymous)


def _user(path: Path, name: str, entry: object) -> User:
    if not isinstance(entry, dict) or not isinstance(entry.get("password"), str) or not entry["password"]:
        raise CliError(f'{path}: user {name!r} needs an object with a "password"')
    unknown = sorted(set(entry) - {"password", "publish", "subscribe"})
    if unknown:
        raise CliError(f"{path}: user {name!r} has an unknown member {unknown[0]!r}")
    for verb in ("publish", "subscribe"):
        filters = entry.get(verb, ["#"])
        if not isinstance(filters, list) or not all(map(_is_filter, filters)):
            raise CliError(f"{path}: {verb!r} of user {name!r} is not a list of topic filters")
    return User(entry["password"], tuple(entry.get("publish", ["#"])), tuple(entry.get("subscribe", ["#"])))


def _is_filter(item: object) -> bool:
    return isinstance(item, str) and topics.is_filter(item)
