"""Settings from the command line, the environment (HXTP_CLOUD_…) or one TOML file, in that order of weight.

Every mistake ends in one sentence that names the setting and says what to write. Must never print a secret;
those come from the environment or from files, never from the command line.
"""

import dataclasses
import os
import re
import ssl
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from host_sim.cloud import certificates
from host_sim.cloud.security.vault import Vault, VaultError, key_file, keys_of
from host_sim.trouble import Trouble

PREFIX = "HXTP_CLOUD_"
# Every space by its number: what \s is depends on who reads it.
_NO_SPACE = r"[^@\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
EMAIL = rf"{_NO_SPACE}{{1,64}}@{_NO_SPACE}{{1,189}}"  # what can be an e-mail address
TIERS = ("free", "pro", "unlimited")

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
LOCAL = ("127.0.0.1", "::1", "localhost")
NETWORK = "over a network it has to be"
BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883}
MAX_DAYS = 36500
MAX_STATES = 1000
NUMBERS = {  # the lowest and the highest
    "port": (0, 65535),
    "broker_port": (0, 65535),
    "heartbeat_s": (5, 3600),  # what a device takes (HX3-SESS-20)
    "states_kept": (0, MAX_STATES),
    "telemetry_days": (0, MAX_DAYS),
    "history_days": (0, MAX_DAYS),
    "token_life_s": (60, 30 * 86400),
    **dict.fromkeys(
        (
            "free_per_minute",
            "pro_per_minute",
            "device_per_minute",
            "action_per_5min",
            "sensitive_per_minute",
            "critical_per_hour",
            "failed_auth_per_minute",
            "device_packets_s",
            "connections",
            "connections_per_address",
        ),
        (0, 1000000),
    ),
    "head_bytes": (4096, 1 << 20),
    "head_s": (1, 300),
}
WORDS = {
    "tier": TIERS,
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("text", "json"),
}


