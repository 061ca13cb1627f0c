"""Who one is, signing out, API keys, app clients."""

import re

import pytest
import sqlalchemy as sa

from host_sim.cloud.catalogue import api_keys, clients
from host_sim.cloud.storage import tables


def test_me_tells_who_one_is_and_where_one_belongs(api):
    told = api("admin").get("/auth/me").json()
    user = told["user"]
    assert (told["authenticated"], told["has_tenant"]) == (True, True)
    assert (user["role"], user["tenant_slug"]) == ("admin", "home")
    assert user["email"].endswith("@home.example") and isinstance(user["neon_id"], str)
    assert re.fullmatch(r"[0-9a-f-]{36}", user["id"]) and re.fullmatch(r"[0-9a-f-]{36}", user["tenant_id"])


def test_somebody_without_a_tenant_has_the_role_none(api):
    told = api("none", None).get("/auth/me").json()
    assert told["has_tenant"] is False
    assert (told["user"]["role"], told["user"]["tenant_id"], told["user"]["tenant_slug"]) == (
        "none",
        None,
        None,
    )


def test_signing_out_ends_every_token_so_far_and_no_later_one(cloud, api):
    leaving = api("user", "leaving")
    user_id = leaving.get("/auth/me").json()["user"]["id"]
    second = {"Authorization": f"Bearer {cloud.services.tokens.make(user_id)}"}
    assert leaving.get("/auth/me", headers=second).status_code == 200
    answer = leaving.post("/auth/logout", headers={"Content-Type": "application/json"}, content=b"")
    assert (answer.status_code, answer.json()) == (200, {"status": "logged_out"})
    assert leaving.get("/auth/me").status_code == 401
    assert leaving.get("/auth/me", headers=second).status_code == 401
    back = {"Authorization": f"Bearer {cloud.services.tokens.make(user_id)}"}
    assert leaving.get("/auth/me", headers=back).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "nonsense"}])
def test_signing_out_without_a_token_is_fine(api, headers):
    assert api(None).post("/auth/logout", headers=headers).status_code == 200


# -- API keys ----


@pytest.fixture(scope="module")
def create(api):
    """create(role, scopes) makes a key; the answer."""

    def one(role="owner", scopes=("read:devices",), name="my-key", tenant="home"):
        return api(role, tenant).post("/auth/api-keys", json={"name": name, "scopes": list(scopes)})

    return one


