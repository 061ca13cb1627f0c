"""Examples of the API's description: one home that all of them are of, and bodies made of their members.

A member's example is the first that there is of: its own, what its name says (`NAMED`), what its form says.
Must never make one up where none of them is known: then the model has to say one.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

DEVICE = "9f86d081884c7d659a2feaa0c55ad015"
OTHER_DEVICE = "60303ae22b998861bce3b28f33eec1be"
TENANT = "0474c27c-dc19-4960-b63c-7bebbfe115ad"
USER = "5902c207-04f8-4fed-9c8f-b2f9870e836b"
HOME = "c1a5b9a2-6d0e-4f5c-8a53-2f6f7d1b9e04"
ROOM = "3e8f1d7c-92b4-4a6e-b0c5-81d2f4a7e639"
GROUP = "a7d4e2f1-5b38-4c90-9e6d-0f1a2b3c4d5e"
SCENE = "d2c9f6b8-1e47-43a5-8b0d-6e5f4a3b2c1d"
RULE = "8b1e6f40-7c2d-4d93-a5f8-9e0d1c2b3a4f"
PROPOSAL = "f5a3c7d9-0b6e-4e12-8d4f-7a6b5c4d3e2f"
COMMAND = "4f7c8c1e-3f0f-4a43-9a37-2c1f0f2f3a10"
TRIAL = "b6d0e8a4-2f59-4b7c-9c31-5d4e3f2a1b0c"
API_KEY = "2d6b9e1f-84c7-4f0a-b3e5-1c0d9f8e7a6b"
CLIENT = "7d9f1c0e4b6a4d2f8e3c5a1b9f7e6d5c"
RELEASE = "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b"
REQUEST = "7b1f0a54-7a4e-4b0c-9d0e-0f6f3c9a2b1d"
MOMENT = "2026-01-01T00:00:00.000Z"
MS = 1767225600000  # the same in ms since 1970
YES = "pUJ2mD5yQb8sWxT1kR7vLc0nZa9eHf3gXi6oYu4jBtE"  # that a confirmation shows
DIGEST = "ab" * 32  # also in the place of a secret: so that none looks real

# By the name of a member or a parameter, whichever model or route it belongs to.
NAMED: Mapping[str, Any] = {
    "action": "light_on",
    "after": MS,
    "before": MS,
    "bucket": 300,
    "choices": ["light_brightness", "light_off", "light_on"],
    "client_id": CLIENT,
    "clientid": f"hxtp-{DEVICE}",
    "command_id": COMMAND,
    "count": 1,
    "created_at": MOMENT,
    "current_version": "1.1.0",
    "csrf_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk",
    "device_id": DEVICE,
    "device_ids": [DEVICE, OTHER_DEVICE],
    "dry_run_id": TRIAL,
    "dry_run_token": YES,
    "expires_in": 60,
    "from": MS,
    "future_s": 30,
    "home_id": HOME,
    "max_age_s": 60,
    "message_id": COMMAND,
    "ok": True,
    "online": True,
    "request_id": REQUEST,
    "room_id": ROOM,
    "rule_id": RULE,
    "session": True,
    "signature": "c2lnbmF0dXJl",
    "success": True,
    "tenant_id": TENANT,
    "to": MS + 3600000,
    "ttl_s": 60,
    "user_id": USER,
    "username": DEVICE,
    "version": "1.2.0",
    "Idempotency-Key": "evening-2026-01-01",
    "X-CSRF-Token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk",
    "X-HXTP-Broker-Secret": "ab" * 16,
    "X-HXTP-Message-ID": "bootstrap-1",
    "X-HXTP-Nonce": "00112233445566778899aabbccddeeff",
    "X-HXTP-Signature": DIGEST,
    "X-HXTP-Timestamp": str(MS),
}


class Unknown(Exception):
    """Nothing says what an example would be; says of what."""


def shown(status: int, /, **members: Any) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what its example of that status has else than its model's."""
    # As a list, or FastAPI would leave out what is None.
    return {status: {SHOWN: [[name, value] for name, value in members.items()]}}


SHOWN = "x-shown"
_DONE = {"patch": "updated", "put": "updated", "delete": "deleted"}  # `status`, where that is possible


