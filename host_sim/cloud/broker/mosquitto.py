"""Writes the folder that a Mosquitto for the cloud runs from: certificates, settings, the cloud's own user.

Must never write a password into a file that others may read, nor replace the list of devices that is there.
"""

import base64
import getpass
import glob
import hashlib
import json
import os
import pwd
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_sim.cloud.exchange.uplink import GROUP
from host_sim.files import replace_file
from host_sim.pki import NAMES, make_pki
from host_sim.trouble import Trouble

USER = "hxtp-cloud"  # as whom the cloud connects
ROLE = "hxtp-cloud"
CONTROL = "$CONTROL/dynamic-security/v1"
RESPONSE = f"{CONTROL}/response"
PLUGIN = "mosquitto_dynamic_security.so"
PASSED = 0o711  # mode of a folder through which others reach a file that they know of and may read
_ITERATIONS = 101  # as Mosquitto's own tool: the password is random, and checked at each login

CONFIG = """\
# Written by `python -m host_sim cloud mosquitto`, which writes it anew when it is run again.
listener {port} {host}
cafile {ca}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
allow_anonymous false
plugin {plugin}
plugin_opt_config_file {folder}/dynamic-security.json
user {account}

# Devices connect with a clean session: there is nothing to keep over a restart.
persistence false
retain_available false
max_packet_size 65536
max_queued_messages 20000
max_inflight_messages 200
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
log_type notice
"""

SETTINGS = """\
# For `python -m host_sim cloud --config {file}`. This file holds a password: it is for the cloud alone.
broker = "mqtts://{user}@{name}:{port}"
broker_password = "{password}"
broker_ca = "{ca}"
shared_subscriptions = true
dynamic_security = true
"""


class SetupError(Trouble):
    """Mosquitto cannot be set up; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The files: Mosquitto's, and the cloud's settings for it."""

    config: Path
    settings: Path
    ca: Path


def find_plugin() -> Path | None:
    """Mosquitto's dynamic security plugin where distributions put it, or None."""
    places = ("/usr/lib/*/", "/usr/lib/", "/usr/lib64/", "/usr/local/lib/", "/opt/homebrew/lib/")
    found = [path for place in places for path in glob.glob(place + PLUGIN)]
    return Path(found[0]) if found else None


def set_up(
    folder: Path,
    host: str,
    port: int,
    names: tuple[str, ...] = (),
    plugin: Path | None = None,
    account: str | None = None,
) -> Setup:
    """Write everything; all may read the certificates, and nobody else what is there besides.

    `names`: the host's, for the certificate; the first is what devices are told.

    `account`: whom Mosquitto runs as; by default who runs this, and for root the account `mosquitto` where
    there is one. Run again it keeps certificates and devices, and renews the cloud's password. Raises
    SetupError, OSError.
    """
    plugin = plugin or find_plugin()
    if plugin is None or not plugin.is_file():
        raise SetupError(
            f"{PLUGIN} is not there: install Mosquitto 2 (apt-get install mosquitto), or name it: --plugin"
        )
    account = _known(account) if account else _account()
    folder = folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pki = make_pki(folder / "pki", (*names, *NAMES))
    for one in (folder, folder / "pki"):
        one.chmod(PASSED)  # the cloud may run as another account, and verifies the broker by the CA
    password = secrets.token_urlsafe(32)
    _dynamic_security(folder / "dynamic-security.json", password)
    made = Setup(folder / "mosquitto.conf", folder / "cloud.toml", pki.ca)
    replace_file(
        made.config,
        CONFIG.format(
            port=port,
            host=host,
            ca=pki.ca,
            certificate=pki.certificate,
            key=pki.key,
            plugin=plugin,
            folder=folder,
            account=account,
        ),
    )
    _give(folder, account)
    # After that: it is not Mosquitto's to read.
    replace_file(
        made.settings,
        SETTINGS.format(
            file=made.settings,
            user=USER,
            name=names[0] if names else "127.0.0.1",
            port=port,
            password=password,
            ca=pki.ca,
        ),
    )
    return made


def _account() -> str:
    if os.geteuid() != 0:
        return getpass.getuser()
    try:
        return pwd.getpwnam("mosquitto").pw_name
    except KeyError:
        return "root"


def _known(account: str) -> str:
    # Only as root does Mosquitto change to it, and only then the files are given to it.
    try:
        if os.geteuid() == 0:
            pwd.getpwnam(account)
    except KeyError:
        raise SetupError(
            f"there is no account {account} on this machine: name another one: --account"
        ) from None
    return account


def _give(folder: Path, account: str) -> None:
    if os.geteuid() == 0 and account != "root":
        for path in (folder, *folder.rglob("*")):
            if path.name != "ca-key.pem":
                shutil.chown(path, account)


def _dynamic_security(file: Path, password: str) -> None:
    """The cloud's user and role; what else the file holds stays."""
    try:
        known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except ValueError:
        raise SetupError(
            f"{file} is damaged: restore it, or remove it and let the cloud write all devices anew"
        ) from None
    salt = os.urandom(12)
    user = {
        "username": USER,
        "textName": "the cloud's workers",
        "password": base64.b64encode(
            hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, 64)
        ).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": _ITERATIONS,
        "roles": [{"rolename": ROLE}],
    }
    role = {
        "rolename": ROLE,
        "textname": "all devices' topics, and the list of who may come in",
        "acls": [
            {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
            for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")
            for topic in ("hxtp/#", "$CONTROL/dynamic-security/#")
        ]
        # A shared subscription is judged by all of its name.
        + [{"acltype": "subscribePattern", "topic": f"$share/{GROUP}/hxtp/#", "priority": 0, "allow": True}],
    }
    access = dict.fromkeys(("publishClientSend", "publishClientReceive", "subscribe"), False)
    known["defaultACLAccess"] = {**access, "unsubscribe": True}
    known["clients"] = [user, *(one for one in known.get("clients", ()) if one.get("username") != USER)]
    known["roles"] = [role, *(one for one in known.get("roles", ()) if one.get("rolename") != ROLE)]
    replace_file(file, json.dumps(known, indent=1) + "\n")
