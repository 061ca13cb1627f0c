"""Turns of two workers over one database: what they do together is what one would do."""

import json

import pytest

from host_sim.cloud.catalogue import devices, tenants
from host_sim.cloud.exchange.inbox import Arrivals
from host_sim.cloud.exchange.turn import Turn
from host_sim.cloud.gate.recheck import refusal
from host_sim.cloud.security.vault import Vault
from host_sim.profiles import PROFILES
from hxtp.sign import Key

NOW = 1767225600000
VAULT = Vault([b"\xab" * 32])


@pytest.fixture
def made(database):
    with database.writing() as connection:
        tenant = tenants.add_tenant(connection, "Home", NOW)[0]
    with database.writing(tenant) as connection:
        return devices.register(connection, VAULT, tenant, "x", NOW)


@pytest.fixture
def workers(database):
    """Two, of which each call is a turn: workers[0](messages, now) gives what leaves, as JSON."""

    def worker():
        turn = Turn(VAULT, database.see, refusal, 45, 3)

        def take(messages, now):
            with database.writing(quiet=True) as connection:
                outcome = turn.run(connection, messages, now, True)
            return [json.loads(payload) for _, payload in outcome.messages]

        return take

    return [worker(), worker()]


def hello(made, number, at):
    body = {"challenge": f"{number:032x}", "boot_count": 1, "results_kept": 8, "device_type": "x"}
    fields = {
        "message_type": "hello",
        "device_id": made.device_id,
        "tenant_id": made.tenant_id,
        "client_id": made.device_id,
        "message_id": f"00000000-0000-4000-8000-{number:012x}",
        "request_id": f"00000000-0000-4000-8000-{number:012x}",
        "sequence_number": number,
        "timestamp": at,
        "nonce": f"{number:032x}",
    }
    text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    payload = PROFILES["pipe10"].build(Key(made.secret), fields, text, False)
    return Arrivals(made.tenant_id, made.device_id, [("hello", payload)])


def test_a_stale_hello_is_answered_once_in_five_seconds_by_all_of_them(made, workers):
    # HX3-SESS-24
    first, second = workers
    past = NOW - 400000
    (answer,) = first([hello(made, 1, past)], NOW)
    assert answer["message_type"] == "hello_ack" and answer["params"]["session"] is False
    assert second([hello(made, 2, past)], NOW + 4999) == []
    assert first([hello(made, 3, past)], NOW + 4999) == []
    assert len(second([hello(made, 4, past)], NOW + 5000)) == 1


def test_devices_are_told_the_interval_that_was_set(made, workers):
    # HX3-PRES-01
    (answer,) = workers[0]([hello(made, 1, NOW)], NOW)
    assert answer["params"]["session"] is True and answer["params"]["heartbeat_interval"] == 45
