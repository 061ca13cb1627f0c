"""Which cloud is meant, the CA of its certificate, and the token: found in one way for every program.

    --cloud, HXTP_CLOUD           the API's address; else that of the cloud whose data folder is at hand
    --token-file, HXTP_TOKEN      else one is made from the cloud's data folder, where that is on this machine
    --ca                          else that folder's CA, else those that the system trusts

Must never print a token, nor keep one where others than the folder's owner can read it.
"""

import argparse
import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from host_sim.cloud_client.api import Api, CloudError, Session, UsageError, is_local
from host_sim.files import replace_file
from host_sim.given import WrongPath, first_line
from host_sim.trouble import Trouble

CLOUD = "HXTP_CLOUD"
TOKEN = "HXTP_TOKEN"  # the environment's name of it, not a token
DEFAULT = "https://127.0.0.1:8443/api/v1"
MAX_TOKEN = 2048  # characters
ADDRESS = "address"  # in the data folder: where its cloud is
KEPT = "client.token"  # beside the keys that whoever may read it could make it with


def data_folder() -> Path:
    """Where `python -m host_sim cloud` keeps its data unless it is told otherwise."""
    return Path(os.environ.get("HXTP_CLOUD_DATA") or "build/cloud")


def add_options(parser: argparse.ArgumentParser, data: str = "--data") -> None:
    """The options that `place_of` reads. `data`: what the one for the cloud's folder is called."""
    group = parser.add_argument_group("which cloud, and who asks")
    group.add_argument(
        "--cloud", metavar="URL", help=f"the API (default: {CLOUD}, else that of the data, else {DEFAULT})"
    )
    group.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="CA of its certificate (default: its folder's, else the system's)",
    )
    group.add_argument(
        "--token-file", type=Path, metavar="FILE", help=f"its first line is the token (default: {TOKEN})"
    )
    parser.set_defaults(data_option=data)
    group.add_argument(
        data,
        dest="cloud_data",
        type=Path,
        metavar="DIR",
        help="data of a cloud on this machine, from which CA and token are taken (default build/cloud)",
    )
    group.add_argument(
        "--tenant", metavar="NAME", help="whose token is made from there, where there are several"
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A cloud. `ca`: None means the system's. `folder`: its data, where that is on this machine; `lacking`:
    what to do where neither that nor a token is at hand."""

    url: str
    ca: Path | None = None
    folder: Path | None = None
    token_file: Path | None = None
    tenant: str | None = None
    lacking: str = f"set {TOKEN}"

    def api(self) -> Api:
        """Raises CloudError."""
        return Api(self.url, self.ca)

    def session(self, token: str | None = None) -> Session:
        """The API with a token, which is made where none was given. Raises UsageError, CloudError."""
        api = self.api()
        given = token if token is not None else self._given()
        if given:
            return Session(api, _checked(given))
        if self.folder is None:
            raise UsageError(f"who asks? {self.lacking}")
        kept = self._kept()
        return Session(api, kept, self._make) if kept else Session(api, self._make())

    def _given(self) -> str:
        if self.token_file is None:
            return os.environ.get(TOKEN, "").strip()
        try:
            found = first_line("--token-file", self.token_file, MAX_TOKEN + 1, "the token").strip()
        except WrongPath as error:
            raise UsageError(str(error)) from None
        if not found:
            raise UsageError(f"--token-file {self.token_file} is empty")
        return found

    def _kept(self) -> str | None:
        assert self.folder is not None
        try:
            found = json.loads((self.folder / KEPT).read_text(encoding="utf-8"))
            return _checked(found["token"]) if found["tenant"] == self.tenant else None
        except (OSError, ValueError, KeyError, TypeError, UsageError):
            return None  # one is made

    def _make(self) -> str:
        assert self.folder is not None
        try:
            # Here and not above: whoever has a token needs nothing of the cloud.
            from host_sim.cloud.provisioning import local_token
            from host_sim.cloud.settings import load
        except ImportError as error:
            raise CloudError(
                f"a token can be made here only with the cloud's packages ({error}): make setup"
            ) from None
        try:
            token = local_token(load({"data": str(self.folder)}), self.tenant)
        except (Trouble, ValueError, OSError) as error:
            raise CloudError(f"no token can be made from {self.folder}: {_why(error)}") from None
        # In a folder of mode 0700. Where it cannot be kept it is made again each time.
        with contextlib.suppress(OSError):
            replace_file(self.folder / KEPT, json.dumps({"tenant": self.tenant, "token": token}))
        return token


@dataclass(frozen=True, slots=True)
class Names:
    """What the parameters of `place` are called where they are given."""

    cloud: str = "url"
    ca: str = "connect(ca=…)"
    data: str = "call connect(data=DIR)"
    token: str = "call connect(token=…)"


def place_of(options: argparse.Namespace) -> Place:
    """What the options say. Raises UsageError."""
    names = Names("--cloud", "--ca", f"give {options.data_option} DIR", "give --token-file FILE")
    return place(options.cloud, options.ca, options.token_file, options.cloud_data, options.tenant, names)


def place(
    url: str | None = None,
    ca: Path | None = None,
    token_file: Path | None = None,
    data: Path | None = None,
    tenant: str | None = None,
    names: Names = Names(),
) -> Place:
    """A cloud; what is not given is found as at the top of this module. `names`: for what a person is told.
    Raises UsageError."""
    url = url or os.environ.get(CLOUD)
    if ca is not None and not ca.is_file():
        raise UsageError(f"--ca: there is no file {ca}")
    if data is not None and not _is_a_clouds(data):
        raise UsageError(
            f"there is no cloud's data in {data}: start it (python -m host_sim cloud --data {data})"
        )
    near = data_folder()
    if data is None and ca is None and _is_a_clouds(near):
        data = near if url is None or url == _address(near) or _on_this_machine(url) else None
    if url is None:
        url = (_address(data) if data is not None else None) or DEFAULT
    if ca is None and data is not None and (data / "pki" / "ca.pem").is_file():
        ca = data / "pki" / "ca.pem"
    lacking = "" if data is not None else f"set {TOKEN}, or {names.token}; {_why_not(near, url, names)}"
    return Place(url, ca, data, token_file, tenant, lacking)


def _why_not(near: Path, url: str, names: Names) -> str:
    """Why no token is made of the folder where a cloud's data would be, and what to do."""
    if not _is_a_clouds(near):
        return f"there is no cloud's data in {near}: start a cloud here, or {names.data} to name its folder"
    own = _address(near)
    if own is not None and own != url:
        other = f"{near} is of the cloud at {own}, not of {url}"
        return f"{other}: leave {names.cloud} and {CLOUD} out, or {names.data}"
    return f"with {names.ca} the data in {near} count only where they are named: {names.data}"


def _address(folder: Path) -> str | None:
    """Where the folder's cloud said last that it is."""
    try:
        with open(folder / ADDRESS, encoding="utf-8") as stream:
            return stream.readline(256).strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _on_this_machine(url: str) -> bool:
    try:
        return is_local(urlsplit(url).hostname or "")
    except ValueError:
        return False  # no address; the API says so


def _is_a_clouds(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("master.key", "cloud.db"))


def _checked(token: str) -> str:
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or len(token) > MAX_TOKEN:
        raise UsageError("this cannot be a token: give what `host_sim cloud token` printed, on one line")
    return token


def _why(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
