"""Making a tenant, its settings, and the people in it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from host_sim.cloud.catalogue import users
from host_sim.cloud.routes.tenant import Changes, Values
from host_sim.cloud.settings import RISKS, TENANT_SETTINGS
from tests.cloud.waiting import until


def test_somebody_without_a_tenant_makes_one_and_owns_it_and_only_one(api):
    new = api("new", None)
    answer = new.post("/tenant/register", json={"tenant_name": "My Smart Home"})
    made, user = answer.json(), new.get("/auth/me").json()["user"]
    assert answer.status_code == 201
    assert (user["role"], user["tenant_id"], user["id"]) == ("owner", made["tenant_id"], made["user_id"])
    assert user["tenant_slug"] == "my-smart-home"
    assert new.get("/devices").json() == {"devices": [], "count": 0}
    again = new.post("/tenant/register", json={"tenant_name": "Another"})
    assert (again.status_code, again.json()["error"]) == (409, "TENANT_EXISTS")


def test_two_tenants_of_one_name_are_two(api):
    made = [
        api(f"twin-{number}", None).post("/tenant/register", json={"tenant_name": "Twin"}).json()
        for number in range(2)
    ]
    assert made[0]["tenant_id"] != made[1]["tenant_id"]
    assert [one["tenant_slug"] for one in made] == ["twin", "twin-2"]


def test_who_registers_often_at_once_has_one_tenant(api):
    eager = api("eager", None)
    with ThreadPoolExecutor(6) as pool:
        body = {"tenant_name": "Eager"}
        answers = list(pool.map(lambda _: eager.post("/tenant/register", json=body), range(6)))
    assert sorted(one.status_code for one in answers) == [201] + 5 * [409]
    made = next(one.json() for one in answers if one.status_code == 201)
    assert eager.get("/auth/me").json()["user"]["tenant_id"] == made["tenant_id"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", None, 7])
def test_a_tenant_needs_a_name(api, name):
    answer = api("nameless", None).post("/tenant/register", json={"tenant_name": name})
    assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")


# -- settings ----


def test_the_description_of_the_settings_is_complete():
    assert set(Changes.model_fields) == set(Values.model_fields) == set(TENANT_SETTINGS)
    risky = {name for name, one in Changes.model_fields.items() if (one.description or "").startswith("RISK")}
    assert risky == set(RISKS) and not any(TENANT_SETTINGS[name] for name in RISKS)


def test_settings_begin_safe_change_by_name_and_go_back(api):
    owner = api("owner", "careful")
    told = owner.get("/tenant/settings").json()
    assert (told["settings"], told["risks"], told["tier"]) == (TENANT_SETTINGS, [], "unlimited")
    changed = owner.patch(
        "/tenant/settings", json={"accept_device_secret_from_clients": True, "max_age_s": 30}
    ).json()
    assert changed["settings"] == {
        **TENANT_SETTINGS,
        "accept_device_secret_from_clients": True,
        "max_age_s": 30,
    }
    assert changed["risks"] == ["accept_device_secret_from_clients"]
    assert owner.get("/tenant/settings").json() == changed
    owner.patch("/tenant/settings", json={"future_s": 5})
    owner.patch("/tenant/settings", json={"accept_device_secret_from_clients": None})
    told = owner.get("/tenant/settings").json()
    assert told["settings"] == {**TENANT_SETTINGS, "max_age_s": 30, "future_s": 5} and not told["risks"]
    assert api().get("/tenant/settings").json()["settings"] == TENANT_SETTINGS


def test_a_whole_number_may_be_written_with_a_point(api):
    owner = api("owner", "precise")
    told = owner.patch("/tenant/settings", json={"max_age_s": 30.0, "future_s": 5.0}).text
    assert '"max_age_s":30,' in told and '"future_s":5}' in told


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"max_age_s": 29},
        {"max_age_s": 301},
        {"max_age_s": 60.5},
        {"max_age_s": "60"},
        {"future_s": 4},
        {"future_s": 61},
        {"accept_json_full": 1},
        {"accept_json_full": "yes"},
        {"tier": "unlimited"},
        {"max_age_s": 60, "unknown": True},
    ],
)
def test_a_setting_that_is_none_changes_nothing(api, body):
    owner = api("owner", "strict")
    answer = owner.patch("/tenant/settings", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")
    assert owner.get("/tenant/settings").json()["settings"] == TENANT_SETTINGS


# -- people ----


@pytest.fixture(scope="module")
def people(api):
    """The owner of a tenant of their own."""
    return api("owner", "people")


def test_an_owner_brings_people_in_and_gives_them_roles(cloud, people, api):
    made = people.post("/tenant/users", json={"email": "Kim@People.example", "role": "viewer"})
    kim = made.json()
    assert (made.status_code, kim["email"], kim["role"]) == (201, "kim@people.example", "viewer")
    token = {"Authorization": f"Bearer {cloud.services.tokens.make(kim['id'])}"}
    assert api(None).get("/auth/me", headers=token).json()["user"]["tenant_slug"] == "people"
    assert api(None).get("/tenant/users", headers=token).status_code == 403
    changed = people.patch(f"/tenant/users/{kim['id']}", json={"role": "admin"}).json()
    assert changed == {**kim, "role": "admin"}
    listed = api(None).get("/tenant/users", headers=token).json()
    assert listed["count"] == 2 and changed in listed["users"]


def test_who_is_let_go_while_the_role_is_changed_is_not_found(people, monkeypatch):
    made = people.post("/tenant/users", json={"email": "pat@people.example", "role": "viewer"}).json()
    monkeypatch.setattr(
        users, "change_role", lambda at, tenant_id, user_id, role: users.remove(at, tenant_id, user_id, 1)
    )
    gone = people.patch(f"/tenant/users/{made['id']}", json={"role": "user"})
    assert (gone.status_code, gone.json()["error"]) == (404, "NOT_FOUND")


def test_an_address_that_is_known_is_not_brought_in(people, api):
    taken = api("user").get("/auth/me").json()["user"]["email"]
    answer = people.post("/tenant/users", json={"email": taken.upper(), "role": "user"})
    assert (answer.status_code, answer.json()["error"]) == (409, "USER_EXISTS")
    assert api("user").get("/auth/me").json()["user"]["tenant_slug"] == "home"


@pytest.mark.parametrize(
    "email", ["", "nobody", "@", "a b@c.d", "a\u2003@b", "a@b\x85", "a@b\n", "x" * 65 + "@y.z"]
)
def test_what_is_no_address_is_refused(people, email):
    assert people.post("/tenant/users", json={"email": email}).status_code == 400


def test_whoever_goes_loses_tokens_keys_and_clients(cloud, people, api):
    lee = people.post("/tenant/users", json={"email": "lee@people.example", "role": "user"}).json()["id"]
    token = {"Authorization": f"Bearer {cloud.services.tokens.make(lee)}"}
    body = {"name": "k", "scopes": ["read:devices"]}
    key = api(None).post("/auth/api-keys", json=body, headers=token).json()["key"]
    client = api(None).post("/auth/clients", json={"name": "c"}, headers=token).json()["client_id"]
    assert people.delete(f"/tenant/users/{lee}").json() == {"status": "removed", "id": lee}
    assert api(None).get("/auth/me", headers=token).status_code == 401
    assert api(None).get("/devices", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    listed = people.get("/auth/clients").json()["clients"]
    assert [one["revoked"] for one in listed if one["client_id"] == client] == [True]
    again = {"Authorization": f"Bearer {cloud.services.tokens.make(lee)}"}
    user = api(None).get("/auth/me", headers=again).json()["user"]
    assert (user["role"], user["tenant_id"]) == ("none", None)
    assert people.delete(f"/tenant/users/{lee}").status_code == 404


def test_a_tenant_keeps_an_owner(api):
    alone = api("owner", "alone")
    me = alone.get("/auth/me").json()["user"]["id"]
    for answer in (
        alone.patch(f"/tenant/users/{me}", json={"role": "admin"}),
        alone.delete(f"/tenant/users/{me}"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (409, "LAST_OWNER")
    second = alone.post("/tenant/users", json={"email": "second@alone.example", "role": "owner"})
    assert second.status_code == 201
    assert alone.patch(f"/tenant/users/{me}", json={"role": "admin"}).json()["role"] == "admin"
    assert alone.get("/tenant/settings").status_code == 403


def test_tighter_limits_are_told_to_devices_that_the_cloud_knew_before(api, device):
    thing = device(tenant="punctual")
    owner = api("owner", "punctual")
    judge = thing.sim.session._verifier
    assert owner.command(thing.id, "light_on")["status"] == "acknowledged"
    assert (judge.max_age, judge.max_future) == (300000, 60000)
    owner.patch("/tenant/settings", json={"max_age_s": 30, "future_s": 5})
    thing.mqtt.reboot()

    def told() -> bool:
        judge = thing.sim.session._verifier
        return (judge.max_age, judge.max_future) == (30000, 5000)

    until(told, "the new limits")
    assert owner.command(thing.id, "light_on")["status"] == "acknowledged"
