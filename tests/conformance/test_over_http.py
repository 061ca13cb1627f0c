"""What the kit makes of clouds that have no firmware check, limit it, or answer nonsense: in virtual time."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from host_sim.conformance import cloud, running
from host_sim.conformance.case import Outcome
from host_sim.conformance.cloud.device import Device
from host_sim.conformance.cloud.line import NO_USER, Answer
from host_sim.conformance.cloud.memory_line import MemoryLine
from host_sim.conformance.virtual import Random

CASES = {case.id: case for case in cloud.cases()}
CHECKS = [case for case in CASES.values() if case.id.startswith("cloud-check-")]


class Same:
    """A cloud that answers all devices by the same, and has no users."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    def as_device(self, method, path, content, headers):
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]

    def as_user(self, *unused):
        raise NO_USER

    follow = register = revoke = as_user


def outcomes(cases, api):
    class Line(MemoryLine):
        def api(self):
            return api

    @asynccontextmanager
    async def open_peer(case):
        line = Line(Random(b"gateway"))
        who = line.identity
        device = Device(line, who.tenant_id, who.device_id, who.secret, Random(b"kit"))
        device.meet()
        device.lend()
        yield device

    target = running.Target("a cloud", open_peer, frozenset({"slow"}))
    found = asyncio.run(running.run(cases, target, running.Silent()))
    assert found.stopped is None
    return [(result.status, result.message) for result in found.results]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_cloud_without_firmware_checks_is_not_tried_and_not_passed(status):
    found = outcomes(CHECKS, Same(Answer(status, {}, b"{}")))
    assert set(found) == {(Outcome.SKIPPED, f"the cloud has no /firmware/check: it answers {status}")}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {}, b'{"update_available":false}'),
        Answer(200, {"x-hxtp-signature": "0" * 64}, b'{"update_available":false}'),
        Answer(401, {}, b'{"error":"SIGNATURE_INVALID"}'),
        Answer(404, {"x-hxtp-signature": "0" * 64}, b"{}"),
        Answer(500, {}, b"\xff"),
        Answer(204, {}, b""),
        Answer(400, {}, b"[" * 100000),
    ],
    ids=lambda answer: str(answer.status),
)
def test_a_cloud_that_always_answers_the_same_fails(answer):
    found = outcomes([CASES["cloud-check-answered"], CASES["cloud-check-replayed"]], Same(answer))
    assert [status for status, _ in found] == [Outcome.FAILED, Outcome.FAILED]
    assert not any("could not go on" in message for _, message in found)


def test_the_kit_waits_where_a_cloud_limits_devices_but_once():
    limit = Answer(429, {"retry-after": "30"}, b"{}")
    api = Same(Answer(401, {}, b"{}"), limit, Answer(401, {}, b"{}"), limit)
    ((status, message),) = outcomes([CASES["cloud-check-forged"]], api)
    assert (status, api.asked) == (Outcome.FAILED, 4)
    assert "429" in message


def test_without_a_token_critical_actions_are_not_tried():
    asked = [case for case in CASES.values() if case.id.startswith(("cloud-critical-", "cloud-confirm-"))]
    assert {status for status, _ in outcomes(asked, Same())} == {Outcome.SKIPPED}


class Users(Same):
    """A cloud that tells all users the same."""

    def as_user(self, method, path, body):
        self.asked += 1
        return self.answers[0]


@pytest.mark.parametrize(
    "id, answer, status, says",
    [
        ("cloud-critical-tried", Answer(429, {}, b"{}"), Outcome.SKIPPED, "20 critical ones an hour"),
        ("cloud-critical-many", Answer(405, {}, b"{}"), Outcome.SKIPPED, "no /devices/command"),
        ("cloud-critical-tried", Answer(409, {}, b'{"token":"t"}'), Outcome.FAILED, "a dry run before all"),
        ("cloud-critical-tried", Answer(500, {}, b"\xff"), Outcome.FAILED, "a dry run before all else"),
        ("cloud-critical-untried", Answer(409, {}, b'{"token":"t"}'), Outcome.FAILED, "not_supported"),
    ],
)
def test_what_is_said_of_a_cloud_that_tries_nothing(id, answer, status, says):
    ((found, message),) = outcomes([CASES[id]], Users(answer))
    assert found is status and says in message
