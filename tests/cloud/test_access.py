"""Every route of the API, asked by every kind of caller: nobody, a stranger, too low a role, an API key."""

import asyncio
import re
import ssl

import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from host_sim.cloud.app import PREFIX, create_app
from host_sim.cloud.catalogue import api_keys, clients
from host_sim.cloud.security.roles import ROLES, SCOPES
from host_sim.cloud.storage import tables
from tests.cloud.access_table import ANY, PUBLIC, SOCKETS, TABLE, Ids
from tests.cloud.waiting import WAIT

PROTECTED = [name for name, row in TABLE.items() if row.role != PUBLIC]
WITH_ROLE = [name for name in PROTECTED if TABLE[name].role is not None]
WITH_SCOPE = [name for name in PROTECTED if TABLE[name].scope not in (None, ANY)]


@pytest.fixture(scope="module")
def ids(cloud, api) -> Ids:
    """One object of each kind in the tenant "home"."""
    services, owner = cloud.services, api().get("/auth/me").json()["user"]
    tenant_id, now = owner["tenant_id"], services.now()
    device_id = api().post("/device/register", json={"device_type": "esp32"}).json()["device_id"]
    viewer = api().post("/tenant/users", json={"email": "viewer@table.example", "role": "viewer"}).json()
    of = {"tenant_id": tenant_id, "created_at": now}
    with services.database.writing(tenant_id) as connection:
        key = api_keys.add(connection, tenant_id, owner["id"], "table", ["read:devices"], now)
        client = clients.add(connection, services.vault, tenant_id, owner["id"], "table", now)
        for table, values in (
            (tables.homes, {"id": "table-home", "name": "home", "timezone": "UTC"}),
            (tables.rooms, {"id": "table-room", "home_id": "table-home", "name": "room"}),
            (
                tables.groups,
                {
                    "id": "table-group",
                    "slug": "table-group-slug",
                    "name": "group",
                    "description": "",
                    "group_type": "custom",
                },
            ),
            (
                tables.releases,
                {
                    "id": "table-release",
                    "device_type": "esp32",
                    "version": "1.2.3",
                    "number": 1,
                    "size": 1,
                    "sha256": "ab" * 32,
                    "url": "https://example.org/f",
                    "notes": "",
                    "state": "draft",
                },
            ),
            (
                tables.commands,
                {
                    "id": "table-command",
                    "device_id": device_id,
                    "number": 1,
                    "action": "light_on",
                    "params": {},
                    "state": "acknowledged",
                    "due_at": now,
                    "actor": "user:table",
                    "expires_at": now,
                },
            ),
            (tables.scenes, {"id": "table-scene", "name": "scene", "steps": []}),
            (
                tables.rules,
                {
                    "id": "table-rule",
                    "name": "rule",
                    "when": {"all": [{"member": "never", "op": "==", "value": 1}]},
                    "intent": {"type": "scene.run", "payload": {"scene": "scene"}},
                },
            ),
            (
                tables.observations,
                {
                    "id": "table-proposal",
                    "device_id": device_id,
                    "context": "",
                    "body": {},
                    "proposal": [],
                    "state": "none",
                },
            ),
        ):
            connection.execute(table.insert().values(**of, **values))
    return Ids(
        device_id=device_id,
        home_id="table-home",
        room_id="table-room",
        slug="table-group-slug",
        firmware_id="table-release",
        command_id="table-command",
        client_id=client.id,
        key_id=key.id,
        user_id=viewer["id"],
        scene_id="table-scene",
        rule_id="table-rule",
        proposal_id="table-proposal",
    )


def _ask(client, name: str, ids: Ids):
    method, pattern = name.split(" ", 1)
    nobodys = {"code": "HXT-" + "00" * 32, "agent_id": "me", "verification_id": "x", "plan_id": "x"}
    names = {**{one: getattr(ids, one) for one in ids.__dataclass_fields__}, **nobodys}

    def value(found: re.Match) -> str:
        known = names.get(found[1])
        assert known is not None, f"{name}: say in access_table.Ids what {{{found[1]}}} is"
        return known

    return client.request(method, re.sub(r"\{(\w+)(?::\w+)?\}", value, pattern), **TABLE[name].sends(ids))


def _code(answer) -> str:
    return answer.json().get("error", "") if answer.headers["content-type"] == "application/json" else ""


def _routes() -> tuple[dict[str, APIRoute], set[str]]:
    """Every method and path of the API with its route, and the WebSockets' paths. The API's own description,
    which asks nobody, is not among them."""
    found, sockets = {}, set()
    for context in iter_route_contexts(create_app(None).routes):  # type: ignore[arg-type]
        path = context.path or ""
        if isinstance(context.original_route, APIWebSocketRoute):
            sockets.add(path)
        elif isinstance(context.original_route, APIRoute):
            for method in context.original_route.methods:
                found[f"{method} {path.removeprefix(PREFIX)}"] = context.original_route
    return found, sockets


def test_every_route_stands_in_the_table():
    routes, sockets = _routes()
    lacking = [_suggestion(name, route) for name, route in routes.items() if name not in TABLE]
    assert not lacking, "add to TABLE in tests/cloud/access_table.py:\n" + "\n".join(lacking)
    gone = sorted(set(TABLE) - set(routes))
    assert not gone, f"TABLE in tests/cloud/access_table.py names routes that are not there: {gone}"
    assert sockets == set(SOCKETS), "name each WebSocket in SOCKETS in tests/cloud/access_table.py"


def _suggestion(name: str, route: APIRoute) -> str:
    wants = [one.call.wants for one in route.dependant.dependencies if hasattr(one.call, "wants")]
    return f"    {name!r}: Row({', '.join(map(repr, wants[0])) if wants else 'PUBLIC'}),"


