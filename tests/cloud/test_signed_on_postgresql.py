"""Programs that sign on the WebSocket, on PostgreSQL: their secrets, nonces and commands are rows there."""

import contextlib

import pytest

from tests.cloud.programs import PLAIN, Program, dial, token_of


@pytest.fixture(scope="module")
def cloud_settings(postgres_settings):
    return {**PLAIN, **postgres_settings()}


@pytest.fixture(scope="module")
def lamp(device):
    return device()


@pytest.fixture(scope="module")
def app(api):
    made = api().post("/auth/clients", json={"name": "app"}).json()
    return made["client_id"], bytes.fromhex(made["client_secret"])


@pytest.fixture
def program(cloud, api, lamp, app):
    """program() is one more connection of the app."""
    with contextlib.ExitStack() as stack:

        def opened(profile="pipe10"):
            socket = stack.enter_context(dial(cloud, token_of(api())))
            return Program(socket, *app, lamp, profile)

        yield opened


@pytest.mark.parametrize("profile", ["pipe10", "json-full"])
def test_a_command_is_executed_once_however_often_it_is_signed(program, api, lamp, profile):
    level = len(profile)
    first = program(profile)
    message_id = first.command("light_brightness", {"brightness": level})
    ack = first.answer(message_id)
    assert (ack["type"], ack["ack_status"], ack["result"]) == ("ack", "executed", {"brightness": level})
    lamp.sim.parts[0].brightness = 0  # somebody else's hand
    again = program(profile)
    again.command("light_brightness", {"brightness": level}, message_id=message_id)
    assert again.answer(message_id)["ack_status"] == "executed"
    assert lamp.sim.parts[0].brightness == 0
    ids = [one["id"] for one in api().get(f"/device/{lamp.id}/commands").json()["commands"]]
    assert len(ids) == len(set(ids))


def test_a_replay_counts_on_no_other_connection_either(cloud, program, lamp):
    first, second = program(), program()
    data = first.built("command", {"action": "light_brightness", "brightness": 55})
    first.send(data)
    until_told = first.next("ack")
    assert until_told.params()["ack_status"] == "executed"
    before = cloud.services.live.refused["NONCE_REUSED"]
    second.send(data)
    second.command("light_brightness", {"brightness": 56})  # behind it, and so judged after it
    second.next("ack")
    assert cloud.services.live.refused["NONCE_REUSED"] == before + 1
