"""Pages of lists: nothing is skipped or told twice, and who asks for no page gets what there is."""

import re
import uuid

import httpx
import pytest
import sqlalchemy as sa

from host_sim.cloud.catalogue import cognition, commands, devices, scenes
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage import tables

NOW = 1767225600000
VAULT = Vault([b"\xab" * 32])


def test_pages_hold_every_device_once_whatever_comes_and_goes(database, tenant):
    def register(at):
        with database.writing(tenant) as connection:
            return devices.register(connection, VAULT, tenant, "x", at).device_id

    made = [register(NOW + number // 3) for number in range(7)]  # three of a ms
    seen, after = [], None
    for _ in range(10):
        with database.reading(tenant) as connection:
            rows = devices.every(connection, tenant, Page(2, after))
        seen += [row.id for row in rows[:2]]
        if len(rows) <= 2:
            break
        after = (rows[1].created_at, rows[1].id)
        with database.writing(tenant) as connection:  # the last one that is known goes
            connection.execute(sa.delete(tables.devices).where(tables.devices.c.id == rows[1].id))
    register(NOW - 1)
    assert sorted(seen) == sorted(made)


def test_pages_of_a_history_go_on_within_a_millisecond(database, tenant):
    with database.writing(tenant) as connection:
        device_id = devices.register(connection, VAULT, tenant, "x", NOW).device_id
        for number in range(5):
            connection.execute(
                tables.commands.insert().values(
                    **{"id": str(uuid.uuid4()), "tenant_id": tenant, "device_id": device_id},
                    **{"number": number, "action": "x", "params": {}, "state": "failed", "due_at": NOW},
                    **{"actor": "user:me", "created_at": NOW, "expires_at": NOW},
                )
            )
    seen, after = [], None
    with database.reading(tenant) as connection:
        while rows := commands.history(connection, tenant, device_id, 2, None, after)[0]:
            seen += [row.number for row in rows]
            after = (rows[-1].created_at, rows[-1].number)
        assert seen == [4, 3, 2, 1, 0]
        assert commands.history(connection, tenant, device_id, 2, NOW) == ([], False)


@pytest.fixture(scope="module")
def filled(api):
    """The paths of lists, with the members that hold what is listed; each has three or more."""
    owner = api()
    made = [owner.post("/device/register", json={"device_type": "x"}).json()["device_id"] for _ in range(3)]
    step = {"device_id": made[0], "action": "light_on"}
    rule = {
        "when": {"all": [{"member": "n", "op": "==", "value": "never"}]},
        "intent": {"type": "device.control", "payload": step},
    }
    homes = [owner.post("/homes", json={"home_name": f"h{n}"}).json()["id"] for n in range(3)]
    for number in range(3):
        owner.post(f"/homes/{homes[0]}/rooms", json={"name": f"r{number}"})
        owner.post("/groups", json={"name": f"g{number}", "device_ids": made})
        owner.post("/auth/api-keys", json={"name": f"k{number}", "scopes": ["read:devices"]})
        owner.post("/auth/clients", json={"name": f"c{number}"})
        owner.post("/cognition/observation", json={"device_id": made[0], "data": {"n": number}})
        owner.post("/scenes", json={"name": f"s{-number}", "steps": [step]})
        owner.post("/cognition/rules", json={"name": f"u{number}", **rule})
        owner.post("/tenant/users", json={"email": f"p{number}@home.example", "role": "viewer"})
    return {
        "/devices": "devices",
        "/homes": "homes",
        f"/homes/{homes[0]}/rooms": "rooms",
        "/groups": "groups",
        "/auth/api-keys": "api_keys",
        "/auth/clients": "clients",
        "/tenant/users": "users",
        "/cognition/proposals": "proposals",
        "/cognition/rules": "rules",
        "/scenes": "scenes",
    }


def test_every_list_comes_in_pages_that_lead_to_each_other(api, filled):
    owner = api()
    for path, member in filled.items():
        whole = owner.get(path)
        assert "next_cursor" not in whole.json() and "Link" not in whole.headers, path
        assert whole.json()["count"] == len(whole.json()[member]) >= 3
        asked = {"limit": 2, **({"state": "none"} if "proposals" in path else {})}
        seen, answer = [], owner.get(path, params=asked)
        while True:
            told = answer.json()
            assert told["count"] == len(told[member]) <= 2
            seen += told[member]
            assert ("next_cursor" in told) == ("Link" in answer.headers)
            if "next_cursor" not in told:
                break
            found = re.fullmatch(r'<(\?[^>]+)>; rel="next"', answer.headers["Link"])
            answer = owner.get(path, params={**asked, "cursor": told["next_cursor"]})
            assert owner.get(path + found[1]).json() == answer.json()
            assert set(asked) <= set(httpx.QueryParams(found[1][1:])), "what else was asked is asked again"
        assert seen == whole.json()[member], path


def test_a_list_shows_a_scene_or_a_rule_as_it_is_shown_alone(api, filled):
    for path in ("/scenes", "/cognition/rules"):
        for one in api().get(path).json()[filled[path]]:
            assert api().get(f"{path}/{one['id']}").json() == one


def test_a_page_of_scenes_or_rules_ends_where_there_is_too_much_in_it(database, tenant):
    much = [{"action": "x" * 400000}]
    with database.writing(tenant) as connection:
        for number in range(4):
            row = {"id": f"{number}", "tenant_id": tenant, "name": f"{number}", "created_at": NOW}
            connection.execute(tables.scenes.insert().values(**row, steps=much))
            connection.execute(tables.rules.insert().values(**row, when={}, intent=much, automatic=False))
    with database.reading(tenant) as connection:
        for read in (scenes.every, cognition.page_of_rules):
            first, more = read(connection, tenant, Page(1000))
            assert ([row.id for row in first], more) == (["0", "1"], True)
            rest, more = read(connection, tenant, Page(1000, (NOW, "1")))
            assert ([row.id for row in rest], more) == (["2", "3"], False)


def test_a_page_is_bounded_and_a_cursor_has_a_form(api, filled):
    for path in filled:
        for wrong in (
            {"limit": 0},
            {"limit": 1001},
            {"cursor": "x"},
            {"cursor": f"{filled[path]}.1.{'x' * 65}"},
        ):
            answer = api().get(path, params=wrong)
            assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST"), (path, wrong)


def test_a_cursor_of_another_tenant_shows_nothing_of_it(api, filled):
    cursor = api().get("/devices", params={"limit": 1}).json()["next_cursor"]
    assert api("owner", "other").get("/devices", params={"cursor": cursor}).json()["devices"] == []


def test_a_cursor_of_another_list_is_refused_and_told_what_this_one_wants(api, filled):
    cursors = {path: api().get(path, params={"limit": 1}).json()["next_cursor"] for path in filled}
    for path, following in zip(filled, [*list(filled)[1:], *filled], strict=False):
        answer = api().get(path, params={"cursor": cursors[following]})
        told = answer.json()
        assert (answer.status_code, told["error"]) == (400, "BAD_REQUEST")
        of_this = f"the page before of this list, just as it was told, such as {filled[path]}."
        assert of_this in told["message"], path
    for wrong in (cursors["/homes"], "1767225600000.7"):  # the second is of telemetry
        answer = api().get("/device/x/commands", params={"cursor": wrong})
        assert answer.status_code == 400 and "`next_cursor` of the page before" in answer.json()["message"]
    answer = api(None).get("/devices", params={"cursor": cursors["/homes"]})
    assert answer.status_code == 401


def test_a_history_of_commands_and_one_of_states_come_in_pages(api, device):
    lamp = device()
    for level in (1, 2, 3):
        api().command(lamp.id, "light_brightness", {"brightness": level})
    found = api().get(f"/device/{lamp.id}/commands", params={"limit": 2})
    more = api().get(f"/device/{lamp.id}/commands{re.match('<(.*?)>', found.headers['Link'])[1]}").json()
    levels = [one["params"]["brightness"] for one in found.json()["commands"] + more["commands"]]
    assert levels == [3, 2, 1] and "next_cursor" not in more

    path = f"/devices/{lamp.id}/state"
    present = api("viewer").get(path).json()
    first = api("viewer").get(f"{path}/history", params={"limit": 1})
    told = first.json()
    assert told["device_id"] == lamp.id and told["count"] == 1
    assert told["states"] == [{name: present[name] for name in ("version", "state", "updated_at")}]
    rest = (
        api("viewer").get(f"{path}/history{re.match('<(.*?)>', first.headers['Link'])[1]}&limit=1000").json()
    )
    versions = [one["version"] for one in rest["states"]]
    assert versions and versions == sorted(versions, reverse=True) and versions[0] < present["version"]
    assert "next_cursor" not in rest
    assert {one["state"]["brightness"] for one in told["states"] + rest["states"]} >= {2, 3}
    for wrong in ({"limit": 1001}, {"cursor": "-1"}):
        assert api().get(f"{path}/history", params=wrong).status_code == 400
