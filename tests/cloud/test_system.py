"""What the cloud says of itself: health that is measured, versions, the changelog, Prometheus' numbers."""

import re
import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from host_sim.cloud import changelog
from host_sim.cloud.health import Health
from host_sim.cloud.routes import system
from host_sim.cloud.server import Cloud
from host_sim.cloud.settings import load
from hxtp_device import VERSION
from tests.cloud.waiting import until

PARTS = {"api", "database", "redis", "mqtt", "worker", "build_service", "cloud_editor"}


def test_health_tells_of_every_part_what_was_measured(api, device):
    device()
    until(lambda: api(None).get("/health").json()["metrics"]["active_devices"], "the device to be counted")
    answer = api(None).get("/health")
    told = answer.json()
    assert (answer.status_code, told["status"]) == (200, "ok")
    assert set(told["services"]) == PARTS
    absent = {name for name, one in told["services"].items() if one["status"] == "not_configured"}
    assert absent == {"redis", "build_service", "cloud_editor"}
    assert all(told["services"][name]["latency_ms"] >= 0 for name in PARTS - absent)


def test_live_and_ready_are_short(api):
    assert api(None).get("/health/live").json() == {"status": "ok"}
    assert api(None).get("/health/ready").json() == {"status": "ready"}


def test_status_and_version(api):
    told = api(None).get("/status").json()
    assert told == {
        "system": "HXTP Cloud",
        "status": "operational",
        "beta": True,
        "version": VERSION,
        "protocol": "HxTP/3.0",
    }
    assert api(None).get("/version").json() == {"version": VERSION, "protocol": "HxTP/3.0"}


@pytest.fixture
def breakable(tmp_path):
    """A cloud of this test's own."""
    given = {"data": str(tmp_path), "port": 0, "broker_port": 0, "log_level": "error", "plain_http": True}
    with Cloud(load(given, environment={})) as running:
        yield running


def test_a_broker_or_database_that_fails_makes_it_degraded(breakable, client_of):
    client = client_of(breakable)
    assert client.get("/health/ready").status_code == 200
    breakable.broker.stop()

    def degraded():
        answer = client.get("/health")
        return answer if answer.status_code == 503 else None

    answer = until(degraded, "the broker's end to be noticed")
    told = answer.json()
    assert told["status"] == "degraded"
    assert told["checks"] == {"api": True, "database": True, "mqtt": False, "worker": True}
    assert told["error"] == "DEGRADED" and told["request_id"] == answer.headers["X-Request-ID"]
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200
    assert client.get("/status").json()["status"] == "degraded"

    def broken(*unused):
        raise RuntimeError("no such disk")

    breakable.services.database.reading = broken
    until(lambda: client.get("/health").json()["checks"]["database"] is False, "the database's end")


def _health(services, limit_s=5.0):
    return Health(
        services.settings,
        services.database,
        services.exchange,
        services.uplink,
        lambda: services.loop,
        limit_s,
    )


def test_the_api_is_measured_over_the_loop_that_serves_it(cloud):
    held, free, asked = threading.Event(), threading.Event(), threading.Event()

    def hold():
        held.set()
        free.wait(20)

    def loop():
        asked.set()
        return services.loop

    services = cloud.services
    health = Health(services.settings, services.database, services.exchange, services.uplink, loop, 5.0)
    assert health._measure().services["api"].latency_ms > 0
    services.loop.call_soon_threadsafe(hold)
    try:
        assert held.wait(20)
        assert _health(services, limit_s=0.05)._measure().checks["api"] is False
        asked.clear()
        reports = []
        asking = threading.Thread(target=lambda: reports.append(health._measure()))
        asking.start()
        assert asked.wait(20)
        time.sleep(0.03)  # that long it has to wait at least
    finally:
        free.set()
    asking.join(20)
    assert reports[0].services["api"].latency_ms >= 30


def test_an_api_that_serves_nothing_is_not_operational(cloud):
    services = cloud.services
    health = Health(
        services.settings, services.database, services.exchange, services.uplink, lambda: None, 0.05
    )
    assert health._measure().checks["api"] is False


def test_a_part_that_hangs_is_asked_once_and_not_waited_for(cloud):
    hangs, asked = threading.Event(), []

    class Database:
        is_sqlite = True

        def check(self):
            asked.append(1)
            hangs.wait(20)

    services = cloud.services
    health = Health(
        services.settings, Database(), services.exchange, services.uplink, lambda: services.loop, 0.05
    )
    try:
        for _ in range(3):
            report = health._measure()
            assert report.checks == {"api": True, "database": False, "mqtt": True, "worker": True}
            assert report.active_devices is None
        assert len(asked) == 1
    finally:
        hangs.set()


