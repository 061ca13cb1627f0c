"""Where a broker is and how the kit gets in: `mqtt://host:port`, a CA, a user; and whose secret is used.

Passwords and secrets come from files or the environment. They must never be taken from the command line, nor
be shown in an error.
"""

import argparse
import json
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from host_sim.conformance.case import KitError

PORTS = {"mqtt": 1883, "mqtts": 8883}
MAX_FILE = 1 << 20
SECRET, PASSWORD = "HXTP_SECRET", "HXTP_BROKER_PASSWORD"


@dataclass(frozen=True)
class Endpoint:
    """A broker's address; `tls` is None for plain MQTT."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{'mqtt' if self.tls is None else 'mqtts'}://{self.host}:{self.port}"


@dataclass(frozen=True)
class Identity:
    """The device that is under test, or that the kit plays. `password_expiry`: Unix seconds, 0 where
    unknown.
    """

    tenant_id: str
    device_id: str
    secret: bytes = field(repr=False)
    password_expiry: int = 0


def add_arguments(group: "argparse._ArgumentGroup") -> None:
    """What --device and --cloud both need."""
    group.add_argument(
        "--config", metavar="FILE", help="hxtp.json with the ids and the secret, instead of the next three"
    )
    group.add_argument("--tenant", metavar="ID", help="tenant id")
    group.add_argument("--device-id", metavar="ID", help="device id")
    group.add_argument(
        "--secret-file", metavar="FILE", help=f"64 hex digits (or in the environment: {SECRET})"
    )
    group.add_argument("--ca", metavar="FILE", help="the CA of an mqtts broker, PEM (default: the system's)")


def endpoint(
    url: str,
    ca: str | None,
    username: str | None = None,
    password: str | None = None,
    ca_text: str | None = None,
) -> Endpoint:
    """`url` taken apart. `ca_text`: PEM that is trusted instead of the file `ca`. Raises KitError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise KitError(f"{url!r} is no address: {error}") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise KitError(f"{url!r} is no broker's address: write mqtt://HOST:PORT or mqtts://HOST:PORT")
    if parts.username or parts.password:
        raise KitError(
            "a user in the address would be seen by everybody: use --user, and a file for the password"
        )
    tls = None
    if parts.scheme == "mqtts":
        try:
            tls = ssl.create_default_context(cafile=None if ca_text else ca, cadata=ca_text)
        except OSError as error:  # ssl.SSLError is one
            whose = "the CA that the cloud names" if ca_text else f"--ca {ca}"
            raise KitError(f"{whose}: no usable certificate: {error.strerror or error}") from None
    return Endpoint(parts.hostname, port or PORTS[parts.scheme], tls, username, password)


def password(path: str | None) -> str | None:
    """The broker's password from a file, else from the environment, else None."""
    return os.environ.get(PASSWORD) if path is None else _read(path, "the password file").strip()


def identity(arguments: argparse.Namespace) -> Identity:
    """Whose ids and secret the options name. Raises KitError."""
    given = {
        "tenant_id": arguments.tenant,
        "device_id": arguments.device_id,
        "secret": None,
        "password_expiry": 0,
    }
    if arguments.config is not None:
        try:
            config = json.loads(_read(arguments.config, "the configuration"))
        except ValueError:
            config = None
        if not isinstance(config, dict):
            raise KitError(f"{arguments.config} is not a JSON object")
        given.update({name: config[name] for name in given if name in config and not given[name]})
    if arguments.secret_file is not None:
        given["secret"] = _read(arguments.secret_file, "the secret file").strip()
    elif given["secret"] is None:
        given["secret"] = os.environ.get(SECRET)
    for name, option in (("tenant_id", "--tenant"), ("device_id", "--device-id")):
        value = given[name]
        if (
            not isinstance(value, str)
            or not 0 < len(value) <= 36
            or set(value) & set("/+#|")
            or not value.isascii()
        ):
            raise KitError(f"{option}: an id of 1 to 36 characters that can stand in a topic is needed")
    return Identity(
        given["tenant_id"], given["device_id"], _secret(given["secret"]), _expiry(given["password_expiry"])
    )


def _secret(text: object) -> bytes:
    if text is None:
        raise KitError(
            f"the device's secret is needed: --secret-file, --config, or {SECRET} in the environment"
        )
    if not isinstance(text, str) or len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):
        raise KitError("the secret is not 64 hexadecimal digits")
    return bytes.fromhex(text)


def _expiry(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 40:
        raise KitError("password_expiry is not a number of seconds since 1970")
    return value


def _read(path: str, what: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_FILE).decode()
    except OSError as error:
        raise KitError(f"{what} {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KitError(f"{what} {path} is not text") from None
