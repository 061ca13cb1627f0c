"""What many devices come down to: hellos, heartbeats, bytes in PostgreSQL, a login at Mosquitto."""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from host_sim.bench.cloud_stage import database_cpu
from host_sim.bench.rows import Missing, Row
from host_sim.cloud.broker.dynsec import DynSec, acls, admit, role_of
from host_sim.cloud.broker.mosquitto import SetupError, set_up
from host_sim.cloud.catalogue import devices, tenants
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.exchange.uplink import BrokerAddress
from host_sim.cloud.gate.recheck import refusal
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.migrate import migrate
from host_sim.device import SimDevice
from host_sim.servers import Postgres, find_program, free_port, mosquitto_process, postgres_programs
from hxtp.session import HEARTBEAT
from hxtp.topics import split

DEVICES = 2000
TENANTS = 20
ROUNDS = 4  # heartbeats of each device; the first one warms up
PATIENCE = 40  # seconds
KNOWN = (1000, 10000)  # devices that Mosquitto knows
ADMISSIONS = 11


def measure() -> list[Row]:
    """Raises Missing."""
    return [*_hellos(), *_logins()]


def _hellos() -> list[Row]:
    if postgres_programs() is None:
        raise Missing("PostgreSQL is not installed: make packages")
    with Postgres() as server:
        name = server.create("scale")
        owner = Database(server.url(server.OWNER, name))
        migrate(owner, server.APP)
        database = Database(server.url(server.APP, name))
        try:
            return _measured(server, database, name)
        finally:
            owner.close()
            database.close()