def _by(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_shown_once_and_kept_as_a_hash(cloud, api, create):
    answer = create(name=" evening lights ")
    made = answer.json()
    assert (answer.status_code, made["status"], made["name"]) == (201, "created", "evening lights")
    assert made["key"].startswith(f"hxtp_{made['prefix']}") and len(made["key"]) == 60
    listed = next(one for one in api().get("/auth/api-keys").json()["api_keys"] if one["id"] == made["id"])
    assert (listed["prefix"], listed["scopes"], listed["last_used_at"], listed["revoked"]) == (
        made["prefix"],
        ["read:devices"],
        None,
        False,
    )
    assert made["key"] not in api().get("/auth/api-keys").text
    tenant_id = api().get("/auth/me").json()["user"]["tenant_id"]
    with cloud.services.database.reading(tenant_id) as connection:
        row = connection.execute(sa.select(tables.api_keys).where(tables.api_keys.c.id == made["id"])).one()
    assert made["key"][17:] not in repr(row) and re.fullmatch(r"[0-9a-f]{64}", row.key_hash)


def test_a_key_acts_for_its_maker_and_its_use_is_noted(api, create):
    made = create(scopes=["read:devices", "write:devices", "read:devices"]).json()
    assert made["scopes"] == ["read:devices", "write:devices"]
    told = api(None).get("/auth/me", headers=_by(made["key"])).json()
    assert told["user"] == api().get("/auth/me").json()["user"]
    assert told["scopes"] == ["read:devices", "write:devices"]
    assert api(None).get("/devices", headers=_by(made["key"])).status_code == 200
    listed = next(one for one in api().get("/auth/api-keys").json()["api_keys"] if one["id"] == made["id"])
    assert listed["last_used_at"] >= listed["created_at"]


@pytest.mark.parametrize(
    "change",
    [lambda key: key[:-1], lambda key: key[:-1] + "~", lambda key: key.upper(), lambda key: key[:17]],
)
def test_a_key_that_is_not_quite_one_opens_nothing(api, create, change):
    key = create().json()["key"]
    assert api(None).get("/devices", headers=_by(change(key))).status_code == 401


@pytest.mark.parametrize("by", ["id", "prefix", "key_id"])
def test_a_revoked_key_opens_nothing_any_more(api, create, by):
    made = create().json()
    name = made["prefix"] if by == "prefix" else made["id"]
    answer = api().post("/auth/api-keys/revoke", json={by: name})
    assert (answer.status_code, answer.json()["status"]) == (200, "revoked")
    assert api(None).get("/devices", headers=_by(made["key"])).status_code == 401
    assert api().post("/auth/api-keys/revoke", json={by: name}).status_code == 200
    again = api().post("/auth/api-keys/rotate", json={"key_id": made["id"]})
    assert (again.status_code, again.json()["error"]) == (409, "KEY_REVOKED")


def test_a_rotated_key_keeps_its_name_and_scopes_and_the_old_one_ends(api, create):
    old = create(scopes=["read:devices"]).json()
    new = api().post("/auth/api-keys/rotate", json={"key_id": f"hxtp_{old['prefix']}"}).json()
    assert (new["status"], new["id"], new["name"], new["scopes"]) == (
        "rotated",
        old["id"],
        old["name"],
        old["scopes"],
    )
    assert api(None).get("/devices", headers=_by(old["key"])).status_code == 401
    assert api(None).get("/devices", headers=_by(new["key"])).status_code == 200


@pytest.mark.parametrize(
    "role, scope, status",
    [
        ("viewer", "read:firmware", 201),
        ("viewer", "write:devices", 403),
        ("user", "write:devices", 201),
        ("user", "write:homes", 403),
        ("admin", "write:homes", 201),
    ],
)
def test_nobody_gives_a_key_more_than_they_may_themselves(create, role, scope, status):
    answer = create(role, [scope])
    assert answer.status_code == status
    assert status == 201 or answer.json()["error"] == "PERMISSION_DENIED"


def test_a_key_may_never_do_what_its_maker_may_not(api, create):
    key = create("user", ["write:devices"]).json()["key"]
    answer = api(None).post("/device/register", json={"device_type": "x"}, headers=_by(key))
    assert (answer.status_code, answer.json()["error"]) == (403, "PERMISSION_DENIED")


def test_only_an_admin_sees_and_ends_the_keys_of_others_and_nobody_renews_them(api, create):
    made = create("owner").json()
    body = {"key_id": made["id"]}
    assert made["id"] not in api("user").get("/auth/api-keys").text
    assert api("user").post("/auth/api-keys/revoke", json=body).status_code == 404
    assert made["id"] in api("admin").get("/auth/api-keys").text
    assert api("admin").post("/auth/api-keys/rotate", json=body).status_code == 404
    assert api(None).get("/devices", headers=_by(made["key"])).status_code == 200
    assert api("admin").post("/auth/api-keys/revoke", json=body).status_code == 200
    assert api(None).get("/devices", headers=_by(made["key"])).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["read:devices"]},
        {"name": "   ", "scopes": ["read:devices"]},
        {"name": "x" * 65, "scopes": ["read:devices"]},
        {"name": "a\x00b", "scopes": ["read:devices"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["read:everything"]},
        {"name": "x", "scopes": "read:devices"},
        {"name": "x"},
        {},
    ],
)
def test_a_key_without_a_proper_name_or_scope_is_refused(api, body):
    answer = api().post("/auth/api-keys", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")


def test_a_tenant_has_so_many_keys_and_no_more(create, monkeypatch):
    monkeypatch.setattr(api_keys, "MOST", 2)
    assert [create("owner", tenant="frugal").status_code for _ in range(3)] == [201, 201, 409]
    assert create("owner", tenant="frugal").json()["error"] == "LIMIT_REACHED"


# -- app clients ----


def test_a_client_gets_a_secret_once_which_lies_sealed(cloud, api):
    answer = api().post("/auth/clients", json={"name": "phone"})
    made = answer.json()
    assert (answer.status_code, made["name"], len(made["client_secret"])) == (201, "phone", 64)
    assert made["client_secret"] not in api().get("/auth/clients").text
    services = cloud.services
    with services.database.reading(made["tenant_id"]) as connection:
        row = clients.find(connection, made["tenant_id"], made["client_id"])
        user_id = api().get("/auth/me").json()["user"]["id"]
        mine = [one.id for one in clients.usable(connection, made["tenant_id"], user_id)]
        assert clients.find(connection, "somebody-else", made["client_id"]) is None
    assert clients.secret_of(services.vault, row).hex() == made["client_secret"]
    assert bytes.fromhex(made["client_secret"]) not in row.secret_sealed
    assert mine[0] == made["client_id"]


@pytest.mark.parametrize("by", ["delete", "revoke"])
def test_a_client_can_be_ended(cloud, api, by):
    made = api("user").post("/auth/clients", json={"name": "old phone"}).json()
    client_id, tenant_id = made["client_id"], made["tenant_id"]
    if by == "delete":
        answer = api("user").delete(f"/auth/clients/{client_id}")
    else:
        answer = api("user").post("/auth/clients/revoke", json={"client_id": client_id})
    assert answer.json() == {"status": "revoked", "client_id": client_id, "name": "old phone"}
    listed = api("user").get("/auth/clients").json()["clients"]
    assert [one["revoked"] for one in listed if one["client_id"] == client_id] == [True]
    with cloud.services.database.reading(tenant_id) as connection:
        user_id = api("user").get("/auth/me").json()["user"]["id"]
        assert client_id not in [one.id for one in clients.usable(connection, tenant_id, user_id)]


def test_only_an_admin_sees_and_ends_the_clients_of_others(api):
    made = api("owner").post("/auth/clients", json={"name": "mine"}).json()["client_id"]
    assert made not in api("user").get("/auth/clients").text
    assert api("user").delete(f"/auth/clients/{made}").status_code == 404
    assert made in api("admin").get("/auth/clients").text
    assert api("admin").delete(f"/auth/clients/{made}").status_code == 200


def test_a_tenant_has_so_many_clients_and_no_more(api, monkeypatch):
    monkeypatch.setattr(clients, "MOST", 1)
    answers = [api("owner", "frugal").post("/auth/clients", json={"name": "c"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 409]
