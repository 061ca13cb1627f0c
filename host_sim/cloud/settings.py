"""Settings from the command line, the environment (HXTP_CLOUD_…) or one TOML file, in that order of weight.

Every mistake ends in one sentence that names the setting and says what to write. Must never print a secret;
those come from the environment or from files, never from the command line.
"""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_sim.cloud.security.vault import Vault, VaultError, key_file, keys_of

PREFIX = "HXTP_CLOUD_"
EMAIL = r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,189}"  # what can be an e-mail address
TIERS = {"free": 60, "pro": 300, "unlimited": 0}  # requests a minute; 0: without a limit

# What a tenant may set for itself, and the default; those that weaken something are named for the risk.
TENANT_SETTINGS: dict[str, Any] = {
    "accept_json_full": True,
    "accept_json_header": True,
    "accept_device_secret_from_clients": False,
    "accept_secret_as_mqtt_password": False,
    "max_age_s": 300,
    "future_s": 60,
}
RISKS = ("accept_device_secret_from_clients", "accept_secret_as_mqtt_password")  # while they are true


class SettingsError(Exception):
    """Which setting is wrong and what to write, as one sentence."""


@dataclass(slots=True)
class Settings:
    """All settings of a cloud. Empty `database` and `broker`: SQLite in `data`, and the embedded broker."""

    host: str = "127.0.0.1"
    port: int = 8443
    data: Path = Path("build/cloud")
    database: str = ""
    database_owner: str = ""  # PostgreSQL: the role that owns the tables, for migrations
    broker: str = ""
    broker_port: int = 8883  # of the embedded one; 0: any free one
    broker_password: str = field(default="", repr=False)
    broker_ca: str = ""
    shared_subscriptions: bool = False
    dynamic_security: bool = False  # Mosquitto's plugin: it asks nobody, so the cloud writes its list
    broker_auth_secret: str = field(default="", repr=False)  # of brokers that ask: POST /mqtt/auth, /mqtt/acl
    redis: str = ""
    plain_http: bool = False  # only where everything is on this machine
    certificate: str = ""
    certificate_key: str = ""
    public_url: str = ""  # how clients reach the API; made from host and port where it is empty
    master_key: str = field(default="", repr=False)  # newest first; otherwise DATA/master.key
    token_life_s: int = 12 * 3600
    tier: str = "free"  # of new tenants
    log_level: str = "info"
    log_format: str = "text"  # or json: an object a line

    def master_keys(self) -> list[bytes]:
        """Raises SettingsError."""
        try:
            return keys_of(self.master_key) if self.master_key else key_file(self.key_file())
        except (VaultError, OSError) as error:
            raise SettingsError(f"master_key: {error}") from None

    def vault(self) -> Vault:
        """Over the master keys. Raises SettingsError."""
        if self.master_key:
            return Vault(self.master_keys())
        try:
            return Vault.of_file(self.key_file())
        except (VaultError, OSError) as error:
            raise SettingsError(f"master_key: {error}") from None

    def key_file(self) -> Path:
        """Where the master keys lie unless `master_key` holds them."""
        return self.data / "master.key"

    def database_url(self) -> str:
        return self.database or f"sqlite:///{(self.data / 'cloud.db').absolute()}"

    def base_url(self) -> str:
        """Of the API, without a slash at its end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.plain_http else 'https'}://{host}:{self.port}/api/v1"


def load(
    given: Mapping[str, Any] | None = None,
    file: str | Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings. `given`: from the command line, None where nothing was said. Raises SettingsError."""
    names = {one.name: one for one in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    file = file or environment.get(PREFIX + "CONFIG")
    if file:
        for name, value in _toml(Path(file)).items():
            if name not in names:
                raise SettingsError(f"{file}: there is no setting {name!r}; there are {', '.join(names)}")
            values[name] = _typed(name, value, names[name].default, f"{file}: {name}")
    for key, text in environment.items():
        name = key.removeprefix(PREFIX).lower()
        if not key.startswith(PREFIX) or name == "config":
            continue
        if name not in names:
            raise SettingsError(f"{key}: there is no such setting; there are {', '.join(names)}")
        values[name] = _typed(name, text, names[name].default, key)
    for name, value in (given or {}).items():
        if value is not None:
            values[name] = _typed(name, value, names[name].default, f"--{name.replace('_', '-')}")
    settings = Settings(**values)
    _check(settings)
    return settings


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}") from None


def _typed(name: str, value: Any, default: Any, where: str) -> Any:
    if isinstance(default, bool):
        known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
        if isinstance(value, str):
            value = known.get(value.lower(), value)
        if not isinstance(value, bool):
            raise SettingsError(f"{where} must be true or false")
        return value
    if isinstance(default, int):
        try:
            if isinstance(value, bool | float):
                raise ValueError
            return int(value)
        except (TypeError, ValueError):
            raise SettingsError(f"{where} must be a whole number") from None
    if not isinstance(value, str | Path):
        raise SettingsError(f"{where} must be text")
    return Path(value) if isinstance(default, Path) else str(value)


def _check(settings: Settings) -> None:
    for name, low in (("port", 0), ("broker_port", 0)):
        if not low <= getattr(settings, name) <= 65535:
            raise SettingsError(f"{name} must be {low} to 65535")
    if not 60 <= settings.token_life_s <= 30 * 86400:
        raise SettingsError("token_life_s must be 60 s to 30 days, in seconds")
    if settings.tier not in TIERS:
        raise SettingsError(f"tier must be one of {', '.join(TIERS)}")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise SettingsError("log_level must be debug, info, warning or error")
    if settings.log_format not in ("text", "json"):
        raise SettingsError("log_format must be text or json")
    if bool(settings.certificate) != bool(settings.certificate_key):
        raise SettingsError("certificate and certificate_key belong together: give both files, or neither")
    for name in ("certificate", "certificate_key", "broker_ca"):
        path = getattr(settings, name)
        if path and not Path(path).is_file():
            raise SettingsError(f"{name}: there is no file {path}")
    if settings.plain_http and settings.host not in ("127.0.0.1", "::1", "localhost"):
        raise SettingsError("plain_http is for this machine alone: leave it out, or set host to 127.0.0.1")
    for name in ("shared_subscriptions", "dynamic_security"):
        if getattr(settings, name) and not settings.broker:
            raise SettingsError(
                f"{name} is for a broker of your own: the embedded one needs none; set broker"
            )
    if settings.broker_auth_secret and len(settings.broker_auth_secret) < 16:
        raise SettingsError("broker_auth_secret must have 16 characters or more: `openssl rand -hex 32`")
    if settings.broker.startswith("mqtt://") and not _is_local(settings.broker):
        raise SettingsError("broker: over a network it has to be mqtts://HOST")


def _is_local(url: str) -> bool:
    host = url.split("://", 1)[-1].rsplit("@", 1)[-1].strip("/")
    return host.startswith(("127.0.0.1", "localhost", "[::1]"))
