"""schemathesis over the API's description, in this process: every answer is one that the description has.

.venv/bin/python -m pytest tests/cloud/test_fuzz.py                       the same few requests each time
FUZZ_EXAMPLES=200 .venv/bin/python -m pytest -s tests/cloud/test_fuzz.py  many, others each time, in sequences

Every check of schemathesis is on for every operation. What an operation may answer besides is said below,
with the reason.
"""

import json
import os
from collections import Counter

import pytest
import schemathesis
from jsonschema import Draft202012Validator
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

from host_sim.cloud import signed
from host_sim.cloud.app import PREFIX, create_app
from host_sim.cloud.routes import auth, pages

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
SECRET = "0123456789abcdef"
# What is not here answers 501 and nothing else, which is no failure of the server.
ABSENT = {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "501"]}}
# What a description in JSON Schema cannot say of a valid request, so that it may be answered 400.
UNSAID = {
    "/device/{device_id}/command": "the device's manifest says which parameters an action has",
    "/devices/{device_id}/command": "the same",
    "/intent": "devices read numbers up to 2^53, 15 levels, and no U+0000",
    "/scenes": "the same",
    "/scenes/{scene_id}": "the same",
    "/cognition/rules": "the same",
    "/cognition/rules/{rule_id}": "the same",
    "/rooms/{room_id}/command": "the tenant's devices say which capabilities there are",
    "/groups/{slug}/command": "the same",
    "/homes": "which time zones there are changes several times a year",
    "/homes/{home_id}": "the same",
    "/devices/{device_id}/manifest": "a parameter's schema has to be one that devices can read",
    "/devices/{device_id}/telemetry": "the time over the bucket is bounded, and an average needs a field",
    "/cognition/observation": "how long the data may be as text, and how deep",
}
ALSO_400 = {"expected-statuses": ["2xx", "400", "401", "403", "404", "409", "429"]}
ENDING = "/(revoke|rotate|rotate-secret|withdraw)$"


@pytest.fixture(scope="module")
def cloud_settings() -> dict:
    return {"broker_auth_secret": SECRET}


@pytest.fixture(scope="module")
def app(cloud):
    return create_app(cloud.services)


class Things:
    """Makes one of everything that paths name."""

    def __init__(self, owner) -> None:
        self._owner = owner
        self._count = 0

    def make(self, device_id: str) -> dict[str, str]:
        """By the name of a path's parameter, something new, around this device."""
        self._count += 1
        number, create = self._count, self._create
        step = {"device_id": device_id, "action": "light_on"}
        rule = {
            "name": f"Fuzz {number}",
            "when": {"all": [{"member": "x", "op": "==", "value": 1}]},
            "intent": {"type": "device.control", "payload": step},
        }
        release = {
            "device_type": "fuzz",
            "version": f"1.0.{number}",
            "url": "https://example.org/f",
            "checksum": "ab" * 32,
            "size": 1,
        }
        home = create("/homes", home_name="Fuzz", timezone="UTC")["id"]
        return {
            "device_id": device_id,
            "home_id": home,
            "room_id": create(f"/homes/{home}/rooms", name="Fuzz")["id"],
            "slug": create("/groups", name=f"Fuzz {number}", device_ids=[device_id])["slug"],
            "scene_id": create("/scenes", name=f"Fuzz {number}", steps=[step])["id"],
            "rule_id": create("/cognition/rules", **rule)["id"],
            "firmware_id": create("/firmware/release", **release)["id"],
            "user_id": create("/tenant/users", email=f"fuzz-{number}@home.example", role="viewer")["id"],
            "client_id": create("/auth/clients", name="Fuzz")["client_id"],
        }

    def _create(self, path: str, **members) -> dict:
        answer = self._owner.post(path, json=members)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def device(self) -> str:
        return self._create("/device/register", device_type="fuzz")["device_id"]


@pytest.fixture(scope="module")
def things(api) -> Things:
    return Things(api())


@pytest.fixture(scope="module")
def known(api, device, things) -> dict[str, str]:
    """By the name of a path's parameter, something that is there."""
    lamp = device()
    observed = {"device_id": lamp.id, "data": {"x": 1}}
    made = {**things.make(lamp.id), "command_id": api().command(lamp.id, "light_on")["id"]}
    made["proposal_id"] = api().post("/cognition/observation", json=observed).json()["proposal_id"]
    return made


