"""An address that fails to prove who it is has to wait after so many times; who is there as well need not."""

import asyncio
import itertools
import json
import ssl
import threading

import jwt
import pytest
import sqlalchemy as sa
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from host_sim.cloud.gate.failures import Failures
from host_sim.cloud.gate.limits import Limits, ProcessCounter
from host_sim.cloud.provisioning import token_for
from host_sim.cloud.settings import Settings
from tests.cloud.waiting import WAIT, hold_still

MOST = 3
SECRET = "0123456789abcdef"
_addresses = itertools.count(1)


@pytest.fixture(scope="module")
def cloud_settings() -> dict:
    return {"failed_auth_per_minute": MOST, "broker_auth_secret": SECRET}


@pytest.fixture
def move(monkeypatch):
    """One moment for the whole test, which no minute's end parts; move(seconds) goes on."""
    return hold_still(monkeypatch)


@pytest.fixture
def address() -> str:
    """Of this test alone: the server takes it from a proxy on this machine."""
    return f"192.0.2.{next(_addresses)}"


@pytest.fixture
def ask(api, address, move):
    """ask(credential): the answer to a request from that address."""

    def asked(credential=None, path="/auth/me", come_from=address, **headers):
        headers["X-Forwarded-For"] = come_from
        if credential is not None:
            headers["Authorization"] = f"Bearer {credential}"
        return api(None).get(path, headers=headers)

    return asked


@pytest.fixture
def stopped(ask):
    """The same, when that address has just had too many."""
    assert [ask().status_code for _ in range(MOST + 1)] == [401] * MOST + [429]
    return ask


def _token(api) -> str:
    return api().headers["Authorization"].removeprefix("Bearer ")


def _key(api) -> str:
    return api().post("/auth/api-keys", json={"name": "k", "scopes": ["read:devices"]}).json()["key"]


def test_who_fails_too_often_is_told_when_to_try_again(ask, address):
    wrong = itertools.cycle([None, "nonsense", "hxtp_nonsense", "a.b.c"])
    answers = [ask(next(wrong)) for _ in range(MOST + 4)]
    assert [one.status_code for one in answers] == [401] * MOST + [429] * 4
    for refused in answers[MOST:]:
        told = refused.json()
        assert set(told) == {"error", "message", "hint", "request_id"}
        assert told["error"] == "RATE_LIMIT_EXCEEDED"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
        assert f"try again in {refused.headers['Retry-After']} s" in told["hint"]
        assert (refused.headers["RateLimit-Limit"], refused.headers["RateLimit-Remaining"]) == (
            str(MOST),
            "0",
        )


def test_a_new_minute_begins_anew(stopped, move):
    move(int(stopped().headers["Retry-After"]))
    assert [stopped().status_code for _ in range(MOST + 1)] == [401] * MOST + [429]


def test_another_address_is_not_refused(stopped, address):
    other = f"192.0.2.{next(_addresses)}"
    assert stopped(come_from=other).status_code == 401 and stopped().status_code == 429
    # Of IPv6 a subscriber has a whole /64.
    answers = [stopped(come_from=f"2001:db8:{address.rpartition('.')[2]}::{one}") for one in range(MOST + 1)]
    assert [one.status_code for one in answers] == [401] * MOST + [429]


def test_a_good_token_works_beside_those_that_fail(stopped, api, cloud):
    assert stopped(_token(api)).status_code == 200
    fresh = token_for(cloud.settings, "owner-fresh@home.example", "home", "owner")
    assert stopped(fresh).status_code == 200, "and one that this worker has never seen"
    assert stopped().status_code == 429


def test_a_key_that_was_good_works_beside_those_that_fail_and_a_new_one_waits(ask, api, cloud, move):
    used, new = _key(api), _key(api)
    assert ask(used).status_code == 200
    assert [ask("hxtp_nonsense").status_code for _ in range(MOST + 1)] == [401] * MOST + [429]
    cloud.services.database.remembered.forget()
    assert ask(used).status_code == 200
    refused = ask(new)
    assert refused.status_code == 429
    move(int(refused.headers["Retry-After"]))
    assert ask(new).status_code == 200


def test_a_key_that_has_ended_is_looked_up_once_and_no_more(stopped, api, cloud):
    made = api().post("/auth/api-keys", json={"name": "k", "scopes": ["read:devices"]}).json()
    # It was good here, from elsewhere.
    assert stopped(made["key"], come_from=f"192.0.2.{next(_addresses)}").status_code == 200
    assert api().post("/auth/api-keys/revoke", json={"key_id": made["id"]}).status_code == 200
    with _statements(cloud) as first:
        assert stopped(made["key"]).status_code == 429
    with _statements(cloud) as second:
        assert stopped(made["key"]).status_code == 429
    assert first and not second


class _statements(list):
    """What the database is asked for requests."""

    def __init__(self, cloud):
        super().__init__()
        self._engine = cloud.services.database.engine

    def _note(self, connection, cursor, statement, *rest):
        if threading.current_thread().name.startswith("AnyIO"):
            self.append(statement)

    def __enter__(self):
        sa.event.listen(self._engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *unused):
        sa.event.remove(self._engine, "before_cursor_execute", self._note)


