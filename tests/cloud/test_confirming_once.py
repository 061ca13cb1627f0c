"""One Idempotency-Key is one command, and so is one yes, however often, wherever and after what it comes."""

import contextlib
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import devices, manifests, tenants
from host_sim.cloud.errors import ApiError
from host_sim.cloud.exchange import attempts
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.gate import gate as gates
from host_sim.cloud.gate.gate import Gate
from host_sim.cloud.gate.judge import Asked
from host_sim.cloud.gate.limits import Limits, ProcessCounter
from host_sim.cloud.gate.quota import Quota
from host_sim.cloud.gate.recheck import refusal
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.settings import Settings
from host_sim.cloud.storage.tables import commands
from tests.cloud.waiting import WAIT, hold_still

NOW = 1767225600000
VAULT = Vault([b"\xab" * 32])
ASKED = ["door_open", "door_force"]  # a sensitive one, and a critical one whose device takes no dry run


def capabilities(**changed):
    properties = {"percent": {"type": "integer"}}
    rule = {"additionalProperties": False, "properties": properties}
    door = {"id": 2, "action": "door_open", "paramSchema": rule, "safetyClass": "sensitive", **changed}
    force = {"id": 3, "action": "door_force", "paramSchema": rule, "safetyClass": "critical"}
    return {"capabilities": [{"id": 1, "action": "light_on", "paramSchema": rule}, door, force]}


@dataclass
class Home:
    """Somebody's device that is away, and what this cloud has stored for it."""

    database: object
    caller: Caller
    device_id: str

    def ids(self):
        of_it = commands.c.device_id == self.device_id
        with self.database.reading(self.caller.tenant_id) as connection:
            return list(connection.execute(sa.select(commands.c.id).where(of_it)).scalars())

    def declare(self, first=False, **changed):
        with self.database.writing(self.caller.tenant_id) as connection:
            body, ids = capabilities(**changed), (self.caller.tenant_id, self.device_id)
            assert manifests.put(connection, *ids, body, uuid.uuid4().hex, NOW, first)

    def ask(self, gate, action="door_open", params=None, **more):
        """The token of a command that waits for a yes."""
        with pytest.raises(ApiError) as asked:
            gate.command(self.caller, self.device_id, Asked(action, params or {}, **more))
        return asked.value.more["dry_run_token"]

    def confirm(self, gate, token):
        return gate.confirm(self.caller, self.device_id, token)

    def refused(self, gate, token, **changed):
        with pytest.raises(ApiError) as refused:
            replace(self, **changed).confirm(gate, token)
        return refused.value


@pytest.fixture
def home(database):
    return new_home(database)


def new_home(database):
    with database.writing() as connection:
        tenant_id, slug = tenants.add_tenant(connection, "Home", NOW)
    person = tenants.User(str(uuid.uuid4()), "me@home.example", "user", tenant_id, slug, "free", {}, 0)
    with database.writing(tenant_id) as connection:
        device_id = devices.register(connection, VAULT, tenant_id, "x", NOW).device_id
    made = Home(database, Caller(person, None, f"user:{person.id}"), device_id)
    made.declare(first=True)
    return made


@pytest.fixture
def settings():
    return Settings()


@pytest.fixture
def workers(database, settings):
    """(an exchange that has not started, its gate) of each of two workers, which count together."""
    made = []
    limits = Limits(ProcessCounter())
    for _ in range(2):
        exchange = Exchange(database, VAULT, refusal, lambda name, payload: None, lambda: True)
        made.append((exchange, Gate(database, exchange, Quota(limits, settings))))
    yield made
    for exchange, _ in made:
        exchange.stop()


@pytest.fixture
def gate(workers):
    workers[0][0].start()
    return workers[0][1]


@pytest.fixture
def clock(workers, monkeypatch):
    """clock(ms): it is so much later for all workers."""

    def move(ms):
        for exchange, _ in workers:
            monkeypatch.setattr(exchange, "now", lambda now=exchange._clock: now() + ms)

    return move


@pytest.mark.parametrize("action", ASKED)
def test_one_key_is_one_command_however_often_it_is_asked_for_and_confirmed(gate, home, action):
    # HX3-MAN-22, HX3-WIRE-38
    tokens = [home.ask(gate, action, key="evening") for _ in range(3)]
    assert len(set(tokens)) == 3
    (command_id,) = {home.confirm(gate, token) for token in [*tokens, *tokens]}
    assert home.ids() == [command_id] and uuid.UUID(command_id).version == 4
    # Who asks once more need not be asked: it is done.
    assert gate.command(home.caller, home.device_id, Asked(action, {}, key="evening")) == command_id
    other = home.confirm(gate, home.ask(gate, action, key="morning"))
    assert home.ids() in ([command_id, other], [other, command_id])