def test_an_exchange_that_takes_no_turns_is_no_worker(cloud, monkeypatch):
    services = cloud.services
    health = _health(services)
    assert health.report().works
    monkeypatch.setattr(type(services.exchange), "idle_s", lambda self: 60.0)
    assert health._measure().checks["worker"] is False


CHANGES = """# Changelog

Words before the first version.

## [Unreleased]

### Added

- One thing, which takes
  two lines.
- Another.

## [1.0.0] - 2026-01-02

### Fixed

* A fault.

Words between.

## 0.9.0
"""


def test_the_changelog_is_told_as_data(api, tmp_path, monkeypatch):
    file = tmp_path / "CHANGELOG.md"
    file.write_text(CHANGES)
    monkeypatch.setattr(system.changelog, "FILE", file)
    told = api(None).get("/changelog").json()
    assert told == {
        "versions": [
            {
                "version": "Unreleased",
                "date": None,
                "sections": {"Added": ["One thing, which takes two lines.", "Another."]},
            },
            {"version": "1.0.0", "date": "2026-01-02", "sections": {"Fixed": ["A fault."]}},
            {"version": "0.9.0", "date": None, "sections": {}},
        ],
        "count": 3,
    }
    assert api(None).get("/changelog", params={"limit": 1}).json()["count"] == 1
    file.unlink()
    assert api(None).get("/changelog").json() == {"versions": [], "count": 0}


def test_a_huge_changelog_is_cut(tmp_path):
    file = tmp_path / "CHANGELOG.md"
    file.write_text("## 1\n### Added\n" + "- x\n" * 500 + "## 2\n" * 100)
    versions = changelog.read(file)
    assert len(versions) == changelog.MOST_VERSIONS
    assert len(versions[0].sections["Added"]) == changelog.MOST_ENTRIES


def _numbers(api) -> dict:
    text = api(None).get("/metrics").text
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_prometheus_reads_what_happened(api, device, cloud):
    lamp = device()
    api().command(lamp.id, "light_on")
    api().post(f"/device/{lamp.id}/command", json={"action": "nonsense"})
    api().post("/devices/command", json={"action": "light_on", "device_ids": ["nobody"]})
    topic = f"hxtp/{lamp.registration['tenant_id']}/device/{lamp.id}/state"
    cloud.services.exchange.receive(topic, b"no frame")
    cloud.services.exchange.receive("hxtp/x", b"")

    until(lambda: any(key[0] == "hxtp_device_refusals_total" for key in _numbers(api)), "the refusal")
    numbers = _numbers(api)
    assert numbers[("hxtp_commands_total", ("state", "acknowledged"))] >= 1
    for code, step in (("ACTION_NOT_IN_MANIFEST", "manifest"), ("NOT_FOUND", "request")):
        assert numbers[("hxtp_gate_refusals_total", ("code", code), ("step", step))] >= 1
    assert numbers[("hxtp_device_messages_total", ("kind", "hello"))] >= 1
    assert numbers[("hxtp_broker_connected",)] == 1
    assert numbers[("hxtp_exchange_turns_total",)] >= 1
    assert 0 < numbers[("hxtp_exchange_processor_seconds_total",)] < time.process_time()
    assert any(key[0] == "hxtp_stray_messages_total" for key in numbers)
    route = ("route", "/device/{device_id}/command")
    key = ("hxtp_http_requests_total", ("method", "POST"), route, ("status", "400"))
    assert numbers[key] >= 1
    assert numbers[("hxtp_http_request_seconds_count", route)] >= 2


def test_no_label_holds_what_a_stranger_chose_or_whose_it_is(api, cloud, device):
    lamp = device()
    api(None).get("/made-up-path-of-somebody")
    api(None).request("MADEUP", "/status")
    until(lambda: "hxtp_http_requests_total" in api(None).get("/metrics").text)
    text = api(None).get("/metrics").text
    for told in (lamp.id, lamp.registration["tenant_id"], lamp.registration["device_secret"]):
        assert told not in text
    assert "made-up" not in text and "MADEUP" not in text
    assert re.search(r'hxtp_http_requests_total\{method="GET",route="unmatched",status="404"\}', text)


def test_two_clouds_in_a_process_count_apart(breakable, client_of, api):
    key = 'route="/version"'
    client_of(breakable).get("/version")
    text = client_of(breakable).get("/metrics").text
    assert re.search(rf'hxtp_http_requests_total{{method="GET",{key},status="200"}} 1.0', text)