class Examples:
    """Of a document: `add` writes one to everything that has none."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._schemas: Mapping[str, Any] = document["components"]["schemas"]

    def add(self) -> None:
        """To every member, parameter, request and answer that is not an error. Raises Unknown."""
        for methods in self._document["paths"].values():
            for method, operation in methods.items():
                for parameter in operation.get("parameters", ()):
                    own = parameter["schema"]
                    # A parameter's own `example` would be sent by the page of the API, wanted or not.
                    own.setdefault("examples", [self._of(own, parameter["name"], parameter["name"])])
                if "requestBody" in operation:
                    self._media(operation["requestBody"]["content"], {}, operation["operationId"])
                for status, answer in operation["responses"].items():
                    changed = dict(answer.pop(SHOWN, ()))
                    if status.startswith("2"):
                        changed.setdefault("status", _DONE.get(method))
                        self._media(answer["content"], changed, operation["operationId"])
        wanted = [
            (rule, self._of(rule, member, f"{name}.{member}"))
            for name, schema in self._schemas.items()
            for member, rule in schema.get("properties", {}).items()
            if "examples" not in rule and "const" not in rule
        ]
        for rule, example in wanted:  # afterwards, or one would be taken from the other
            rule["examples"] = [example]

    def _media(self, content: dict[str, Any], changed: Mapping[str, Any], where: str) -> None:
        for media in content.values():
            if "example" in media or "examples" in media:
                continue
            found = list(self._variants(media["schema"], where))
            if len(found) == 1:
                example = found[0][1]
                media["example"] = self._changed(example, changed, media["schema"])
            else:
                media["examples"] = {
                    name: {"summary": self._about(schema) or name, "value": example}
                    for name, example, schema in found
                }

    def _changed(self, example: Any, changed: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
        members = self._resolved(schema).get("properties", {})
        for name, value in changed.items():
            if name != "status" or value in members.get("status", {}).get("enum", ()):
                example = {**example, name: value}
        return example

    def _variants(self, schema: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any, Mapping]]:
        """The name, the example and the schema of each form that a body has."""
        rule = self._resolved(schema)
        forms = rule.get("oneOf") or [one for one in rule.get("anyOf", ()) if "$ref" in one]
        if "discriminator" in rule:
            named = rule["discriminator"]["mapping"].items()
            forms = {name: {"$ref": one} for name, one in named}
        elif forms:
            forms = {one["$ref"].rpartition("/")[2]: one for one in forms}
        elif len(rule.get("examples", ())) > 1:
            for example in rule["examples"]:
                others = [set(one) for one in rule["examples"] if one is not example]
                yield ", ".join(sorted(set(example).difference(*others))), example, {}
            return
        else:
            forms = {"": schema}
        for name, one in forms.items():
            yield name, self._of(one, "", where), one

    def _about(self, schema: Mapping[str, Any]) -> str:
        return first_sentence(self._resolved(schema).get("description", "")) if schema else ""

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            schema = {
                **self._schemas[schema["$ref"].rpartition("/")[2]],
                **{k: v for k, v in schema.items() if k != "$ref"},
            }
        return schema

    def _of(self, schema: Mapping[str, Any], name: str, where: str) -> Any:
        """One value of a schema. `where`: what is told to be without an example."""
        rule = self._resolved(schema)
        if rule.get("examples"):
            return rule["examples"][0]
        for word in ("example", "const"):
            if word in rule:
                return rule[word]
        if name in NAMED and "enum" not in rule:
            return NAMED[name]
        if rule.get("default") not in (None, "", [], {}):
            return rule["default"]
        if "enum" in rule:
            return rule["enum"][0]
        for word in ("anyOf", "oneOf"):
            forms = [one for one in rule.get(word, ()) if one.get("type") != "null"]
            # What only bounds the members says nothing of what they are.
            if forms and "properties" not in rule:
                return self._of(forms[0], name, where)
        made = self._BY_TYPE.get(rule.get("type", ""))
        if made is None:
            raise Unknown(where)
        return made(self, rule, where)

    def _object(self, rule: Mapping[str, Any], where: str) -> dict[str, Any]:
        if "properties" not in rule:
            raise Unknown(where)
        return {name: self._of(one, name, f"{where}.{name}") for name, one in rule["properties"].items()}

    def _array(self, rule: Mapping[str, Any], where: str) -> list[Any]:
        return [self._of(rule["items"], "", where)]

    def _boolean(self, rule: Mapping[str, Any], where: str) -> bool:
        return bool(rule.get("default", False))

    def _string(self, rule: Mapping[str, Any], where: str) -> str:
        if rule.get("format") == "binary":
            return "the bytes of the file"
        raise Unknown(where)

    _BY_TYPE: Mapping[str, Callable[..., Any]] = {
        "object": _object,
        "array": _array,
        "boolean": _boolean,
        "string": _string,
    }


def first_sentence(text: str) -> str:
    """Of a docstring, in one line."""
    head = text.strip().partition("\n\n")[0].replace("\n", " ")
    return head.partition(". ")[0].rstrip(".:") if head else ""
