"""Turns whose transaction fails: no command is stored twice or runs after it was refused, and nobody else's
fault stops a tenant."""

import contextlib
import math
import threading
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, TimeoutError

from host_sim.cloud.catalogue import devices, tenants
from host_sim.cloud.errors import ApiError
from host_sim.cloud.exchange import attempts
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.gate import acceptance
from host_sim.cloud.gate.recheck import refusal
from host_sim.cloud.links.orders import Unavailable
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.database import POOL
from host_sim.cloud.storage.tables import agenda, commands, device_keys
from tests.cloud.waiting import WAIT, until

NOW = 1767225600000
VAULT = Vault([b"\xab" * 32])


@pytest.fixture
def exchange(database):
    """Not started, so that a test says what is there when its first turn begins."""
    made = Exchange(database, VAULT, refusal, lambda name, payload: None, lambda: True)
    yield made
    made.stop()


@pytest.fixture
def homes(database):
    """homes() gives a new tenant and its device."""

    def home():
        with database.writing() as connection:
            tenant = tenants.add_tenant(connection, "Home", NOW)[0]
        return tenant, _device(database, tenant)

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


def _device(database, tenant):
    with database.writing(tenant) as connection:
        return devices.register(connection, VAULT, tenant, "x", NOW).device_id


def order(exchange, home, **more):
    return exchange.order(*home, "light_on", {}, **{"life": 60000, "actor": "test", **more})


def failed():
    return OperationalError("COMMIT", None, Exception("the connection was lost"))


@pytest.fixture
def failing(database, exchange, monkeypatch):
    """failing("begin", "commit", "") lets the exchange's first transaction fail when it begins, the second
    once it is committed, and the third and all others be."""

    def script(*steps):
        left, real = list(steps), database.turning
        monkeypatch.setattr(exchange, "_next_look", math.inf)  # so that there are no others

        @contextlib.contextmanager
        def turning():
            step = left.pop(0) if left else ""
            if step == "begin":
                raise failed()
            if step == "busy":
                raise TimeoutError("QueuePool limit reached")
            with real() as connection:
                yield connection
            if step == "commit":
                raise failed()

        monkeypatch.setattr(database, "turning", turning)
        return left

    return script


@pytest.mark.parametrize("chosen", [None, "chosen"])
def test_a_command_is_stored_once_though_the_answer_to_its_commit_is_lost(
    exchange, homes, ids, failing, chosen
):
    left = failing("commit", "commit")
    home = homes()
    chosen = chosen and str(uuid.uuid4())
    ordered = order(exchange, home, message_id=chosen)
    exchange.start()
    message_id = ordered.within(WAIT)
    assert left == []
    assert ids(home[0]) == [message_id] and chosen in (None, message_id)


def test_a_command_that_was_given_up_is_not_stored_later(exchange, homes, ids):
    home = homes()
    late = order(exchange, home)
    with pytest.raises(ApiError) as refused:
        acceptance.result(late, 0)
    assert refused.value.status == 503 and refused.value.hint == "try again"
    assert "command_id" not in refused.value.more
    again = order(exchange, home)
    exchange.start()
    assert again.within(WAIT) != late.message_id
    assert ids(home[0]) == [again.message_id]


def test_a_command_that_can_be_given_up_no_longer_is_named(exchange, homes, ids, monkeypatch):
    home, begun, go_on = homes(), threading.Event(), threading.Event()
    real = exchange._turn._tenant

    def slow(*given):
        real(*given)
        begun.set()
        assert go_on.wait(WAIT)

    monkeypatch.setattr(exchange._turn, "_tenant", slow)
    ordered = order(exchange, home)
    exchange.start()
    assert begun.wait(WAIT)
    with pytest.raises(ApiError) as refused:
        acceptance.result(ordered, 0)
    assert refused.value.more["command_id"] == ordered.message_id
    assert f"GET /commands/{ordered.message_id}" in refused.value.hint
    go_on.set()
    until(lambda: ids(home[0]) == [ordered.message_id], "it to be stored")


