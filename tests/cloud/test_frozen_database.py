"""A PostgreSQL that has stopped answering, as a process that is frozen or a network that swallows everything:
whoever asks is told soon, and nothing is lost that says it was kept.
"""

import asyncio
import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from host_sim.cloud.app import Frame
from host_sim.cloud.exchange.turn import Turn
from host_sim.cloud.links.orders import NewOrder
from host_sim.cloud.storage import database as storage
from host_sim.cloud.storage import trips
from host_sim.cloud.storage.database import POOL, Database, Unsure
from host_sim.cloud.storage.patience import Connection, left, patience
from tests.cloud.waiting import WAIT, until

SHORT_S = 3.0  # a request's patience here
MANY = 48  # requests: more than there are threads for them


@pytest.fixture(scope="module")
def cloud_settings(postgres_settings) -> dict:
    return postgres_settings()


@pytest.fixture(autouse=True)
def _short(monkeypatch) -> None:
    monkeypatch.setattr("host_sim.cloud.storage.patience.REQUEST_S", SHORT_S)


class Frost:
    """The server, and how to freeze all of it."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._frozen: list[int] = []

    def begin(self) -> None:
        os.kill(self._server, signal.SIGSTOP)  # first, or it would start others meanwhile
        self._frozen.append(self._server)
        for one in Path(f"/proc/{self._server}/task/{self._server}/children").read_text().split():
            os.kill(int(one), signal.SIGSTOP)
            self._frozen.append(int(one))

    def end(self) -> None:
        while self._frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._frozen.pop(), signal.SIGCONT)


@pytest.fixture
def frost(postgres):
    one = Frost(postgres._process.pid)
    yield one
    one.end()


def _told(answer) -> dict:
    """The body of a 503 as all of them are."""
    assert answer.status_code == 503, answer.text
    body = answer.json()
    assert body["error"] == "GATEWAY_ERROR" and body["message"] and body["hint"]
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert int(answer.headers["Retry-After"]) > 0
    return body


def _ready(client) -> None:
    until(lambda: client.get("/health/ready").status_code == 200, "the cloud to be ready", every=0.2)


def _many(pool: ThreadPoolExecutor, owner) -> list:
    """Requests that read, and others that write."""
    return [
        pool.submit(owner.post, "/homes", json={"home_name": "h"})
        if number % 2
        else pool.submit(owner.get, "/devices")
        for number in range(MANY)
    ]


def test_every_request_is_answered_and_all_works_when_the_database_is_back(cloud, api, frost):
    owner = api("owner")
    assert owner.get("/devices").status_code == 200
    frost.begin()
    with ThreadPoolExecutor(MANY) as pool:
        for one in _many(pool, owner):
            _told(one.result(WAIT))
    frost.end()
    until(lambda: owner.get("/devices").is_success, "the database", every=0.1)
    until(lambda: cloud.services.database.engine.pool.checkedout() == 0, "all connections to be given back")
    assert owner.get("/homes").json()["count"] == 0, "it was told that none was made"


def test_probes_answer_while_all_threads_wait_for_the_database(cloud, api, frost, monkeypatch):
    owner, nobody = api("owner"), api(None)
    _ready(nobody)
    monkeypatch.setattr("host_sim.cloud.storage.patience.REQUEST_S", 60.0)
    frost.begin()
    with ThreadPoolExecutor(MANY) as pool:
        asked = _many(pool, owner)
        until(lambda: cloud.services.database.engine.pool.checkedout() == POOL, "no connection to be free")
        assert nobody.get("/health/live").status_code == 200
        unready = until(
            lambda: (told := nobody.get("/health/ready")).is_error and told, "the probe", every=0.2
        )
        assert unready.status_code == 503 and unready.json()["checks"]["database"] is False
        assert not any(one.done() for one in asked)
        frost.end()
        assert {one.result(WAIT).status_code for one in asked} == {200, 201}


def test_a_change_whose_commit_was_not_answered_is_not_told_as_not_done(cloud, api, frost):
    owner, engine = api("owner"), cloud.services.database.engine
    owner.get("/homes")

    @contextlib.contextmanager
    def at_commit():
        def freeze(connection) -> None:
            if connection.get_execution_options().get("hxtp_writes"):
                frost.begin()

        sa.event.listen(engine, "commit", freeze)
        try:
            yield
        finally:
            sa.event.remove(engine, "commit", freeze)

    with at_commit():
        told = _told(owner.post("/homes", json={"home_name": "perhaps"}))
    assert "perhaps this was done" in told["message"] and "before you try again" in told["hint"]
    frost.end()
    until(lambda: '"perhaps"' in owner.get("/homes").text, "what was done", every=0.1)


def test_a_command_whose_commit_was_not_answered_is_told_with_its_id_and_is_there(
    cloud, api, device, frost, monkeypatch
):
    owner, lamp = api("owner"), device()
    assert owner.command(lamp.id, "light_brightness", {"brightness": 1})["status"] == "acknowledged"
    run, commit, ordered = Turn.run, trips._Trip.commit, []

    def noted(turn, connection, work, *rest):
        ordered.extend(item for item in work if isinstance(item, NewOrder))
        return run(turn, connection, work, *rest)

    def freeze(trip) -> None:
        if ordered:  # and not for whatever else was due
            frost.begin()
        commit(trip)

    body = {"action": "light_brightness", "params": {"brightness": 2}}
    with monkeypatch.context() as for_now:
        for_now.setattr(storage, "TURN_S", 0.5)
        for_now.setattr(Turn, "run", noted)
        for_now.setattr(trips._Trip, "commit", freeze)
        told = _told(owner.post(f"/device/{lamp.id}/command", json=body))
    assert "perhaps the command is stored" in told["message"]
    frost.end()
    until(lambda: owner.get(f"/commands/{told['command_id']}").is_success, "the command", every=0.1)


def test_a_command_that_could_not_be_stored_in_time_is_withdrawn_or_named(cloud, api, device, frost):
    owner, lamp = api("owner"), device()
    owner.command(lamp.id, "light_brightness", {"brightness": 1})
    frost.begin()
    body = {"action": "light_brightness", "params": {"brightness": 3}}
    told = _told(owner.post(f"/device/{lamp.id}/command", json=body))
    frost.end()
    until(lambda: owner.get("/devices").is_success, "the database", every=0.1)
    # Commands are stored in their order: one that comes later shows what became of those before.
    owner.command(lamp.id, "light_brightness", {"brightness": 4})
    stored = [
        one["params"]["brightness"] for one in owner.get(f"/device/{lamp.id}/commands").json()["commands"]
    ]
    assert 3 not in stored or told["command_id"]


def test_a_connection_on_which_an_answer_may_still_come_is_nobodys(cloud, frost):
    database = cloud.services.database
    with database.reading() as connection:
        connection.execute(sa.select(1))
        frost.begin()
        with patience(0.01), pytest.raises(OperationalError, match="does not answer in time"):
            connection.execute(sa.select(2))
        assert connection.invalidated
        frost.end()
        with pytest.raises(sa.exc.PendingRollbackError):
            connection.execute(sa.select(3))
        connection.rollback()
    with patience(), database.reading() as connection:
        assert connection.execute(sa.select(4)).scalar() == 4


def test_who_waits_for_a_connection_waits_no_longer_than_it_has_patience(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    with contextlib.closing(database), contextlib.ExitStack() as stack:
        for _ in range(POOL):
            stack.enter_context(database.reading())
        with patience(0.01), pytest.raises(sa.exc.TimeoutError), database.reading():
            """Nobody gets here."""


@pytest.mark.parametrize("seconds", [2.5, 10])
def test_no_server_of_several_is_waited_for_without_an_end(monkeypatch, seconds):
    given = []

    def connect(*unused, **options):
        given.append(options["connect_timeout"])
        raise psycopg.OperationalError("it is not there")

    monkeypatch.setattr(Connection, "connect", connect)
    database = Database("postgresql://app@/cloud?host=/a,/b,/c")
    with (
        contextlib.closing(database),
        patience(seconds),
        pytest.raises(OperationalError),
        database.reading(),
    ):
        """Nobody gets here."""
    assert given and all(2 <= one <= max(2, seconds / 3) for one in given), "0 is for no end"


def test_patience_within_patience_ends_no_later():
    with patience(5), patience(100):
        assert left(1000) <= 5
    with patience(5) as outer, patience(1):
        outer.begin()
        assert left(1000) <= 1
    assert left(1000) == 1000


def test_what_comes_over_a_connection_has_its_own_patience_and_not_that_of_what_came_before():
    told = []

    async def app(scope, receive, send):
        told.append(left(1000))

    frame = Frame(app, None, {}, {"/ws/state"})
    with patience(0):  # as asyncio may hand on the context of the connection's last request
        for kind, path in (("http", "/devices"), ("websocket", "/ws/state")):
            scope = {"type": kind, "method": "GET", "path": path, "headers": []}
            asyncio.run(frame(scope, None, None))
        assert left(1000) == 0
    request, socket = told
    assert 0 < request <= SHORT_S and socket == 1000


def test_what_the_database_refuses_to_commit_is_not_in_doubt(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    with contextlib.closing(database):
        with database.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE a (b INTEGER PRIMARY KEY)")
            connection.exec_driver_sql(
                "CREATE TABLE c (b INTEGER REFERENCES a (b) DEFERRABLE INITIALLY DEFERRED)"
            )
        with pytest.raises(sa.exc.IntegrityError) as refused, database.writing() as connection:
            connection.exec_driver_sql("INSERT INTO c VALUES (1)")
    assert not isinstance(refused.value, Unsure)