@pytest.fixture(scope="module")
def before(cloud, ids) -> dict[str, list]:
    return _rows(cloud, ids)


def _rows(cloud, ids: Ids) -> dict[str, list]:
    """All that the tenant has."""
    database = cloud.services.database
    with database.reading() as connection:
        tenant_id = connection.execute(
            sa.select(tables.directory.c.tenant_id).where(tables.directory.c.key == ids.device_id)
        ).scalar()
        database.see(connection, tenant_id)
        return {
            table.name: connection.execute(sa.select(table).where(table.c.tenant_id == tenant_id)).all()
            for table in tables.OF_A_TENANT
        }


@pytest.mark.parametrize("name", PROTECTED)
def test_without_a_token_or_with_a_wrong_one_nothing_is_told(api, ids, before, name):
    for wrong in (None, "Bearer nonsense", "Bearer hxtp_nonsense", "Basic eDp5"):
        headers = {"Authorization": wrong} if wrong else {}
        answer = _ask(_With(api(None), headers), name, ids)
        assert (answer.status_code, _code(answer)) == (401, "UNAUTHORIZED"), answer.text
        assert answer.headers["WWW-Authenticate"] == "Bearer"


class _With:
    """A client that sends these headers besides."""

    def __init__(self, client, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers

    def request(self, method: str, path: str, **more):
        return self._client.request(method, path, headers=self._headers, **more)


@pytest.mark.parametrize("name", [name for name in TABLE if TABLE[name].role == PUBLIC])
def test_what_is_public_asks_for_no_token(api, ids, name):
    answer = _ask(api(None), name, ids)
    # It may ask for a device's signature instead.
    assert answer.status_code != 401 or answer.headers["WWW-Authenticate"] == "HxTP"


@pytest.mark.parametrize("name", TABLE)
def test_an_owner_of_another_tenant_finds_nothing_of_this_one(api, ids, before, name):
    row = TABLE[name]
    # Without a token where none is needed: signing out would end it.
    answer = _ask(api(None) if row.role == PUBLIC else api("owner", "other"), name, ids)
    if row.role == PUBLIC:
        assert answer.status_code < 500, answer.text
    elif row.foreign is not None or "{" in name:
        assert answer.status_code == (row.foreign or 404), answer.text
    else:
        assert answer.status_code < 300, answer.text
    sent = str(answer.request.url) + answer.request.read().decode("latin-1")
    assert not [one for one in ids.all() if one in answer.text and one not in sent]


def test_a_stranger_has_changed_nothing(cloud, ids, before):
    assert _rows(cloud, ids) == before
    assert before["devices"] and before["users"] and before["rooms"]


@pytest.mark.parametrize("name", WITH_ROLE)
def test_too_low_a_role_is_refused(api, ids, name):
    needed = ROLES.index(TABLE[name].role)
    lower = ROLES[needed - 1]
    client = api("none", None) if lower == "none" else api(lower)
    answer = _ask(client, name, ids)
    assert (answer.status_code, _code(answer)) == (403, "PERMISSION_DENIED"), answer.text


@pytest.fixture(scope="module")
def with_key(api):
    """with_key(scopes): a client with an API key of the owner's that has them."""
    made = {}

    def client(scopes):
        scopes = tuple(scopes)
        if scopes not in made:
            body = {"name": "table", "scopes": list(scopes)}
            key = api().post("/auth/api-keys", json=body).json()["key"]
            made[scopes] = _With(api(None), {"Authorization": f"Bearer {key}"})
        return made[scopes]

    return client


@pytest.mark.parametrize("name", [name for name in PROTECTED if TABLE[name].scope != ANY])
def test_an_api_key_without_the_scope_is_refused(ids, with_key, name):
    scope = TABLE[name].scope
    granting = {scope, f"write:{scope.partition(':')[2]}"} if scope else set()
    answer = _ask(with_key(one for one in SCOPES if one not in granting), name, ids)
    assert (answer.status_code, _code(answer)) == (403, "PERMISSION_DENIED"), answer.text


@pytest.mark.parametrize("name", WITH_SCOPE)
def test_an_api_key_with_the_scope_alone_is_let_through(ids, with_key, name):
    answer = _ask(with_key([TABLE[name].scope]), name, ids)
    assert answer.status_code not in (401, 403) and answer.status_code < 500, answer.text


def _code_of_closing(cloud, path: str, credential: str) -> int:
    """With which code a WebSocket is closed; 0 for one that answers a ping."""
    address = cloud.settings.base_url().replace("https", "wss", 1).removesuffix(PREFIX)
    tls = ssl.create_default_context(cafile=str(cloud.pki.ca))

    async def ask() -> int:
        async with asyncio.timeout(WAIT), connect(f"{address}{path}?token={credential}", ssl=tls) as socket:
            try:
                await socket.send("ping")
                assert await socket.recv() == "pong"
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006
        return 0

    return asyncio.run(ask())


@pytest.mark.parametrize("path", SOCKETS)
def test_a_websocket_asks_who_is_there(cloud, api, path):
    def key(scope: str) -> str:
        body = {"name": "socket", "scopes": [scope]}
        return api().post("/auth/api-keys", json=body).json()["key"]

    token = api("viewer").headers["Authorization"].removeprefix("Bearer ")
    without_tenant = api("none", None).headers["Authorization"].removeprefix("Bearer ")
    assert _code_of_closing(cloud, path, token) == 0
    assert _code_of_closing(cloud, path, key("read:devices")) == 0
    assert _code_of_closing(cloud, path, key("write:homes")) == 4403
    assert _code_of_closing(cloud, path, without_tenant) == 4403
    for wrong in ("", "nonsense", "hxtp_nonsense"):
        assert _code_of_closing(cloud, path, wrong) == 4401
