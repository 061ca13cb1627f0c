"""A cloud of one process, killed at random moments under load: what it accepted is there, and ran once."""

import contextlib
import os
import random
import time
from collections import Counter

import httpx
import pytest
import sqlalchemy as sa

from host_sim.cloud.provisioning import token_for
from host_sim.cloud.settings import load
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.tables import broker_logins, commands
from host_sim.device import SimDevice
from host_sim.device_mqtt import MqttDevice
from host_sim.servers import free_port
from tests.cloud.waiting import WAIT, until
from tests.cloud.worker import Crowd, Worker

KILLS = 4
DEVICES = 3


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> dict:
    return {"data": tmp_path_factory.mktemp("cloud"), "broker_port": free_port(), "tier": "unlimited"}


@pytest.fixture(scope="module")
def worker(settings, tmp_path_factory):
    one = Worker(tmp_path_factory.mktemp("worker"), settings)
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def database(settings):
    one = Database(f"sqlite:///{settings['data'] / 'cloud.db'}")
    yield one
    one.close()


def test_a_cloud_killed_at_random_moments_loses_nothing_and_repeats_nothing(worker, settings, database):
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    given = {name: str(value) for name, value in settings.items()}
    token = token_for(load(given, environment={}), "owner@home.example", "home")
    headers = {"Authorization": f"Bearer {token}"}
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=worker.url, headers=headers, timeout=WAIT))
        devices = []
        for _ in range(DEVICES):
            made = client.post("/device/register", json={"device_type": "sim"}).json()
            secret = bytes.fromhex(made["device_secret"])
            sim = SimDevice(made["device_id"], made["tenant_id"], secret, os.urandom)
            with database.reading() as connection:
                logins = sa.select(broker_logins.c.expires_s)
                expiry = connection.execute(
                    logins.where(broker_logins.c.device_id == made["device_id"])
                ).scalar_one()
            ca = settings["data"] / "pki" / "ca.pem"
            devices.append(stack.enter_context(MqttDevice(sim, settings["broker_port"], expiry, ca)))
        names = [device.device.device_id for device in devices]
        for name in names:
            until(
                lambda name=name: client.get(f"/devices/{name}/manifest").status_code == 200, "its manifest"
            )

        with Crowd([worker.url], token, names, seed) as crowd:
            for _ in range(KILLS):
                known = len(crowd.accepted)
                until(lambda known=known: len(crowd.accepted) > known + 10, "some load")
                time.sleep(chance.uniform(0, 0.5))  # not for luck: the moment is what is tried
                worker.kill()
                worker.start()
            known = len(crowd.accepted)
            until(lambda: len(crowd.accepted) > known + 10, "load after the last start")

        def stored():
            with database.reading() as connection:
                rows = connection.execute(sa.select(commands)).all()
            return {row.id: row for row in rows} if all(row.settled_at is not None for row in rows) else None

        found = until(stored, "every command to end", every=0.2)
        runs = [run.message_id for device in devices for run in device.device.runs]
    assert crowd.refused == [] and crowd.unanswered > 0
    ids = set(crowd.accepted.values())
    assert len(ids) == len(crowd.accepted), "two keys never are one command"
    assert ids <= set(found), "nothing that was accepted is lost"
    assert {found[one].state for one in ids} == {"acknowledged"}, "the devices never lost their memory"
    assert max(Counter(runs).values()) == 1, "none ran twice"
    assert ids <= set(runs) <= set(found), "what ran is known"
    for device in devices:
        toggles = sum(run.action == "relay_toggle" for run in device.device.runs)
        assert device.device.parts[1].on == bool(toggles % 2)