def test_without_a_key_each_request_is_a_command_of_its_own(gate, home):
    ids = {home.confirm(gate, home.ask(gate)) for _ in range(2)}
    assert len(ids) == 2 and set(home.ids()) == ids
    assert {uuid.UUID(one).version for one in ids} == {4}


@pytest.mark.parametrize("step", ["_recall", "_ask"])
def test_of_several_commands_those_on_their_way_are_told_though_nobody_can_be_asked_of_the_others(
    gate, home, monkeypatch, step
):
    def lost(*given):
        raise OperationalError("SELECT", None, Exception("the connection was lost"))

    monkeypatch.setattr(gate, step, lost)
    wanted = [(home.device_id, Asked(action, {})) for action in ("light_on", "door_open")]
    done, refused = gate.each(home.caller, wanted)
    assert done["success"] and home.ids() == [done["command_id"]]
    assert (refused["success"], refused["code"]) == (False, "GATEWAY_ERROR")


def test_a_key_belongs_to_its_user_and_its_device(gate, home):
    person = replace(home.caller, user=replace(home.caller.user, id="another"))
    ids = {home.confirm(gate, home.ask(gate, key="k")) for home in (home, replace(home, caller=person))}
    assert len(ids) == 2


@pytest.mark.parametrize(
    "other", [{"ttl_s": 7}, {"params": {"percent": 2}}, {"action": "door_force"}, {"dry_run": True}], ids=str
)
def test_a_key_with_another_body_is_told_so_and_sends_nothing_more(gate, home, other):
    home.declare(supportsDryRun=True)
    body = {"action": "door_open", "params": {}, "ttl_s": 300, "key": "k"}
    tokens = [home.ask(gate, **body)]
    if "dry_run" not in other:
        tokens.append(home.ask(gate, **{**body, **other}))
    command_id = home.confirm(gate, tokens[0])
    with pytest.raises(ApiError) as again:
        gate.command(home.caller, home.device_id, Asked(**{**body, **other}))
    assert again.value.code == "IDEMPOTENCY_CONFLICT"
    assert {home.refused(gate, token).code for token in tokens[1:]} <= {"IDEMPOTENCY_CONFLICT"}
    assert home.ids() == [command_id]
    assert home.confirm(gate, tokens[0]) == command_id
    # 300 s is what it is where nobody says anything.
    assert gate.command(home.caller, home.device_id, Asked("door_open", {}, key="k")) == command_id


def test_the_time_that_a_command_may_wait_is_part_of_what_a_key_stands_for(gate, home):
    def ask(**more):
        return gate.command(home.caller, home.device_id, Asked("light_on", {}, key="k", **more))

    command_id = ask(ttl_s=0.5)
    assert ask(ttl_s=0.5) == command_id
    with pytest.raises(ApiError, match="was used for another command"):
        ask(ttl_s=0.6)
    assert home.ids() == [command_id]


def test_several_devices_that_are_asked_again_get_one_command_each(gate, home, database):
    more = [home.device_id, another_device(home, database)]
    asked = Asked("door_open", {}, key="k")
    tokens = [[one["dry_run_token"] for one in gate.many(home.caller, more, asked)] for _ in range(2)]
    first = gate.confirm(home.caller, more[0], tokens[0][0])
    half = gate.many(home.caller, more, asked)
    assert (half[0]["success"], half[0]["command_id"]) == (True, first)
    assert (half[1]["success"], half[1]["code"]) == (False, "CONFIRMATION_REQUIRED")
    second = gate.confirm(home.caller, more[1], half[1]["dry_run_token"])
    assert [gate.confirm(home.caller, *one) for one in zip(more, tokens[1], strict=True)] == [first, second]
    assert home.ids() == [first]


def another_device(home, database):
    tenant_id = home.caller.tenant_id
    with database.writing(tenant_id) as connection:
        device_id = devices.register(connection, VAULT, tenant_id, "x", NOW).device_id
    replace(home, device_id=device_id).declare(first=True)
    return device_id


@pytest.mark.parametrize("settings", [Settings(sensitive_per_minute=1)], ids=["1 a minute"])
def test_a_yes_that_comes_again_gives_its_command_whatever_has_changed_since(
    gate, home, database, monkeypatch
):
    # HX3-MAN-23
    hold_still(monkeypatch)
    token, late = home.ask(gate), home.ask(gate)
    command_id = home.confirm(gate, token)
    assert home.refused(gate, late).status == 429
    assert home.confirm(gate, token) == command_id
    home.declare(safetyClass="restricted")
    assert home.confirm(gate, token) == command_id
    with database.writing(home.caller.tenant_id) as connection:
        devices.revoke(connection, home.caller.tenant_id, home.device_id, NOW)
    assert home.refused(gate, late).code == "DEVICE_REVOKED"
    assert home.confirm(gate, token) == command_id
    assert home.ids() == [command_id]


