"""A running cloud on SQLite with its own broker and CA, callers of every role, and devices that obey."""

import contextlib
import getpass
import itertools
import os
import shutil
import ssl
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from host_sim.cloud.broker.mosquitto import find_plugin, set_up
from host_sim.cloud.catalogue import manifests, tenants
from host_sim.cloud.provisioning import token_for
from host_sim.cloud.server import Cloud
from host_sim.cloud.settings import load
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.migrate import migrate
from host_sim.cloud.storage.tables import broker_logins
from host_sim.device import Lamp, Relay, SimDevice
from host_sim.device_mqtt import MqttDevice
from host_sim.servers import (
    Postgres,
    Process,
    Redis,
    free_port,
    mosquitto_process,
    postgres_programs,
)
from tests.cloud.described import check
from tests.cloud.waiting import WAIT, until
from tests.conftest import missing

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _programs_run_here(logging_as_it_was) -> None:
    """The cloud's commands set up logging for their process, which here is that of the tests."""


@dataclass
class Thing:
    """A device that is connected. `sim` runs the protocol, `mqtt` keeps it connected."""

    id: str
    registration: dict
    sim: SimDevice
    mqtt: MqttDevice


class OwnMosquitto:
    """`settings`: of a cloud that uses it. `start` and `stop` keep the port."""

    def __init__(self, program: str, folder: Path) -> None:
        self.folder = folder / "mosquitto"
        self.port = free_port()
        self._program = program
        self._log = folder / "mosquitto.log"
        # As whoever runs the tests: another account could not enter the folder.
        self.setup = set_up(self.folder, "127.0.0.1", self.port, account=getpass.getuser())
        self.settings: dict = tomllib.loads(self.setup.settings.read_text())
        self._running: Process | None = None

    def start(self) -> None:
        self._running = mosquitto_process(self._program, self.setup.config, self.port, self._log)

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()

    def log(self) -> str:
        return self._log.read_text()

    def __enter__(self) -> "OwnMosquitto":
        self.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()


class Api(httpx.Client):
    """A client with a token; `command` waits for what becomes of a command."""

    def command(self, device_id: str, action: str, params: dict | None = None, **more: Any) -> dict:
        answer = self.post(
            f"/device/{device_id}/command", json={"action": action, "params": params or {}, **more}
        )
        assert answer.status_code == 202, answer.text
        return self.settled(answer.json()["command_id"])

    def settled(self, command_id: str) -> dict:
        """The command, once it has ended."""

        def ended() -> dict | None:
            command = self.get(f"/commands/{command_id}").json()
            return command if command["status"] not in ("queued", "dispatched") else None

        return until(ended, "the command to end")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of this test run's own."""
    if postgres_programs() is None:
        missing("PostgreSQL", "make packages")
    with Postgres() as running:
        yield running


@pytest.fixture(scope="session")
def _template(postgres) -> str:
    """A database with the tables of today."""
    name = postgres.create("tables_of_today")
    owner = Database(postgres.url(postgres.OWNER, name))
    migrate(owner, postgres.APP)
    owner.close()
    return name


@pytest.fixture(scope="session")
def postgres_settings(postgres, _template) -> Callable[[], dict]:
    """postgres_settings() gives the settings of a cloud on a database of its own, which is empty."""

    def settings() -> dict:
        name = postgres.create(f"cloud_{next(_numbers)}", _template)
        return {
            "database": postgres.url(postgres.APP, name),
            "database_owner": postgres.url(postgres.OWNER, name),
        }

    return settings


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request, tmp_path_factory) -> Iterator[Database]:
    """An empty database with its tables, of each kind; on PostgreSQL as the role that the cloud runs as."""
    if request.param == "postgresql":
        database = Database(request.getfixturevalue("postgres_settings")()["database"])
    else:
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('database') / 'cloud.db'}")
        migrate(database)
    yield database
    database.close()


