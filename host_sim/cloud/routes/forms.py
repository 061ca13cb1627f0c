"""The forms of ids and names in requests, each said once. What has another form is refused before anything is
looked up: no control character reaches a database or a page.
"""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BeforeValidator, Field

from host_sim.cloud.description.examples import DEVICE, HOME, OTHER_DEVICE, ROOM

ID = r"^[A-Za-z0-9_.:-]{1,36}$"
NAME = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
SLUG = r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$"

Id = Annotated[str, Field(pattern=ID)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
Text = Annotated[str, Field(max_length=512, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")]
Slug = Annotated[str, Field(pattern=SLUG, examples=["living-room-lights"])]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_plain)  # behind a StrictInt: 30.0 is a whole number to JSON as well, "30" is none

# Of `device_ids` and `device_id`, what JSON Schema can say of it: that one of them names a device.
ONE_OR_SOME: dict[str, Any] = {
    "examples": [{"device_ids": [DEVICE, OTHER_DEVICE]}, {"device_id": DEVICE}],
    "anyOf": [
        {"required": ["device_ids"], "properties": {"device_ids": {"minItems": 1}}},
        {"required": ["device_id"], "properties": {"device_id": {"type": "string"}}},
    ],
}

AWAY = (
    "the broker has said that it lost the device, which has said nothing since: commands wait. Nobody signed "
    "that, so `online` holds until four heartbeats are missed"
)

DeviceId = Annotated[str, Path(pattern=ID, examples=[DEVICE])]
HomeId = Annotated[str, Path(pattern=ID, examples=[HOME])]
RoomId = Annotated[str, Path(pattern=ID, examples=[ROOM])]
GroupSlug = Annotated[
    str,
    Path(pattern=r"^[A-Za-z0-9-]{1,48}$", description="its slug, or its id", examples=["living-room-lights"]),
]
