"""Commands that wait while their device changes: what it can do, whether it is still ours."""

import pytest
import sqlalchemy as sa

from host_sim.cloud.catalogue import devices, manifests, tenants
from host_sim.cloud.gate.judge import Passed
from host_sim.cloud.storage.tables import agenda, commands
from tests.cloud.raw_device import NOW, VAULT, RawDevice, Worker, capability, hash_of, manifest

GO = manifest(capability("go"))


@pytest.fixture
def made(database):
    with database.writing() as connection:
        tenant = tenants.add_tenant(connection, "Home", NOW)[0]
    with database.writing(tenant) as connection:
        return RawDevice(devices.register(connection, VAULT, tenant, "x", NOW))


@pytest.fixture
def worker(database):
    return Worker(database)


@pytest.fixture
def row(database):
    """row(order) gives its state, its error and whether it has ended."""

    def find(order):
        with database.reading(order.tenant_id) as connection:
            found = connection.execute(sa.select(commands).where(commands.c.id == order.message_id)).one()
        return found.state, found.error, found.settled_at is not None

    return find


def types(messages):
    return [one["message_type"] for one in messages]


def given_by_the_api(database, made, body, first=True):
    with database.writing(made.tenant_id) as connection:
        manifests.put(connection, made.tenant_id, made.id, body, hash_of(body), NOW, first)


def came_back(worker, made, body, now=NOW):
    """It names this manifest and sends it when it is wanted: what leaves for each of the two."""
    named = worker.turn(made.hello(body, now), now=now)
    return types(named), types(worker.turn(made.say("manifest", body, now), now=now))


def test_nothing_that_waited_leaves_before_the_manifest_that_the_device_named(database, made, worker, row):
    # HX3-MAN-24
    given_by_the_api(database, made, GO)
    order = made.order(judged_by=GO)
    assert worker.turn(order, now=NOW) == []
    other = manifest(capability("go"), capability("stop", id=2))
    assert came_back(worker, made, other) == (["hello_ack"], ["command"])
    assert row(order) == ("dispatched", None, False)


def test_what_waits_for_a_manifest_that_never_comes_expires(database, made, worker, row):
    # HX3-MAN-24, HX3-CMD-22
    given_by_the_api(database, made, GO)
    order = made.order(judged_by=GO, life=5000)
    worker.turn(order, now=NOW)
    other = manifest(capability("go"), capability("stop", id=2))
    assert types(worker.turn(made.hello(other, NOW), now=NOW)) == ["hello_ack"]
    for _ in range(2):  # as it is remembered, and as it is read by another worker
        assert worker.turn(made.say("heartbeat", {}, NOW), now=NOW) == []
        worker = Worker(database)
    assert worker.turn(made.look(), now=NOW + 5000) == []
    assert row(order) == ("expired", None, True)