def test_nothing_is_looked_up_for_who_has_failed_too_often(stopped, cloud, address):
    unknown = jwt.encode({"sub": "x"}, "k" * 32, "HS256", {"kid": "of nobody"})
    with _statements(cloud) as below:
        for wrong in ("hxtp_nonsense", unknown):
            assert stopped(wrong, come_from=f"192.0.2.{next(_addresses)}").status_code == 401
    with _statements(cloud) as over:
        for wrong in (None, "nonsense", "hxtp_nonsense", unknown):
            assert stopped(wrong).status_code == 429
        assert stopped(path=f"/firmware/x/download?ticket={unknown}").status_code == 429
    assert below and not over


def test_requests_with_a_good_token_are_not_counted(ask, api, monkeypatch):
    counted = []
    take = Limits.take
    monkeypatch.setattr(
        Limits, "take", lambda self, name, *rest: counted.append(name) or take(self, name, *rest)
    )
    assert [ask(_token(api)).status_code for _ in range(MOST + 2)] == [200] * (MOST + 2)
    assert not counted
    assert ask().status_code == 401 and counted


def _socket(cloud, address, path="/ws/state?token=hxtp_nonsense"):
    base = cloud.settings.base_url().replace("https", "wss", 1).removesuffix("/api/v1")
    tls = ssl.create_default_context(cafile=str(cloud.pki.ca))
    headers = {"X-Forwarded-For": address}

    async def closing():
        async with (
            asyncio.timeout(WAIT),
            connect(f"{base}{path}", ssl=tls, additional_headers=headers) as socket,
        ):
            try:
                await socket.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code

    return {4401: 401, 4429: 429}[asyncio.run(closing())]


@pytest.mark.parametrize(
    "way",
    [
        "no token",
        "wrong token",
        "approval",
        "approval without",
        "ticket",
        "broker",
        "WebSocket",
        "WebSocket without",
    ],
)
def test_every_way_to_fail_counts(ask, api, cloud, address, way):
    body = json.dumps({"topic": "x"})
    ways = {
        "no token": lambda: ask(path="/devices").status_code,
        "wrong token": lambda: ask("nonsense", path="/devices").status_code,
        "approval": lambda: ask("nonsense", path=f"/auth/cli?code=HXT-{'0' * 64}").status_code,
        "approval without": lambda: ask(path=f"/auth/cli?code=HXT-{'0' * 64}").status_code,
        "ticket": lambda: ask(path="/firmware/x/download?ticket=nonsense").status_code,
        "broker": lambda: (
            api(None)
            .post(
                "/mqtt/acl",
                content=body,
                headers={
                    "X-Forwarded-For": address,
                    "X-HXTP-Broker-Secret": "x",
                    "Content-Type": "application/json",
                },
            )
            .status_code
        ),
        "WebSocket": lambda: _socket(cloud, address),
        "WebSocket without": lambda: _socket(cloud, address, "/ws/state"),
    }
    assert [ways[way]() for _ in range(MOST + 1)] == [401] * MOST + [429]
    assert ask().status_code == 429


def test_a_broker_that_knows_the_secret_is_answered_all_the_same(stopped, api, address):
    headers = {"X-Forwarded-For": address, "X-HXTP-Broker-Secret": SECRET}
    assert api(None).post("/mqtt/acl", json={"topic": "x"}, headers=headers).status_code == 200


def test_signing_out_with_a_token_that_has_ended_counts_and_is_fine(ask, api, address):
    headers = {"X-Forwarded-For": address, "Authorization": "Bearer nonsense"}
    answers = [api(None).post("/auth/logout", headers=headers) for _ in range(MOST + 1)]
    assert [one.status_code for one in answers] == [200] * (MOST + 1)
    assert ask().status_code == 429


def test_that_an_address_has_to_wait_stands_in_the_log_once(ask, address, caplog):
    with caplog.at_level("WARNING"):
        for _ in range(MOST + 3):
            ask()
    lines = [one for one in caplog.messages if "authentication_limited" in one]
    assert len(lines) == 1 and f"address={address}" in lines[0]


def test_without_a_bound_nothing_is_counted():
    counter = ProcessCounter()
    failures = Failures(Limits(counter), Settings(failed_auth_per_minute=0))
    assert not any(failures.count("192.0.2.1") for _ in range(200))
    assert counter.add("failed-auth:192.0.2.1", 0, 60) == 1


def test_only_so_many_addresses_and_keys_are_remembered(monkeypatch, move):
    monkeypatch.setattr("host_sim.cloud.gate.failures.ADDRESSES", 2)
    monkeypatch.setattr("host_sim.cloud.gate.failures.KEYS", 2)
    failures = Failures(Limits(ProcessCounter()), Settings(failed_auth_per_minute=1))
    assert [failures.count(one) for one in "abc"] == [None] * 3
    assert [bool(failures.over(one)) for one in "abc"] == [True, True, False]
    assert failures.count("c").status == 429, "it is counted each time instead"
    move(60)
    assert [failures.count(one) for one in "cd"] == [None] * 2
    assert [bool(failures.over(one)) for one in "abcd"] == [False, False, True, True]
    for key in (b"1", b"2", b"1", b"3"):
        failures.found(key, True)
    assert [failures.known(key) for key in (b"1", b"2", b"3")] == [True, False, True]