@pytest.mark.parametrize("steps", [("begin", "begin"), ("commit", "begin")], ids=["no", "perhaps"])
def test_a_command_is_named_where_it_may_be_stored_though_the_database_failed(
    exchange, homes, ids, failing, monkeypatch, steps
):
    monkeypatch.setattr(attempts, "TRIES", 2)
    home = homes()
    failing(*steps)
    ordered = order(exchange, home)
    exchange.start()
    with pytest.raises(Unavailable) as told:
        ordered.within(WAIT)
    stored = ids(home[0])
    assert stored == ([ordered.message_id] if "commit" in steps else [])
    assert told.value.command_id == (stored[0] if stored else None)


@pytest.mark.parametrize(
    "sealed", [b"\0" * 60, VAULT.seal(b"", "another")[:15], b""], ids=["key", "cut", "none"]
)
def test_a_secret_that_cannot_be_opened_concerns_its_device_alone(
    database, exchange, homes, ids, caplog, sealed
):
    good, bad = homes(), homes()
    same = good[0], _device(database, good[0])
    for tenant, device_id in (bad, same):
        with database.writing(tenant) as connection:
            of = device_keys.c.tenant_id == tenant, device_keys.c.device_id == device_id
            connection.execute(device_keys.update().where(*of).values(secret_sealed=sealed))
    told = []
    exchange.listen(told.append)
    refused = [order(exchange, home) for home in (bad, same, bad)]
    exchange.receive(f"hxtp/{bad[0]}/device/{bad[1]}/state", b"{}")
    accepted = order(exchange, good)
    exchange.start()
    assert [accepted.within(WAIT)] == ids(good[0]) and ids(bad[0]) == []
    for one in refused:
        with pytest.raises(ApiError, match="secret cannot be opened") as failure:
            acceptance.result(one, WAIT)
        assert failure.value.status == 503 and "master key" in failure.value.hint
    until(lambda: told, "the message to be counted")
    assert [(one.kind, one.device_id, one.code) for one in told] == [("refused", bad[1], "INTERNAL_ERROR")]
    assert len(caplog.records) == 1
    with database.reading() as connection:
        due = connection.execute(sa.select(agenda.c.due_at).where(agenda.c.device_id == bad[1])).scalar()
    assert due > exchange.now()  # not at once, and some time


@pytest.mark.parametrize("fault", [failed(), KeyError("a fault of ours")], ids=["the database", "ours"])
def test_a_turn_that_fails_for_one_tenant_is_done_for_the_others(
    exchange, homes, ids, monkeypatch, caplog, fault
):
    monkeypatch.setattr(attempts, "TRIES", 2)
    good, bad = homes(), homes()
    real, broken, together = exchange._turn._tenant, [bad[0]], []

    def tenant(connection, tenant_id, *given):
        if tenant_id in broken:
            raise fault
        real(connection, tenant_id, *given)

    def run(connection, work, *given):
        together.append({item.tenant_id for item in work})
        return type(exchange._turn).run(exchange._turn, connection, work, *given)

    monkeypatch.setattr(exchange._turn, "_tenant", tenant)
    monkeypatch.setattr(exchange._turn, "run", run)
    refused, accepted = order(exchange, bad), order(exchange, good)
    exchange.start()
    assert [accepted.within(WAIT)] == ids(good[0])
    with pytest.raises(Unavailable, match="could not be stored"):
        refused.within(WAIT)
    assert ids(bad[0]) == []
    logged = len(caplog.records)
    for _ in range(3):  # nobody waits for it again
        order(exchange, bad)
        order(exchange, good).within(WAIT)
    tried = together.count({good[0], bad[0]})
    assert tried == (1 if isinstance(fault, KeyError) else 2)
    assert len(caplog.records) == logged
    broken.clear()
    assert order(exchange, bad).within(WAIT) in ids(bad[0])


def test_those_who_hold_all_connections_do_not_hold_up_a_turn(database, exchange, homes, ids, monkeypatch):
    home = homes()
    with contextlib.ExitStack() as stack:
        for _ in range(POOL):
            stack.enter_context(database.reading())
        accepted = order(exchange, home)
        exchange.start()
        message_id = accepted.within(WAIT)
    assert ids(home[0]) == [message_id]


def test_a_turn_without_a_connection_is_tried_again(exchange, homes, ids, failing):
    home = homes()
    left = failing("busy", "busy")
    accepted = order(exchange, home)
    exchange.start()
    assert [accepted.within(WAIT)] == ids(home[0]) and left == []
