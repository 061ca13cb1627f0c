"""The forms of ids and names in requests, each said once. What has another form is refused before anything is
looked up: no control character reaches a database or a page.
"""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BeforeValidator, Field

ID = r"^[A-Za-z0-9_.:-]{1,36}$"
NAME = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
SLUG = r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$"

Id = Annotated[str, Field(pattern=ID, examples=["0474c27c-dc19-4960-b63c-7bebbfe115ad"])]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
Text = Annotated[str, Field(max_length=512, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")]
Slug = Annotated[str, Field(pattern=SLUG, examples=["living-room-lights"])]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_plain)  # behind a StrictInt: 30.0 is a whole number to JSON as well, "30" is none

# Of `device_ids` and `device_id`, what JSON Schema can say of it: that one of them names a device.
ONE_OR_SOME: dict[str, Any] = {
    "anyOf": [
        {"required": ["device_ids"], "properties": {"device_ids": {"minItems": 1}}},
        {"required": ["device_id"], "properties": {"device_id": {"type": "string"}}},
    ]
}

DeviceId = Annotated[str, Path(pattern=ID, examples=["9f86d081884c7d659a2feaa0c55ad015"])]
HomeId = Annotated[str, Path(pattern=ID, examples=["0474c27c-dc19-4960-b63c-7bebbfe115ad"])]
RoomId = Annotated[str, Path(pattern=ID, examples=["5902c207-04f8-4fed-9c8f-b2f9870e836b"])]
GroupSlug = Annotated[
    str,
    Path(pattern=r"^[A-Za-z0-9-]{1,48}$", description="its slug, or its id", examples=["living-room-lights"]),
]