@pytest.fixture
def tenant(database) -> str:
    """The id of one more tenant in that database."""
    with database.writing() as connection:
        return tenants.add_tenant(connection, "Home", 1767225600000)[0]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory) -> Iterator[Redis]:
    """A Redis of this module's own."""
    if shutil.which("redis-server") is None:
        missing("redis-server", "make packages")
    with Redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def mosquitto(program, tmp_path_factory) -> Iterator[OwnMosquitto]:
    """A Mosquitto of this module's own, set up by the cloud's command."""
    if find_plugin() is None:
        missing("Mosquitto's dynamic security plugin", "make packages")
    with OwnMosquitto(program("mosquitto"), tmp_path_factory.mktemp("mosquitto")) as running:
        yield running


@pytest.fixture(scope="module")
def cloud_settings() -> dict:
    """What a module's cloud is given besides; override it in the module."""
    return {}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory, cloud_settings) -> Iterator[Cloud]:
    given = {
        "data": str(tmp_path_factory.mktemp("cloud")),
        "port": 0,
        "broker_port": 0,
        "log_level": "warning",
        "tier": "unlimited",
        "failed_auth_per_minute": 0,  # all that fails here comes from one address
        **cloud_settings,
    }
    with Cloud(load(given, environment={})) as running:
        yield running


@pytest.fixture(scope="module")
def api(cloud) -> Iterator[Callable[..., Api]]:
    """api("owner") is a client of the tenant "home"; api("user", tenant="other") of another; api(None) has no
    token. The same call gives the same client."""
    with contextlib.ExitStack() as stack:
        made: dict[tuple, Api] = {}

        def client(role: str | None = "owner", tenant: str | None = "home", tier: str | None = None) -> Api:
            key = (role, tenant, tier)
            if key not in made:
                headers = {}
                if role is not None:
                    email = f"{role}-{next(_numbers)}@{tenant or 'nowhere'}.example"
                    token = token_for(cloud.settings, email, tenant, role, tier)
                    headers["Authorization"] = f"Bearer {token}"
                one = Api(
                    base_url=cloud.settings.base_url(),
                    verify=ssl.create_default_context(cafile=str(cloud.pki.ca)),
                    headers=headers,
                    timeout=WAIT,
                    event_hooks={"response": [check]},
                )
                made[key] = stack.enter_context(one)
            return made[key]

        yield client


@pytest.fixture(scope="module")
def device(cloud, api) -> Iterator[Callable[..., Thing]]:
    """device() registers one for the tenant "home", connects it and waits until its manifest is known."""
    with contextlib.ExitStack() as stack:

        def connected(
            device_type: str = "simulated",
            parts: Callable[[], list] = lambda: [Lamp(), Relay()],
            tenant: str = "home",
            registration: dict | None = None,
            **places: str,
        ) -> Thing:
            if registration is None:
                asked = {"device_type": device_type, **places}
                registration = api("owner", tenant).post("/device/register", json=asked).json()
            sim = SimDevice(
                registration["device_id"],
                registration["tenant_id"],
                bytes.fromhex(registration["device_secret"]),
                os.urandom,
                device_type=device_type,
                parts=parts,
            )
            broker = cloud.services.uplink.address
            with cloud.services.database.reading() as connection:
                expiry = connection.execute(
                    sa.select(broker_logins.c.expires_s).where(broker_logins.c.device_id == sim.device_id)
                ).scalar_one()
            mqtt = MqttDevice(sim, broker.port, expiry, broker.ca)
            stack.enter_context(mqtt)

            def known() -> bool:
                tenant_id = registration["tenant_id"]
                with cloud.services.database.reading(tenant_id) as connection:
                    return manifests.of(connection, tenant_id, sim.device_id) is not None

            until(known, "the device's manifest")
            return Thing(sim.device_id, registration, sim, mqtt)

        yield connected


@pytest.fixture
def client_of() -> Iterator[Callable[[Cloud], httpx.Client]]:
    """client_of(cloud): a client without a token, of a cloud that a test made itself."""
    with contextlib.ExitStack() as stack:

        def client(of: Cloud) -> httpx.Client:
            verify = ssl.create_default_context(cafile=str(of.pki.ca)) if of.pki is not None else True
            one = httpx.Client(base_url=of.settings.base_url(), verify=verify, timeout=WAIT)
            return stack.enter_context(one)

        yield client
