"""Limits that workers share in Redis, and what becomes of them when it is gone."""

import pytest

from host_sim.cloud.gate.failures import Failures
from host_sim.cloud.gate.limits import HOUR, DatabaseCounter, Limits, RedisCounter
from host_sim.cloud.settings import Settings
from host_sim.cloud.shared_redis import greet
from host_sim.cloud.storage.database import Database
from host_sim.pki import make_pki
from host_sim.servers import Redis
from tests.cloud.waiting import hold_still


@pytest.fixture
def still(monkeypatch):
    return hold_still(monkeypatch)


def _used(limits: list[Limits], name: str, most: int) -> list[bool]:
    return [one.take(name, most).allowed for one in limits]


def test_two_workers_count_together(redis_server, still):
    workers = [Limits(RedisCounter(redis_server.url)) for _ in range(2)]
    assert _used(workers * 3, "tenant-1", 4) == [True] * 4 + [False] * 2
    assert _used(workers, "tenant-2", 4) == [True] * 2, "each name counts for itself"
    still(60)
    assert _used(workers * 3, "tenant-1", 4) == [True] * 4 + [False] * 2, "and each minute"


def test_failed_authentications_of_an_address_are_counted_by_all_workers_together(redis_server, still):
    workers = [
        Failures(Limits(RedisCounter(redis_server.url)), Settings(failed_auth_per_minute=5)) for _ in "ab"
    ]
    answers = [worker.count("192.0.2.1") for worker in workers * 3]
    assert [one and one.status for one in answers] == [None] * 5 + [429]
    assert all(worker.over("192.0.2.1") and not worker.over("192.0.2.2") for worker in workers)
    still(60)
    assert not any(worker.over("192.0.2.1") or worker.count("192.0.2.1") for worker in workers)


def test_what_is_over_does_not_stay_in_redis(redis_server):
    import redis

    counter = RedisCounter(redis_server.url)
    assert [counter.add("short", 5, HOUR) for _ in range(3)] == [1, 2, 3]
    with redis.Redis.from_url(redis_server.url) as client:
        lives = client.ttl("hxtp:count:short:5")
    assert 0 < lives <= 2 * HOUR


def test_over_tls_it_is_redis_with_the_right_certificate_or_nobody(tmp_path, caplog):
    mine, other = make_pki(tmp_path / "mine"), make_pki(tmp_path / "other")
    with Redis(tmp_path, tls=(mine.certificate, mine.key)) as running:
        counter = RedisCounter(running.url, str(mine.ca))
        assert [counter.add("tls", 5, HOUR) for _ in range(2)] == [1, 2]
        assert greet(running.url, str(mine.ca)) and not caplog.records
        assert not greet(running.url, str(other.ca))
    assert "certificate verify failed" in caplog.text and "counts limits by itself" in caplog.text


def test_two_workers_count_together_in_postgresql(postgres_settings, still):
    url = postgres_settings()["database"]
    databases = [Database(url) for _ in range(2)]
    workers = [Limits(DatabaseCounter(database)) for database in databases]
    assert _used(workers * 3, "tenant-1", 4) == [True] * 4 + [False] * 2
    still(60)
    assert _used(workers * 3, "tenant-1", 4) == [True] * 4 + [False] * 2
    for database in databases:
        database.close()


def test_without_redis_a_worker_counts_alone_and_lets_nobody_pass_for_free(redis_server, still):
    """Last here: the server is gone afterwards."""
    workers = [Limits(RedisCounter(redis_server.url)) for _ in range(2)]
    assert _used(workers, "tenant-3", 3) == [True, True]
    redis_server.kill()
    assert _used(workers[:1] * 4, "tenant-3", 3) == [True] * 3 + [False]
    assert _used(workers[1:] * 4, "tenant-3", 3) == [True] * 3 + [False]