def _config(known: dict[str, str], things: Things, token: str, others: str) -> SchemathesisConfig:
    """`others`: the token of somebody who may be signed out."""
    ended, left = things.make(things.device()), things.make(things.device())
    return SchemathesisConfig.from_dict(
        {
            **({} if EXAMPLES else {"seed": 1}),
            "auth": {"openapi": {"bearer": {"bearer": token}, "broker": {"api_key": SECRET}}},
            "parameters": known,
            "generation": {
                "max-examples": EXAMPLES or 2,
                "deterministic": not EXAMPLES,
                "no-shrink": not EXAMPLES,
            },
            "phases": {
                "coverage": {"generate-duplicate-query-parameters": bool(EXAMPLES)},
                # Sequences take a minute at least.
                "stateful": {"enabled": bool(EXAMPLES)},
            },
            "operations": [
                # What is ended is something that the other operations do not need: once there, then gone.
                {
                    "include-name": [
                        "DELETE /homes/{home_id}/rooms/{room_id}",
                        "DELETE /groups/{slug}/devices/{device_id}",
                    ],
                    "parameters": left,
                },
                {"include-method": "DELETE", "parameters": ended},
                {"include-path-regex": ENDING, "parameters": ended},
                # In a sequence it would sign out whoever asks for all the rest.
                {
                    "include-path": "/auth/logout",
                    "headers": {"Authorization": f"Bearer {others}"},
                    "phases": {"stateful": {"enabled": False}},
                },
                {"include-path": _absent(), "checks": ABSENT},
                {"include-path": list(UNSAID), "checks": {"positive_data_acceptance": ALSO_400}},
            ],
        }
    )


def _absent() -> list[str]:
    """The paths that this cloud does not have, which say so themselves."""
    paths = create_app(None).openapi()["paths"]
    return [
        path for path, methods in paths.items() if any("501" in one["responses"] for one in methods.values())
    ]


def _mistaken(document: dict, check, case) -> bool:
    """Whether what this check calls a wrong form is a good one. schemathesis puts a star behind a text to
    have a wrong one, which it need not be, and cannot judge a form with a file, whose fields are all texts.
    """
    if (check.name, case.path) != ("negative_data_rejection", "/firmware/upload"):
        return False
    if not isinstance(case.body, dict) or not getattr(case.body.get("file"), "data", b""):
        return False
    form = document["paths"][case.path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    texts = {"file": "x"}
    for name, value in case.body.items():
        parts = value if isinstance(value, list) else [value]  # a list's items are fields each
        if name == "file" or not parts:
            continue
        if len(parts) > 1 or not isinstance(parts[0], str | int | float | None):
            return False
        texts[name] = parts[0] if isinstance(parts[0], str) else json.dumps(parts[0])
    return Draft202012Validator(form).is_valid(texts)


def _run(app, config: SchemathesisConfig) -> tuple[dict[str, str], Counter[int]]:
    """What each check found, by the operation's name and its own, and how often each status was answered."""
    failures: dict[str, str] = {}
    statuses: Counter[int] = Counter()
    schema = schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", app, config=config)
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
                case = event.recorder.cases[case_id].value
                if check.status == Status.FAILURE and not _mistaken(app.openapi(), check, case):
                    response = event.recorder.interactions[case_id].response
                    name = f"{event.recorder.label} {check.name}"
                    code = case.as_curl_command()
                    told = response.text[:400] if response is not None else ""
                    failures.setdefault(name, f"{check.failure_info.failure}\n{code}\n{told}")
    return failures, statuses


def test_every_answer_is_one_that_the_description_has(app, api, known, things, monkeypatch):
    for module, name in ((signed, "REQUESTS"), (pages, "OPENED"), (auth, "POLLS")):
        monkeypatch.setattr(module, name, 1000000)  # all of it comes from one address
    token, others = (one.headers["Authorization"].partition(" ")[2] for one in (api(), api("viewer")))
    failures, statuses = _run(app, _config(known, things, token, others))
    print(dict(sorted(statuses.items())))
    assert not failures, _told(failures)
    assert statuses[200] > 100 and statuses[400] > 100
    assert api().get("/auth/me").status_code == 200, "the token was good until the end"


def _told(failures: dict[str, str]) -> str:
    return "\n\n".join(f"{name}\n{text}" for name, text in sorted(failures.items()))


if EXAMPLES:  # it takes sequences; test_access.py asks every route in each run

    def test_nobody_is_shown_what_another_tenant_made(app, api, tmp_path):
        """The one check of schemathesis that needs two callers, and ids that it has seen itself."""
        people = [
            {
                "name": tenant,
                "fixedHeaders": [
                    {"name": "Authorization", "value": api("owner", tenant).headers["Authorization"]}
                ],
            }
            for tenant in ("one", "two")
        ]
        file = tmp_path / "people.json"
        file.write_text(json.dumps({"auth": people}))
        config = SchemathesisConfig.from_dict(
            {
                "auth": {"wfc": {"path": str(file), "peers": [one["name"] for one in people]}},
                "generation": {"max-examples": EXAMPLES, "mode": "positive"},
                "phases": {"coverage": {"enabled": False}, "examples": {"enabled": False}},
                "checks": {"enabled": False, "object_level_authorization": {"enabled": True}},
                "operations": [{"include-path": "/auth/logout", "enabled": False}],
            }
        )
        failures, statuses = _run(app, config)
        assert not failures, _told(failures)
        assert statuses[200] > 100
