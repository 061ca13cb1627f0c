"""The demonstration's eavesdropper has a login at the cloud's broker where it was given one, only there."""

import pytest

from host_sim.cloud.server import Cloud
from host_sim.cloud.settings import load
from host_sim.demo.attacker import Attacker

NAME = "eavesdropper"


@pytest.fixture
def cloud(tmp_path):
    """cloud(**given) starts one; it ends with the test."""
    started = []

    def start(**given) -> Cloud:
        settings = load(
            {"data": tmp_path / str(len(started)), "port": 0, "broker_port": 0, "log_level": "warning"},
            environment={},
        )
        started.append(Cloud(settings, **given).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


def login(cloud: Cloud, password: str, seconds: float) -> None:
    Attacker(cloud.broker.port, cloud.pki.ca, NAME, password).start(seconds).stop()


def test_a_guest_comes_in_by_its_password_alone_and_who_does_not_is_told(cloud):
    events = []
    one = cloud(guests=[NAME], on_broker_event=lambda now, kind, client_id, detail: events.append(kind))
    login(one, one.guests[NAME], 20)
    assert "refused" not in events
    with pytest.raises(TimeoutError):
        login(one, "guessed", 1)
    assert "refused" in events


def test_nobody_is_a_guest_of_a_cloud_that_was_not_told_of_one(cloud):
    password = cloud(guests=[NAME]).guests[NAME]
    other = cloud()
    assert other.guests == {}
    with pytest.raises(TimeoutError):
        login(other, password, 1)


def test_guests_of_a_broker_elsewhere_are_refused_and_not_forgotten(tmp_path):
    settings = load({"data": tmp_path, "broker": "mqtts://cloud@broker.example"}, environment={})
    with pytest.raises(ValueError, match="embedded broker"):
        Cloud(settings, guests=[NAME])
