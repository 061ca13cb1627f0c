"""Turns whose transaction fails: no command is stored twice or runs after it was refused, and nobody else's
fault stops a tenant."""

import contextlib

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from host_sim.cloud.catalogue import devices, tenants
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.tables import commands
from tests.cloud.waiting import WAIT

NOW = 1767225600000
VAULT = Vault([b"\xab" * 32])


@pytest.fixture
def exchange(database):
    """Not started, so that a test says what is there when its first turn begins."""
    made = Exchange(database, VAULT, lambda name, payload: None, lambda: True)
    yield made
    made.stop()


@pytest.fixture
def homes(database):
    """homes() gives a new tenant and its device."""

    def home():
        with database.writing() as connection:
            tenant = tenants.add_tenant(connection, "Home", NOW)[0]
        with database.writing(tenant) as connection:
            return tenant, devices.register(connection, VAULT, tenant, "x", NOW).device_id

    return home


@pytest.fixture
def ids(database):
    """ids(tenant) gives those of the commands that are stored."""

    def stored(tenant):
        with database.reading(tenant) as connection:
            return list(
                connection.execute(sa.select(commands.c.id).where(commands.c.tenant_id == tenant)).scalars()
            )

    return stored


def order(exchange, home, **more):
    return exchange.order(*home, "light_on", {}, **{"life": 60000, "actor": "test", **more})


def failed():
    return OperationalError("COMMIT", None, Exception("the connection was lost"))


@pytest.mark.parametrize("chosen", [None, "00000000-0000-4000-8000-000000000001"], ids=["without", "with"])
def test_a_command_is_stored_once_though_the_answer_to_its_commit_is_lost(
    database, exchange, homes, ids, monkeypatch, chosen
):
    commits, real = [], database.writing

    @contextlib.contextmanager
    def losing(*given, **more):
        with real(*given, **more) as connection:
            yield connection
        if ids(home[0]):
            commits.append(1)
            if len(commits) == 1:
                raise failed()

    home = homes()
    monkeypatch.setattr(database, "writing", losing)
    future = order(exchange, home, message_id=chosen)
    exchange.start()
    message_id = future.result(WAIT)
    assert len(commits) > 1
    assert ids(home[0]) == [message_id] and chosen in (None, message_id)