@pytest.mark.parametrize(
    "settings", [Settings(sensitive_per_minute=1), Settings(device_per_minute=1)], ids=["class", "device"]
)
def test_a_token_that_met_a_limit_is_good_when_the_limit_lets_it_pass(gate, home, monkeypatch):
    # HX3-MAN-23
    move = hold_still(monkeypatch)
    first = home.confirm(gate, home.ask(gate))
    token = home.ask(gate)
    refused = home.refused(gate, token)
    assert (refused.status, refused.code) == (429, "RATE_LIMIT_EXCEEDED") and refused.headers["Retry-After"]
    assert home.ids() == [first]
    move(int(refused.headers["Retry-After"]))
    second = home.confirm(gate, token)
    assert home.confirm(gate, token) == second
    assert set(home.ids()) == {first, second} and first != second


@pytest.mark.parametrize("settings", [Settings(sensitive_per_minute=1)], ids=["1 a minute"])
def test_a_token_is_good_after_a_503_and_counts_once(workers, home, monkeypatch):
    # HX3-MAN-23
    hold_still(monkeypatch)
    exchange, gate = workers[0]
    token = home.ask(gate)
    with monkeypatch.context() as hurried:
        hurried.setattr(gates, "result", lambda order, timeout=0, real=gates.result: real(order, 0))
        refused = home.refused(gate, token)
    assert (refused.status, refused.hint) == (503, "try again") and home.ids() == []
    exchange.start()
    command_id = home.confirm(gate, token)
    assert home.confirm(gate, token) == command_id
    assert home.ids() == [command_id]


def test_after_a_503_that_names_a_command_the_token_gives_that_one(workers, home, database, monkeypatch):
    # HX3-MAN-22
    exchange, gate = workers[0]
    token, real = home.ask(gate), database.turning

    @contextlib.contextmanager
    def lost(**given):
        with real(**given) as connection:
            yield connection
        raise OperationalError("COMMIT", None, Exception("the connection was lost"))

    monkeypatch.setattr(exchange, "_next_look", float("inf"))  # so that there are no other turns
    monkeypatch.setattr(attempts, "TRIES", 1)
    monkeypatch.setattr(exchange._attempts, "_apart", attempts.fail)
    with monkeypatch.context() as broken:
        broken.setattr(database, "turning", lost)
        exchange.start()
        refused = home.refused(gate, token)
    assert refused.status == 503
    assert home.confirm(gate, token) == refused.more["command_id"]
    assert home.ids() == [refused.more["command_id"]]


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("where", [(0, 0), (0, 1)], ids=["at one worker", "at two workers"])
def test_two_who_confirm_at_once_have_one_command(workers, home, monkeypatch, where, key):
    # HX3-MAN-22
    for exchange, _ in workers:
        exchange.start()
    tokens = [home.ask(workers[0][1], key=key)] * 2 if key is None else []
    tokens = tokens or [home.ask(workers[0][1], key=key) for _ in range(2)]
    both = threading.Barrier(2)  # neither orders before the other has found nothing stored
    order = Exchange.order

    def together(*given, **named):
        both.wait(WAIT)
        return order(*given, **named)

    monkeypatch.setattr(Exchange, "order", together)
    with ThreadPoolExecutor(2) as pool:
        said = [
            pool.submit(home.confirm, workers[at][1], token) for at, token in zip(where, tokens, strict=True)
        ]
        (command_id,) = {one.result(WAIT) for one in said}
    assert home.ids() == [command_id]


def test_a_token_counts_for_its_own_alone_and_in_its_time_also_when_it_was_used(gate, home, database, clock):
    # HX3-MAN-10
    user = replace(home.caller.user, id="another")
    others = (
        {"caller": replace(home.caller, user=user)},
        {"caller": new_home(database).caller},
        {"device_id": another_device(home, database)},
    )
    token = home.ask(gate, key="k")
    for _ in range(2):
        for other in others:
            refused = home.refused(gate, token, **other)
            assert (refused.status, refused.code) == (404, "NOT_FOUND")
        command_id = home.confirm(gate, token)
    clock(gates.CONFIRM_MS + 1000)
    assert home.refused(gate, token).status == 404
    assert gate.command(home.caller, home.device_id, Asked("door_open", {}, key="k")) == command_id
    assert home.ids() == [command_id]


def test_what_became_critical_before_the_yes_is_one_command_by_both_tokens(gate, home):
    # HX3-MAN-22
    first = home.ask(gate)
    home.declare(safetyClass="critical")
    again = home.refused(gate, first)
    assert again.code == "DRY_RUN_REQUIRED"
    command_id = home.confirm(gate, again.more["dry_run_token"])
    assert home.confirm(gate, first) == command_id
    assert home.ids() == [command_id]
