"""Who may connect, while the database or a secret cannot be read, or the database does not answer at all."""

import contextlib
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from host_sim.broker.authority import HxtpAuthority, Unable
from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.cloud.broker import porter
from host_sim.cloud.broker.doorman import Doorman
from host_sim.cloud.broker.porter import MOST, Porter
from host_sim.cloud.catalogue import devices
from host_sim.cloud.security.vault import Vault
from hxtp.sign import mqtt_password
from tests.cloud.raw_device import NOW, VAULT
from tests.cloud.waiting import WAIT, until

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


@pytest.mark.parametrize("asks", [lambda doorman: doorman, Porter], ids=["waiting", "by the porter"])
def test_while_the_database_is_away_a_device_hears_to_come_again(database, made, caplog, asks):
    doorman = Doorman(database, VAULT)
    at = network(asks(doorman))
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


class Hanging:
    """A database that takes questions and answers none before `answers` is set."""

    def __init__(self, database):
        self.asked = 0
        self.answers = threading.Event()
        self._database = database

    @contextlib.contextmanager
    def reading(self, tenant_id=None):
        self.asked += 1
        assert self.answers.wait(WAIT)
        with self._database.reading(tenant_id) as connection:
            yield connection


@pytest.fixture
def hanging(database):
    found = Hanging(database)
    yield found
    found.answers.set()  # or threads would wait on


def test_while_the_database_hangs_the_broker_serves_those_who_are_there_and_tells_others_to_come_again(
    database, tenant, made, hanging, caplog, monkeypatch
):
    doorman = Doorman(database, VAULT)
    asking = Porter(doorman)
    at = network(asking)
    here = client(at, made)
    assert here.connect() == 0
    with database.writing(tenant) as connection:
        others = [devices.register(connection, VAULT, tenant, "x", NOW) for _ in range(3)]
    doorman._database = hanging
    monkeypatch.setattr(porter, "PATIENCE_S", 0.02)
    # One waits for the database, a little; those behind it for nothing.
    assert [client(at, other).connect() for other in (others[0], others[1], others[0], made)] == [3] * 4
    until(lambda: hanging.asked, "the one question to be put")
    assert hanging.asked == 1
    assert caplog.text.count("told to come again") == 1
    service = []
    at.broker.on_messages = lambda topic, payloads, client_id: service.extend(topic for _ in payloads)
    here.publish(f"hxtp/{tenant}/device/{made.device_id}/state", b"{}", qos=1)
    at.settle()
    assert service == [f"hxtp/{tenant}/device/{made.device_id}/state"]
    hanging.answers.set()
    for other in others:
        until(lambda other=other: client(at, other).connect() == 0, "the database's answer")
    asking.stop()


def test_no_more_than_a_few_questions_wait_for_a_database_that_hangs(database, made, hanging, monkeypatch):
    monkeypatch.setattr(porter, "AGAIN_S", 0.0)
    monkeypatch.setattr(porter, "PATIENCE_S", 0.02)
    asking = Porter(Doorman(hanging, VAULT))
    for _ in range(2 * MOST):
        with pytest.raises(Unable):
            asking.check_password(made.device_id, "ab" * 32, NOW // 1000)
        with pytest.raises(Unable):
            asking.get(made.device_id)
    until(lambda: hanging.asked >= MOST, "the last question to be put")
    assert hanging.asked == MOST
    hanging.answers.set()

    def knows():
        with contextlib.suppress(Unable):
            return asking.get(made.device_id)

    until(knows, "the database's answer")
    monkeypatch.setattr(porter, "PATIENCE_S", WAIT)
    assert made.device_id in asking and "nobody" not in asking
    assert dict(asking) == {made.device_id: made.tenant_id}
    asking.stop()