class SettingsError(Trouble):
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
    public_broker: str = ""  # how devices reach the broker, where that is not how the cloud does
    public_broker_ca: str = ""  # of the certificate that they find there
    shared_subscriptions: bool = False
    dynamic_security: bool = False  # Mosquitto's plugin: it asks nobody, so the cloud writes its list
    broker_auth_secret: str = field(default="", repr=False)  # of brokers that ask: POST /mqtt/auth, /mqtt/acl
    redis: str = ""
    redis_ca: str = ""  # of a Redis with TLS, besides those of the system
    plain_http: bool = False  # only where everything is on this machine
    certificate: str = ""
    certificate_key: str = ""
    allowed_origins: str = ""  # of web pages that may call the API from a browser: https://HOST, …; or *
    public_url: str = ""  # how clients reach the API; made from host and port where it is empty
    master_key: str = field(default="", repr=False)  # newest first; otherwise DATA/master.key
    heartbeat_s: int = 30  # between two of a device's heartbeats; it learns that from its next hello
    states_kept: int = 50  # states of each device, the present one among them; 0: that one alone
    telemetry_days: int = 30  # 0: for ever
    history_days: int = 90  # of commands, observations, and of what was revoked; 0: for ever
    token_life_s: int = 12 * 3600
    tier: str = "free"  # of new tenants
    # How often something may happen; 0: without a limit.
    free_per_minute: int = 60  # requests of a tenant
    pro_per_minute: int = 300
    device_per_minute: int = 0  # commands to one device
    action_per_5min: int = 0  # with the same action
    sensitive_per_minute: int = 20  # that somebody has said yes to
    critical_per_hour: int = 5
    failed_auth_per_minute: int = 60  # requests of an address without a valid token or key
    device_packets_s: int = 50  # MQTT packets of one a second, at the embedded broker; ten times that at once
    connections: int = 500  # of HTTP and WebSocket at a time
    connections_per_address: int = 100  # of them from one; of IPv6 from one /64
    head_bytes: int = 32768  # of an HTTP request, without its body
    head_s: int = 10  # seconds that it may take to come, and a TLS handshake before it
    log_level: str = "info"
    log_format: str = "text"  # or json: an object a line

    def master_keys(self) -> list[bytes]:
        """Raises SettingsError."""
        try:
            return keys_of(self.master_key) if self.master_key else key_file(self.key_file())
        except VaultError as error:
            raise SettingsError(f"master_key: {error}") from None
        except OSError as error:
            raise self.no_folder(error) from None

    def vault(self) -> Vault:
        """Over the master keys. Raises SettingsError."""
        if self.master_key:
            return Vault(self.master_keys())
        try:
            return Vault.of_file(self.key_file())
        except VaultError as error:
            raise SettingsError(f"master_key: {error}") from None
        except OSError as error:
            raise self.no_folder(error) from None

    def key_file(self) -> Path:
        """Where the master keys lie unless `master_key` holds them."""
        return self.data / "master.key"

    def make_data(self) -> None:
        """The folder, where it is not there yet. Raises SettingsError."""
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self.no_folder(error) from None

    def no_folder(self, error: OSError) -> SettingsError:
        """That `data` cannot be used, and what to do."""
        why = "it is a file" if self.data.is_file() else error.strerror or error
        return SettingsError(
            f"{self.data} cannot hold the cloud's data ({why}): name another folder with --data"
        )

    def check_certificates(self) -> None:
        """Whether the files hold what they should. Raises SettingsError."""
        for name in ("broker_ca", "public_broker_ca", "redis_ca"):
            if file := getattr(self, name):
                try:
                    ssl.create_default_context(cafile=file)
                except OSError:
                    raise SettingsError(f"{name}: {file} holds no certificate in PEM") from None
        if self.certificate:
            try:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                # Asked for a password nobody is here to give, it would wait on the terminal.
                context.load_cert_chain(self.certificate, self.certificate_key, lambda: "")
            except (OSError, ValueError):
                raise SettingsError(
                    f"certificate, certificate_key: {self.certificate} and {self.certificate_key} are no "
                    "certificate in PEM and its key, without a password"
                ) from None

    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.database_file().absolute()}"

    def database_file(self) -> Path:
        """Where SQLite keeps it, unless `database` says something else."""
        return self.data / "cloud.db"

    def base_url(self) -> str:
        """Of the API, without a slash at its end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        return f"{'http' if self.plain_http else 'https'}://{bracketed(self.own_host())}:{self.port}/api/v1"

    def own_host(self) -> str:
        """Where somebody on this machine reaches what listens on `host`."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    def per_minute(self, tier: str | None) -> int:
        """Requests a minute of a tenant in this tier, or of somebody without a tenant; 0: without a limit."""
        each = {"free": self.free_per_minute, "pro": self.pro_per_minute, "unlimited": 0}
        return each.get(tier or self.tier, self.free_per_minute)

    def origins(self) -> list[str]:
        """Of web pages that may call the API from a browser."""
        return [one.strip() for one in self.allowed_origins.split(",") if one.strip()]

    def advice(self) -> list[str]:
        """What is no mistake, but seldom meant: a sentence each."""
        found = certificates.advice(self.certificate) if self.certificate else []
        if self.host not in ("0.0.0.0", "::"):
            return found
        lacking = [] if self.public_url else ["public_url"]
        if not self.broker and not self.public_broker:
            lacking.append("public_broker")
        told = (
            f"host {self.host}: clients and devices elsewhere are told {self.own_host()}, which is themselves"
        )
        return [*found, f"{told}; set {' and '.join(lacking)}"] if lacking else found

    def names(self, local: tuple[str, ...]) -> tuple[str, ...]:
        """The hosts that clients and devices look for in a certificate, besides those of this machine."""
        public = [urlsplit(url).hostname for url in (self.public_url, self.public_broker) if url]
        return tuple(dict.fromkeys([*local, *(host for host in public if host), self.own_host()]))