REFUSED = {
    "gone": (manifest(capability("stop")), "ACTION_NOT_IN_MANIFEST"),
    "restricted": (manifest(capability("go", "restricted")), "RESTRICTED_ACTION"),
    "sensitive": (manifest(capability("go", "sensitive")), "CONFIRMATION_REQUIRED"),
    "critical": (manifest(capability("go", "critical", True)), "DRY_RUN_REQUIRED"),
    "other parameters": (
        manifest(capability("go", far={"type": "integer", "required": True})),
        "PARAMS_INVALID",
    ),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_the_new_manifest_does_not_allow_ends_and_never_leaves(database, made, worker, row, how):
    # HX3-MAN-25
    told, code = REFUSED[how]
    given_by_the_api(database, made, GO)
    order = made.order(judged_by=GO)
    worker.turn(order, now=NOW)
    assert came_back(worker, made, told) == (["hello_ack"], [])
    assert row(order) == ("failed", code, True)
    (notice,) = [one for one in worker.notices if one.kind == "command"]
    assert (notice.body["id"], notice.body["state"], notice.body["error"]) == (
        order.message_id,
        "failed",
        code,
    )


CLASSES = {"sensitive": ("sensitive", False), "untried": ("critical", False), "critical": ("critical", True)}
ENOUGH = {
    ("sensitive", "sensitive"),
    ("untried", "untried"),
    ("critical", "critical"),
    ("critical", "untried"),
}


def test_a_yes_counts_for_the_class_that_it_was_given_for():
    # HX3-MAN-26
    enough = set()
    for passed_as in ("normal", *CLASSES):
        assert Passed("d", "go", {}, "normal", True).has(passed_as)
        for needs, (safety, dry_runs) in CLASSES.items():
            if Passed("d", "go", {}, safety, dry_runs).has(passed_as):
                enough.add((passed_as, needs))
    assert enough == ENOUGH


@pytest.mark.parametrize(("needs", "state"), [("sensitive", "dispatched"), ("critical", "failed")])
def test_what_somebody_said_yes_to_leaves_while_it_is_of_that_class(
    database, made, worker, row, needs, state
):
    # HX3-MAN-26
    given_by_the_api(database, made, GO)
    order = made.order(judged_by=GO, passed_as="sensitive")
    worker.turn(order, now=NOW)
    worker = Worker(database)  # another one goes on
    came_back(worker, made, manifest(capability("go", *CLASSES[needs])))
    assert row(order)[0] == state


def test_a_dry_run_needs_no_yes_and_a_device_that_takes_it(database, made, worker, row):
    # HX3-MAN-25, HX3-CMD-31
    given_by_the_api(database, made, GO)
    first, second = made.order(dry_run=True), made.order(dry_run=True)
    worker.turn(first, now=NOW)
    came_back(worker, made, manifest(capability("go", "critical", True)))
    assert row(first) == ("dispatched", None, False)
    named = manifest(capability("go", "critical"))
    worker.turn(made.hello(named, NOW), second, now=NOW)
    worker.turn(made.say("manifest", named, NOW), now=NOW)
    assert row(second) == ("failed", "PARAMS_INVALID", True)


def test_a_command_that_was_judged_by_the_manifest_before_is_judged_again(database, made, worker, row):
    # HX3-MAN-25: the gate remembers a manifest for a moment
    came_back(worker, made, manifest(capability("go", "critical")))
    order = made.order(judged_by=GO)
    assert worker.turn(order, now=NOW) == []
    assert row(order) == ("failed", "DRY_RUN_REQUIRED", True)


def test_a_manifest_that_somebody_gives_by_the_api_counts_for_what_waits(database, made, worker, row):
    # HX3-MAN-25
    came_back(worker, made, GO)
    worker.turn(made.say("heartbeat", {}, NOW), now=NOW)
    later = NOW + 200000  # it is away by now
    orders = [made.order(judged_by=GO, life=600000) for _ in range(2)]
    assert worker.turn(orders[0], now=later) == []
    given_by_the_api(database, made, manifest(capability("go", "sensitive")), first=False)
    assert worker.turn(made.say("heartbeat", {}, later), orders[1], now=later) == []
    assert [row(order)[:2] for order in orders] == [("failed", "CONFIRMATION_REQUIRED")] * 2


def test_a_device_with_the_manifest_that_the_api_gave_gets_its_commands_at_once(database, made, worker, row):
    given_by_the_api(database, made, GO)
    order = made.order(judged_by=GO)
    worker.turn(order, now=NOW)
    assert types(worker.turn(made.hello(GO, NOW), now=NOW)) == ["hello_ack", "command"]


def test_what_waits_for_a_device_that_is_revoked_ends_at_once(database, made, row):
    # HX3-CMD-35
    worker, other = Worker(database), Worker(database)
    came_back(worker, made, GO)
    sent, waiting = made.order(judged_by=GO), made.order(judged_by=GO, life=600000)
    assert types(worker.turn(sent, now=NOW)) == ["command"]
    later = NOW + 200000
    worker.turn(waiting, now=later)
    with database.writing(made.tenant_id) as connection:
        notices = devices.revoke(connection, made.tenant_id, made.id, later)
    assert row(sent)[0] == "expired" and row(waiting) == ("failed", "DEVICE_REVOKED", True)
    assert [(one.kind, one.body["id"], one.body["error"]) for one in notices] == [
        ("command", waiting.message_id, "DEVICE_REVOKED")
    ]
    assert other.turn(made.look(), now=later) == worker.turn(made.look(), now=later) == []
    with database.reading() as connection:
        database.see(connection, made.tenant_id)
        planned = connection.execute(sa.select(agenda).where(agenda.c.device_id == made.id)).all()
    assert planned == []


def test_what_was_published_to_a_device_that_is_revoked_has_an_unknown_outcome(database, made, worker, row):
    # HX3-CMD-35
    came_back(worker, made, GO)
    order = made.order(judged_by=GO)
    assert types(worker.turn(order, now=NOW)) == ["command"]
    with database.writing(made.tenant_id) as connection:
        notices = devices.revoke(connection, made.tenant_id, made.id, NOW)
        again = devices.revoke(connection, made.tenant_id, made.id, NOW)
    assert row(order) == ("failed", "OUTCOME_UNKNOWN", True)
    assert [one.body["error"] for one in notices] == ["OUTCOME_UNKNOWN"] and again == []