def _measured(server: Postgres, database: Database, name: str) -> list[Row]:
    empty = server.execute(f"SELECT pg_database_size('{name}')")[0][0]
    vault = Vault([os.urandom(32)])
    fleet: dict[str, SimDevice] = {}
    for number in range(TENANTS):
        with database.writing() as connection:
            tenant_id, _ = tenants.add_tenant(connection, f"tenant {number}", 0)
            database.see(connection, tenant_id)
            for _ in range(DEVICES // TENANTS):
                issued = devices.register(connection, vault, tenant_id, "simulated", 0)
                sim = SimDevice(issued.device_id, tenant_id, issued.secret, os.urandom)
                fleet[issued.device_id] = sim
    down: list[tuple[str, bytes]] = []
    told: list[str] = []
    later = 0  # ms by which this world's time is ahead
    exchange = Exchange(
        database,
        vault,
        refusal,
        lambda name, payload: down.append((name, payload)),
        lambda: True,
        lambda: time.time_ns() // 1000000 + later,
    )
    exchange.listen(lambda notice: told.append(notice.kind))
    exchange.start()
    try:
        now = time.monotonic_ns() // 1000000
        # All at once, as after an outage of the broker.
        up = []
        for sim in fleet.values():
            sim.connected(now, time.time_ns() // 1000000)
            while (message := sim.take(now)) is not None:
                up.append(message)
        began, spent = time.monotonic(), time.process_time()
        for message in up:
            exchange.receive(*message)
        _until(lambda: told.count("hello") >= DEVICES)
        seconds, cores = time.monotonic() - began, time.process_time() - spent
        # The answers bring manifest and state, and so a device's rows to their size.
        for topic, payload in down:
            sim = fleet[split(topic)[1]]
            sim.receive(topic, payload, now)
            while (message := sim.take(now)) is not None:
                exchange.receive(*message)
        _until(lambda: told.count("manifest") >= DEVICES and told.count("state") >= DEVICES)
        beats = []
        for _ in range(ROUNDS):
            later += 1000 * HEARTBEAT
            now += 1000 * HEARTBEAT
            beats.append(_heartbeats(exchange, fleet.values(), now, told, server))
    finally:
        exchange.stop()
    cost = [statistics.median(one) for one in zip(*beats[1:], strict=True)]
    server.execute("CHECKPOINT")
    server.execute("VACUUM FULL", name)
    size = (server.execute(f"SELECT pg_database_size('{name}')")[0][0] - empty) / DEVICES
    note = (
        f"{DEVICES:,} devices say hello at once and have a session; of the worker's own processor time, "
        f"PostgreSQL's not included; {DEVICES / seconds:,.0f} in a second of time"
    )
    return [
        Row("hello_storm", DEVICES / cores, "1/s and core", None, None, 1, note),
        Row(
            "heartbeats_postgresql",
            1 / cost[1],
            "1/s and core of PostgreSQL",
            None,
            None,
            ROUNDS - 1,
            f"{DEVICES:,} devices beat once; us for each: worker {1e6 * cost[0]:.0f}, PostgreSQL "
            f"{1e6 * cost[1]:.0f}; bytes of its log: {cost[2]:.0f}",
        ),
        Row(
            "postgresql_bytes_per_device",
            size,
            "bytes",
            None,
            None,
            1,
            "registered, with key, login, session, manifest and state; without telemetry and commands",
        ),
    ]


def _heartbeats(
    exchange: Exchange, fleet: Collection[SimDevice], now: int, told: list[str], server: Postgres
) -> tuple[float, float, float]:
    """Of one: seconds of processor time of this process and of PostgreSQL, bytes of the latter's log."""
    up = []
    for sim in fleet:
        sim.tick(now)
        while (message := sim.take(now)) is not None:
            up.append(message)
    wanted = told.count("heartbeat") + len(fleet)
    before = _spent(server)
    for message in up:
        exchange.receive(*message)
    _until(lambda: told.count("heartbeat") >= wanted)
    worker, database, log = (
        (after - began) / len(fleet) for began, after in zip(before, _spent(server), strict=True)
    )
    return worker, database, log


def _spent(server: Postgres) -> tuple[float, float, float]:
    log = server.execute("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8")[0][0]
    return time.process_time(), database_cpu(server.folder), log


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise OSError(f"not done within {PATIENCE} s")
        time.sleep(0.01)


def _logins() -> list[Row]:
    program = find_program("mosquitto")
    if program is None:
        raise Missing("Mosquitto is not installed: make packages")
    return [_login(program, known) for known in KNOWN]


def _login(program: str, known: int) -> Row:
    """How long Mosquitto needs to be told of one device when it knows `known`."""
    with tempfile.TemporaryDirectory(prefix="hxtp-scale-") as name:
        folder, port = Path(name), free_port()
        try:
            setup = set_up(
                folder / "mosquitto", "127.0.0.1", port, account="root" if os.geteuid() == 0 else None
            )
        except SetupError as error:
            raise Missing(str(error)) from None
        listed = folder / "mosquitto" / "dynamic-security.json"
        content = json.loads(listed.read_text())
        cloud = content["clients"][0]
        for number in range(known):
            device_id = f"{number:032x}"
            content["roles"].append({"rolename": role_of(device_id), "acls": acls("a-tenant", device_id)})
            one = {"username": device_id, "clientid": f"hxtp-{device_id}"}
            one["roles"] = [{"rolename": role_of(device_id)}]
            content["clients"].append({**one, **{k: cloud[k] for k in ("password", "salt", "iterations")}})
        listed.write_text(json.dumps(content))
        process = mosquitto_process(program, setup.config, port, folder / "log")
        try:
            given = setup.settings.read_text().split('broker_password = "')[1].split('"')[0]
            address = BrokerAddress.of(f"mqtts://hxtp-cloud@127.0.0.1:{port}", given, setup.ca)
            dynsec = DynSec(address).start()
            times = []
            for number in range(ADMISSIONS):
                began = time.monotonic()
                admit(dynsec, "a-tenant", f"{known + number:032x}", "a password")
                times.append(time.monotonic() - began)
            dynsec.stop()
        finally:
            process.stop()
    note = "one client and one role; the plugin writes its whole list anew for each"
    return Row(
        f"mosquitto_login_{known // 1000}k_ms",
        1000 * statistics.median(times),
        "ms",
        None,
        None,
        ADMISSIONS,
        note,
    )