def bracketed(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


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
                raise SettingsError(f"{file}: there is no setting {name!r}{_near(name, names)}")
            values[name] = _typed(name, value, names[name].default, f"{file}: {name}")
    for key, text in environment.items():
        name = key.removeprefix(PREFIX).lower()
        if not key.startswith(PREFIX) or name == "config":
            continue
        if name not in names:
            meant = _near(name, names, lambda one: PREFIX + one.upper())
            raise SettingsError(f"{key}: there is no such setting{meant}")
        values[name] = _typed(name, text, names[name].default, key)
    for name, value in (given or {}).items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            no_password(option, str(value), f"the environment ({PREFIX}{name.upper()})")
            values[name] = _typed(name, value, names[name].default, option)
    settings = Settings(**values)
    _check(settings)
    return settings


def no_password(option: str, url: str, where: str) -> None:
    """Raises SettingsError for a URL on the command line that has one; `where` it belongs instead."""
    if "://" in url and _split(url).password:
        raise SettingsError(
            f"{option}: every user of this machine can read a password there; put it into {where} or a file"
        )


def _near(name: str, names: Iterable[str], spelt: Callable[[str], str] = str) -> str:
    """What may have been meant, or all that there is."""
    near = get_close_matches(name, names, 1)
    return f": did you mean {spelt(near[0])}?" if near else f"; there are {', '.join(map(spelt, names))}"


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
    for name, (low, high) in NUMBERS.items():
        if not low <= getattr(settings, name) <= high:
            raise SettingsError(f"{name} must be {low} to {high}")
    for name, words in WORDS.items():
        if getattr(settings, name) not in words:
            raise SettingsError(f"{name} must be one of {', '.join(words)}")
    if bool(settings.certificate) != bool(settings.certificate_key):
        raise SettingsError("certificate and certificate_key belong together: give both files, or neither")
    for name in ("certificate", "certificate_key", "broker_ca", "public_broker_ca", "redis_ca"):
        path = getattr(settings, name)
        if path and not Path(path).is_file():
            raise SettingsError(f"{name}: there is no file {path}")
    if settings.plain_http and settings.host not in LOCAL:
        raise SettingsError("plain_http is for this machine alone: leave it out, or set host to 127.0.0.1")
    for name in ("shared_subscriptions", "dynamic_security"):
        if getattr(settings, name) and not settings.broker:
            raise SettingsError(
                f"{name} is for a broker of your own: the embedded one needs none; set broker"
            )
    if settings.broker_auth_secret and len(settings.broker_auth_secret) < 16:
        raise SettingsError("broker_auth_secret must have 16 characters or more: `openssl rand -hex 32`")
    if settings.database_owner and not settings.database:
        raise SettingsError("database_owner is for PostgreSQL: set database too, or leave it out")
    _check_urls(settings)


def _check_urls(settings: Settings) -> None:
    if settings.public_url:
        parts = _split(settings.public_url)
        plain = parts.scheme in ("http", "https") and not (parts.query or parts.fragment or parts.username)
        if not plain or not _host(parts) or not parts.path.strip("/"):
            raise SettingsError("public_url must be the API's whole address: https://cloud.example/api/v1")
        if parts.scheme == "http" and parts.hostname not in LOCAL:
            raise SettingsError(f"public_url: {NETWORK} https://HOST/api/v1")
    for origin in settings.origins():
        parts = _split(origin)
        known = parts.scheme in ("http", "https") and _host(parts)
        if origin != "*" and not (known and origin == f"{parts.scheme}://{parts.netloc}"):
            raise SettingsError(
                "allowed_origins must be web pages' origins, separated by commas: https://dash.example"
            )
    for name in ("database", "database_owner"):
        url = getattr(settings, name)
        if url and _split(url).scheme not in ("postgresql", "postgres", "sqlite"):
            raise SettingsError(f"{name} must be postgresql://ROLE@HOST/NAME, or sqlite:///FILE")
    if settings.redis:
        parts = _split(settings.redis)
        if parts.scheme not in ("redis", "rediss", "unix") or not (parts.hostname or parts.path):
            raise SettingsError("redis must be redis://HOST[:PORT][/NUMBER], or rediss:// with TLS")
        if parts.scheme == "redis" and parts.hostname not in LOCAL:
            raise SettingsError(f"redis: {NETWORK} rediss://HOST")
    if settings.redis_ca and _split(settings.redis).scheme != "rediss":
        raise SettingsError("redis_ca goes with a redis that has TLS: set redis to rediss://HOST too")
    for name in ("broker", "public_broker"):
        url = getattr(settings, name)
        if not url:
            continue
        parts = _split(url)
        if parts.scheme not in BROKER_PORTS or not _host(parts) or parts.path.strip("/") or parts.query:
            raise SettingsError(f"{name} must be mqtts://HOST[:PORT], or mqtt:// on this machine")
        if parts.password:
            raise SettingsError(f"{name}: a password does not belong into the URL: set broker_password")
        if parts.scheme == "mqtt" and parts.hostname not in LOCAL:
            raise SettingsError(f"{name}: {NETWORK} mqtts://HOST")
    if settings.public_broker and _split(settings.public_broker).username:
        raise SettingsError("public_broker: a device is its own user there; leave the user out")
    if settings.public_broker_ca and not settings.public_broker:
        raise SettingsError("public_broker_ca goes with public_broker: set both, or neither")


def _host(parts: SplitResult) -> str:
    """The host of a URL, where a certificate could name it."""
    host = parts.hostname or ""
    return host if re.fullmatch(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}", host) else ""


def _split(url: str) -> SplitResult:
    """The parts of a URL; one without any where it cannot be read."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts
