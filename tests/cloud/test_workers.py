"""Three workers on PostgreSQL, Redis and Mosquitto: any of them serves any device, and one may die."""

import contextlib
import itertools
import json
import os
import random
import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from host_sim.cloud.exchange.uplink import BrokerAddress, client_for
from host_sim.cloud.provisioning import token_for
from host_sim.cloud.settings import load
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.tables import broker_logins, commands
from host_sim.device import SimDevice
from host_sim.device_mqtt import MqttDevice
from tests.cloud.waiting import WAIT, until
from tests.cloud.worker import Crowd, Worker, ended

WORKERS = 3
DEVICES = 4


@pytest.fixture(scope="module")
def shared(postgres_settings, redis_server, mosquitto, tmp_path_factory) -> dict:
    """The same settings for all of them."""
    data = tmp_path_factory.mktemp("cloud")
    mine = {
        name: str(value).lower() if value is True else value for name, value in mosquitto.settings.items()
    }
    return {**postgres_settings(), **mine, "redis": redis_server.url, "data": data, "tier": "unlimited"}


@pytest.fixture(scope="module")
def workers(shared, tmp_path_factory):
    """Started together, on a folder where nothing is yet."""
    folder = tmp_path_factory.mktemp("workers")
    with contextlib.ExitStack() as stack:
        all_of_them = [Worker(folder, shared) for _ in range(WORKERS)]
        for worker in all_of_them:
            stack.callback(worker.stop)
            worker.launch()
        for worker in all_of_them:
            worker.ready()
        yield all_of_them


@pytest.fixture(scope="module")
def token(workers, shared) -> str:
    given = {name: str(value) for name, value in shared.items()}
    return token_for(load(given, environment={}), "owner@home.example", "home")


@pytest.fixture(scope="module")
def database(shared):
    one = Database(shared["database"])
    yield one
    one.close()


@pytest.fixture(scope="module")
def clients(workers, token):
    with contextlib.ExitStack() as stack:
        headers = {"Authorization": f"Bearer {token}"}
        yield [
            stack.enter_context(httpx.Client(base_url=worker.url, headers=headers, timeout=WAIT))
            for worker in workers
        ]


@pytest.fixture(scope="module")
def devices(clients, database, mosquitto):
    """Registered at one worker or another, and connected."""
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(DEVICES):
            made = clients[number % WORKERS].post("/device/register", json={"device_type": "sim"}).json()

            def expiry(name=made["device_id"]):
                with database.reading() as connection:
                    row = connection.execute(
                        sa.select(broker_logins).where(broker_logins.c.device_id == name)
                    ).one()
                return row.expires_s if row.written == row.wanted else None

            secret = bytes.fromhex(made["device_secret"])
            sim = SimDevice(made["device_id"], made["tenant_id"], secret, os.urandom)
            password_expiry = until(expiry, "the broker to know it")
            mqtt = MqttDevice(sim, mosquitto.port, password_expiry, mosquitto.setup.ca)
            found.append(stack.enter_context(mqtt))
        for device in found:
            name = device.device.device_id
            until(lambda name=name: clients[0].get(f"/devices/{name}").json()["session"], "its hello")
            until(
                lambda name=name: clients[0].get(f"/devices/{name}/manifest").status_code == 200,
                "its manifest",
            )
        yield found


@pytest.fixture(scope="module")
def published(mosquitto):
    """How often each command went over the broker, by message id."""
    seen = Counter()

    def receive(name: str, payload: bytes) -> None:
        body = json.loads(payload[payload.index(b"{") :])
        if name.endswith("/cmd") and body["message_type"] == "command":
            seen[body["message_id"]] += 1

    given = mosquitto.settings
    spy = client_for(
        BrokerAddress.of(given["broker"], given["broker_password"], Path(given["broker_ca"])), "spy"
    )
    spy.on_message = lambda client, data, message: receive(message.topic, message.payload)
    subscribed = threading.Event()
    spy.on_connect = lambda client, *unused: client.subscribe("hxtp/+/device/+/cmd", 1)
    spy.on_subscribe = lambda *unused: subscribed.set()
    spy.connect("127.0.0.1", mosquitto.port)
    spy.loop_start()
    assert subscribed.wait(WAIT)
    yield seen
    spy.disconnect()
    spy.loop_stop()


def _accepted(answer: httpx.Response) -> str:
    assert answer.status_code == 202, answer.text
    return answer.json()["command_id"]


def test_what_one_worker_accepted_is_sent_whoever_hears_the_device_come(clients, devices):
    device = devices[0]
    for number, client in enumerate(clients):
        device.call(device.device.power_off)
        name = device.device.device_id
        order = {"action": "light_brightness", "params": {"brightness": number}, "ttl_s": 60}
        command_id = _accepted(client.post(f"/device/{name}/command", json=order))
        device.reboot()
        found = until(ended(clients[number - 1], command_id), "the command to end")
        # Published to the boot before, unless the cloud knew by then that it was gone.
        assert (found["status"], found["error"]) in [
            ("acknowledged", None),
            ("failed", "OUTCOME_UNKNOWN"),
        ]
        fresh = _accepted(client.post(f"/device/{name}/command", json=order))
        assert until(ended(clients[number - 1], fresh), "the command to end")["status"] == "acknowledged"


def test_limits_are_shared_by_all_workers(workers, shared):
    given = {name: str(value) for name, value in shared.items()}
    limited = token_for(load(given, environment={}), "owner@limited.example", "limited", tier="free")
    left = []
    for number in range(7):
        answer = httpx.get(
            f"{workers[number % WORKERS].url}/devices", headers={"Authorization": f"Bearer {limited}"}
        )
        left.append((int(answer.headers["RateLimit-Remaining"]), int(answer.headers["RateLimit-Reset"])))
    # A window may end in the middle: then it begins anew, once, for all of them.
    falls = sum(after[0] == before[0] - 1 for before, after in itertools.pairwise(left))
    assert falls >= len(left) - 2, left


def test_a_worker_killed_under_load_loses_nothing_and_repeats_nothing(
    workers, clients, devices, database, token, published
):
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    names = [device.device.device_id for device in devices]
    before = {name: len(device.device.runs) for name, device in zip(names, devices, strict=True)}
    victim = random.Random(seed).randrange(WORKERS)
    with Crowd([worker.url for worker in workers], token, names, seed) as crowd:
        until(lambda: crowd.refused or len(crowd.accepted) > 60, "some load")
        workers[victim].kill()
        until(lambda: crowd.refused or crowd.unanswered, "somebody to miss it")
        killed_at = len(crowd.accepted)
        until(lambda: crowd.refused or len(crowd.accepted) > killed_at + 60, "the others to go on")
    assert crowd.refused == []
    tenant_id = devices[0].device.tenant_id

    def stored():
        """All commands, once every one of them has ended."""
        with database.reading(tenant_id) as connection:
            rows = connection.execute(sa.select(commands)).all()
        return {row.id: row for row in rows} if all(row.settled_at is not None for row in rows) else None

    found = until(stored, "every command to end", every=0.2)
    ids = set(crowd.accepted.values())
    assert len(ids) == len(crowd.accepted), "two keys never are one command"
    assert ids <= set(found), "nothing that was accepted is lost"
    assert {found[one].state for one in ids} == {"acknowledged"}
    runs = [
        run.message_id for device in devices for run in device.device.runs[before[device.device.device_id] :]
    ]
    assert max(Counter(runs).values()) == 1, "none ran twice"
    # What nobody was told of may have been stored; then it ran like the others.
    assert ids <= set(runs) <= set(found)
    # A command that a worker committed and did not live to publish has one attempt more.
    for one in runs:
        assert 1 <= published[one] <= found[one].attempts, "no two workers publish the same attempt"
    survivor = clients[victim - 1].get("/devices").json()
    assert survivor["count"] == DEVICES
