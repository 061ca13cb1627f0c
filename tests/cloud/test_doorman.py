"""Who may connect, while the database or a secret cannot be read."""

import contextlib
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from host_sim.broker.authority import HxtpAuthority, Unable
from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.cloud.catalogue import devices
from host_sim.cloud.exchange.doorman import Doorman
from host_sim.cloud.security.vault import Vault
from hxtp.sign import mqtt_password
from tests.cloud.raw_device import NOW, VAULT

EXPIRY = NOW // 1000 + 3600


@contextlib.contextmanager
def _failing(*unused):
    raise OperationalError("SELECT", None, Exception("the server closed the connection"))
    yield


@pytest.fixture
def made(database, tenant):
    with database.writing(tenant) as connection:
        return devices.register(connection, VAULT, tenant, "x", NOW)


def network(doorman):
    return MemoryNetwork(Broker(HxtpAuthority(doorman, doorman.check_password)), start=NOW)


def client(network, made):
    password = mqtt_password(made.secret, made.device_id, EXPIRY).encode()
    return MemoryClient(network, f"hxtp-{made.device_id}", username=made.device_id, password=password)


def test_while_the_database_is_away_a_device_hears_to_come_again(database, made, caplog):
    doorman = Doorman(database, VAULT)
    at = network(doorman)
    doorman._database = SimpleNamespace(reading=_failing)
    assert client(at, made).connect() == 3
    with pytest.raises(Unable):
        doorman.check_password(made.device_id, "ab" * 32, NOW // 1000)
    assert caplog.text.count("cannot be let in") == 1
    doorman._database = database
    here = client(at, made)
    assert here.connect() == 0


def test_a_secret_that_cannot_be_opened_opens_no_connection(database, made):
    assert client(network(Doorman(database, Vault([b"\xcd" * 32]))), made).connect() == 5
