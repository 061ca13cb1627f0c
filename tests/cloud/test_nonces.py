"""Nonces: each counts once while it is remembered, for whoever has none of the others' numbers."""

import pytest
import sqlalchemy as sa

from host_sim.cloud.catalogue import nonces
from host_sim.cloud.storage import tables
from host_sim.cloud.storage.database import Database


@pytest.fixture
def take(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'nonces.db'}")
    tables.metadata.create_all(database.engine, [tables.nonces])

    def one(scope, nonce, now, **life):
        with database.writing() as connection:
            return nonces.take(connection, scope, nonce, now, **life)

    def count():
        with database.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(tables.nonces)).scalar()

    one.count = count
    yield one
    database.close()


def test_a_nonce_counts_once_in_ten_minutes_and_for_one_alone(take):
    assert take("a", "n", 1000)
    assert not take("a", "n", 1000)
    assert take("b", "n", 1000) and take("a", "m", 1000)
    assert not take("a", "n", 1000 + 600000 - 1)
    assert take("a", "n", 1000 + 600000)
    assert not take("a", "n", 1000 + 600001)


def test_what_is_refused_is_not_remembered_longer_by_that(take):
    take("a", "n", 0, life=10)
    assert not take("a", "n", 9, life=10)
    assert take("a", "n", 10, life=10)


def test_long_nonces_are_told_apart(take):
    assert take("a", "x" * 100 + "1", 0) and take("a", "x" * 100 + "2", 0)
    assert not take("a", "x" * 100 + "1", 1)


def test_those_that_are_over_are_forgotten(take):
    for number in range(20):
        take("a", str(number), number)
    assert take.count() == 20
    take("b", "n", 10**9)
    assert take.count() == 1
