"""A cloud whose Redis or database is gone, or whose disk is full: what it says, and what goes on."""

import contextlib

import pytest
import sqlalchemy as sa

from host_sim.cloud.catalogue import devices, tenants
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.gate.recheck import refusal
from host_sim.cloud.health import Health
from host_sim.cloud.links.orders import Unavailable
from host_sim.cloud.provisioning import token_for
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.server import Cloud
from host_sim.cloud.settings import Settings, load
from host_sim.cloud.storage.database import Database, DatabaseError
from host_sim.cloud.storage.migrate import migrate
from host_sim.servers import free_port
from tests.cloud.waiting import WAIT, until

GIVEN = {"port": 0, "broker_port": 0, "plain_http": True, "log_level": "error"}


def test_without_redis_a_cloud_says_so_once_and_stays_ready(tmp_path, client_of, caplog):
    """All workers lose it together: a balancer that takes them out would leave nobody."""
    redis = f"redis://:not-to-be-told@127.0.0.1:{free_port()}"
    with Cloud(load({"data": str(tmp_path), **GIVEN}, environment={"HXTP_CLOUD_REDIS": redis})) as running:
        told = [one.getMessage() for one in caplog.records if "does not answer" in one.getMessage()]
        client = client_of(running)
        assert client.get("/health/ready").json() == {"status": "ready"}
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["checks"]["redis"]) == (503, False)
    assert len(told) == 1 and "counts limits by itself" in told[0] and "refused" in told[0]
    assert "not-to-be-told" not in caplog.text


def test_a_database_that_is_away_is_answered_503_and_its_reason_logged_now_and_then(
    postgres, postgres_settings, tmp_path, client_of, caplog, monkeypatch
):
    monkeypatch.setattr("host_sim.cloud.seldom.EVERY_S", 600)
    database = postgres_settings()
    name = sa.make_url(database["database"]).database
    settings = load({"data": str(tmp_path), **GIVEN, **database}, environment={})
    with Cloud(settings) as running:
        client = client_of(running)
        client.headers["Authorization"] = f"Bearer {token_for(settings, 'me@home.example', 'home')}"
        assert client.get("/devices").status_code == 200
        caplog.clear()
        postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            postgres.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )
            answers = [client.get("/devices") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [503] * 3
            assert answers[0].headers["Retry-After"] and answers[0].json()["error"] == "GATEWAY_ERROR"
            assert client.get("/health/ready").status_code == 503
            until(lambda: "a turn failed" in caplog.text, "a turn")
        finally:
            postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        until(lambda: client.get("/devices").status_code == 200, "it to be back")
    lines = [one for one in caplog.records if "not currently accepting connections" in one.getMessage()]
    for what in ("a turn failed", "the database failed", "database does not work"):
        assert sum(what in one.getMessage() for one in lines) == 1, what
    assert not [one for one in caplog.records if one.exc_info]


def test_a_full_disk_is_told_and_health_knows_of_it(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("host_sim.cloud.seldom.EVERY_S", 600)
    vault, clock = Vault([b"\xab" * 32]), 1767225600000
    database = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
    migrate(database)
    with database.writing() as connection:
        tenant = tenants.add_tenant(connection, "Home", clock)[0]
    with database.writing(tenant) as connection:
        lamp = devices.register(connection, vault, tenant, "x", clock).device_id
    exchange = Exchange(database, vault, refusal, lambda *unused: None, lambda: True)
    health = Health(Settings(), database, exchange, _Broker(), lambda: None)

    def pages(most):
        with database.turning() as connection:  # of the connection that the exchange uses
            connection.exec_driver_sql(f"PRAGMA max_page_count = {most}")

    def order():
        params = {"of so many bytes": "x" * 3000}
        return exchange.order(tenant, lamp, "light_on", params, life=60000, actor="test").within(WAIT)

    pages(1)  # that is: as many as there are
    exchange.start()
    try:
        with pytest.raises(Unavailable) as refused:
            for _ in range(8):
                order()
        assert "could not be stored" in str(refused.value) or refused.value.command_id
        assert health._measure().checks["database"] is False
        pages(1 << 30)
        order()
        assert health._measure().checks["database"] is True
    finally:
        exchange.stop()
        database.close()
    assert "a turn failed (database or disk is full), attempt 1" in caplog.text
    assert caplog.text.count("a turn failed") == 1


class _Broker:
    def round_trip(self, timeout):
        """It answers at once."""


def test_what_cannot_be_written_is_found_out_before_anybody_relies_on_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    database = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
    migrate(database)
    for _ in range(2):
        database.check_writing()
    other = Database(f"sqlite:///file:{tmp_path / 'cloud.db'}?mode=ro&uri=true")
    with contextlib.closing(other), pytest.raises(DatabaseError, match="readonly"):
        other.check_writing()
    database.close()
    assert not (tmp_path / "file:").exists()
