"""Telemetry over REST: what a device measured, by sample and by time."""

import json
import time

import pytest

from host_sim.cloud.catalogue import samples
from tests.cloud.waiting import until


def error(answer):
    return answer.status_code, answer.json()["error"]


@pytest.fixture(scope="module")
def measured(api, cloud):
    """A device with a sample a minute for ten minutes from `at` (ms) on: (path, at)."""
    registered = api().post("/device/register", json={"device_type": "x"}).json()
    tenant_id, device_id, at = registered["tenant_id"], registered["device_id"], 1767225600000
    times = [at + 60000 * minute for minute in range(10)]
    texts = [json.dumps({"temperature": 200 + minute, "part": {"lux": minute}}) for minute in range(10)]
    with cloud.services.database.writing(tenant_id) as connection:
        samples.add(connection, tenant_id, at + 600000, [(device_id, times, texts)])
    return f"/devices/{device_id}/telemetry", at


def test_what_a_device_sends_can_be_read(api, device):
    lamp = device()
    before = time.time()
    lamp.mqtt.call(lambda: lamp.sim.session.telemetry({"temperature": 215}, time.monotonic_ns() // 1000000))
    path = f"/devices/{lamp.id}/telemetry"
    told = until(lambda: api("viewer").get(path).json()["samples"], "the sample")
    assert told[0]["data"]["temperature"] == 215
    assert told[0]["received_at"][:4] == time.strftime("%Y", time.gmtime(before))
    summed = api("viewer").get(path, params={"aggregate": "avg", "field": "temperature"}).json()
    assert [(one["value"], one["count"]) for one in summed["buckets"]] == [(215, 1)]


def test_samples_come_in_pages_the_newest_first(api, measured):
    path, at = measured
    seen, params = [], {"limit": 4}
    while params:
        page = api().get(path, params=params).json()
        seen += [one["data"]["temperature"] for one in page["samples"]]
        params = {"limit": 4, "cursor": page["next_cursor"]} if "next_cursor" in page else None
    assert seen == list(range(209, 199, -1))
    some = api().get(path, params={"from": at + 60000, "to": at + 180000}).json()
    assert [one["sampled_at"] for one in some["samples"]] == [
        "2026-01-01T00:02:00.000Z",
        "2026-01-01T00:01:00.000Z",
    ]
    assert api().get(path, params={"from": 5, "to": 5}).json() == {
        "device_id": path.split("/")[2],
        "samples": [],
        "count": 0,
    }


def test_an_aggregate_is_by_time(api, measured):
    path, at = measured
    params = {"from": at, "to": at + 600000, "bucket": 300}
    told = api().get(path, params={**params, "aggregate": "max", "field": "temperature"}).json()
    assert told["buckets"] == [
        {"start": "2026-01-01T00:00:00.000Z", "value": 204, "count": 5},
        {"start": "2026-01-01T00:05:00.000Z", "value": 209, "count": 5},
    ]
    assert (told["aggregate"], told["bucket"], told["count"], "samples" in told) == ("max", 300, 2, False)
    nested = api().get(path, params={**params, "aggregate": "avg", "field": "part.lux"}).json()
    assert [one["value"] for one in nested["buckets"]] == [2, 7]
    assert [
        one["value"] for one in api().get(path, params={**params, "aggregate": "count"}).json()["buckets"]
    ] == [
        5,
        5,
    ]


def test_without_a_time_the_last_day_is_summed_up(api, measured):
    path, at = measured
    assert api().get(path, params={"aggregate": "count"}).json()["buckets"] == []
    told = api().get(path, params={"aggregate": "count", "to": at + 86400000, "bucket": 86400}).json()
    assert [one["value"] for one in told["buckets"]] == [10]
    told = api().get(path, params={"aggregate": "count", "to": at + 86400001, "bucket": 86400}).json()
    assert [one["value"] for one in told["buckets"]] == [9]


@pytest.mark.parametrize(
    "params",
    [
        {"aggregate": "median", "field": "temperature"},
        {"aggregate": "avg"},
        {"aggregate": "avg", "field": 'x" or 1'},
        {"aggregate": "avg", "field": "a..b"},
        {"aggregate": "avg", "field": "a.b.c.d.e"},
        {"aggregate": "count", "bucket": 0},
        {"aggregate": "count", "bucket": 1, "from": 0, "to": 2002000},
        {"from": -1},
        {"to": 253402300800000},
        {"from": "yesterday"},
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "x"},
        {"cursor": "1.9999999999999999999"},
    ],
)
def test_what_cannot_be_asked_is_refused(api, measured, params):
    assert error(api().get(measured[0], params=params)) == (400, "BAD_REQUEST")


def test_a_state_is_told_with_its_version(api, device):
    lamp = device()
    path = f"/devices/{lamp.id}/state"
    first = until(lambda: (told := api().get(path).json())["version"] and told, "a state")
    assert first["online"] and first["state"]["light"] is False and first["last_seen"]
    api().command(lamp.id, "light_on")
    lamp.mqtt.call(lambda: lamp.sim.session.report_state())
    after = until(lambda: (told := api().get(path).json())["state"]["light"] and told, "the next state")
    assert after["version"] > first["version"] and after["updated_at"] >= first["updated_at"]
    silent = api().post("/device/register", json={"device_type": "x"}).json()["device_id"]
    told = api().get(f"/devices/{silent}/state").json()
    assert (told["state"], told["version"], told["updated_at"], told["online"]) == ({}, 0, None, False)
    assert api("owner", "other").get(path).status_code == 404
