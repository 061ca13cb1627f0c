"""schemathesis over the API's description, in this process: every answer is one that the description has.

.venv/bin/python -m pytest tests/cloud/test_fuzz.py                       the same few requests each time
FUZZ_EXAMPLES=200 .venv/bin/python -m pytest -s tests/cloud/test_fuzz.py  many, others each time, in sequences
"""

import os
from collections import Counter

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

from host_sim.cloud.app import PREFIX, create_app

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
ABSENT = (  # they answer 501, which is meant
    "/plans",
    "/plans/{plan_id}",
    "/agents/{agent_id}/memories",
    "/firmware/build",
    "/state/verification/{verification_id}",
)
# A valid request may still name what this tenant's devices, time or rules do not know: 400 tells so.
MEANING = (
    "/devices/{device_id}/telemetry",
    "/device/{device_id}/command",
    "/devices/{device_id}/command",
    "/devices/command",
    "/rooms/{room_id}/command",
    "/groups/{slug}/command",
    "/groups/{slug}/devices",
    "/groups/{slug}/join",
    "/homes",
    "/homes/{home_id}",
    "/devices/{device_id}/manifest",
    "/intent",
    "/cognition/observation",  # whole numbers beyond 2^53, and how deep and long data may be
    "/tenant/settings",  # 30.0 is an integer to JSON Schema
)
ELSEWHERE = {"unsupported_method": {"enabled": False}, "allow_header_conformance": {"enabled": False}}
ENDING = "/(revoke|rotate|rotate-secret|withdraw|logout)$"  # takes away what the others want to find


@pytest.fixture(scope="module")
def app(cloud):
    return create_app(cloud.services)


@pytest.fixture(scope="module")
def known(api, device) -> dict[str, str]:
    """By the name of a path's parameter, something that is there."""
    owner, lamp = api(), device()
    home = owner.post("/homes", json={"home_name": "Fuzz", "timezone": "UTC"}).json()["id"]
    step = {"device_id": lamp.id, "action": "light_on"}
    rule = {
        "name": "Fuzz",
        "when": {"all": [{"member": "x", "op": "==", "value": 1}]},
        "intent": {"type": "device.control", "payload": step},
    }
    release = {
        "device_type": "fuzz",
        "version": "1.0.0",
        "url": "https://example.org/f",
        "checksum": "ab" * 32,
        "size": 1,
    }
    made = {
        "device_id": lamp.id,
        "home_id": home,
        "room_id": owner.post(f"/homes/{home}/rooms", json={"name": "Fuzz"}).json()["id"],
        "slug": owner.post("/groups", json={"name": "Fuzz", "device_ids": [lamp.id]}).json()["slug"],
        "scene_id": owner.post("/scenes", json={"name": "Fuzz", "steps": [step]}).json()["id"],
        "rule_id": owner.post("/cognition/rules", json=rule).json()["id"],
        "firmware_id": owner.post("/firmware/release", json=release).json()["id"],
        "command_id": owner.command(lamp.id, "light_on")["id"],
    }
    observed = {"device_id": lamp.id, "data": {"x": 1}}
    made["proposal_id"] = owner.post("/cognition/observation", json=observed).json()["proposal_id"]
    return made


def _config(known: dict[str, str], token: str) -> SchemathesisConfig:
    nobody = dict.fromkeys(known, "nobody")
    return SchemathesisConfig.from_dict(
        {
            **({} if EXAMPLES else {"seed": 1}),
            "headers": {"Authorization": f"Bearer {token}"},
            "parameters": known,
            "generation": {
                "max-examples": EXAMPLES or 2,
                "deterministic": not EXAMPLES,
                "no-shrink": not EXAMPLES,
            },
            "phases": {"stateful": {"enabled": bool(EXAMPLES)}},
            "operations": [
                {"include-method": "DELETE", "parameters": nobody},
                {"include-path-regex": ENDING, "parameters": nobody},
                {"include-path": list(ABSENT), "checks": {"not_a_server_error": {"enabled": False}}},
                {
                    "include-path": list(MEANING),
                    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "4xx", "503"]}},
                },
                # Its POST is a page's form, and no part of the API.
                {"include-path": "/auth/cli", "checks": ELSEWHERE},
                # To other methods they are /device/ID, the spelling that the description does not show.
                {"include-path": "/device/register", "checks": ELSEWHERE},
                {
                    "include-path": "/device/claim",
                    "checks": {**ELSEWHERE, "not_a_server_error": {"enabled": False}},
                },
                {"include-path": "/auth/logout", "enabled": False},
            ],
        }
    )


def test_every_answer_is_one_that_the_description_has(app, api, known):
    token = api().headers["Authorization"].partition(" ")[2]
    schema = schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", app, config=_config(known, token))
    failures: dict[str, str] = {}
    statuses: Counter[int] = Counter()
    for event in from_schema(schema).execute():
        if isinstance(event, NonFatalError | FatalError):
            failures[f"error {getattr(event, 'label', '')}"] = str(getattr(event, "value", event))
        if not isinstance(event, ScenarioFinished):
            continue
        for interaction in event.recorder.interactions.values():
            if interaction.response is not None:
                statuses[interaction.response.status_code] += 1
        for case_id, checks in event.recorder.checks.items():
            for check in checks:
                if check.status == Status.FAILURE:
                    response = event.recorder.interactions[case_id].response
                    name = f"{event.recorder.label} {check.name}"
                    code = event.recorder.cases[case_id].value.as_curl_command()
                    told = response.text[:400] if response is not None else ""
                    failures.setdefault(name, f"{check.failure_info.failure}\n{code}\n{told}")
    print(dict(sorted(statuses.items())))
    assert not failures, "\n\n".join(f"{name}\n{text}" for name, text in sorted(failures.items()))
    assert statuses[200] > 100 and statuses[400] > 100
