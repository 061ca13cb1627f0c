"""The forms of what is sent and answered about firmware releases."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import AliasChoices, BaseModel, Field

from host_sim.cloud.bodies import Body
from host_sim.cloud.routes.forms import Id

# https://semver.org: numbers without leading zeros, here of up to nine digits
_NUMBER = r"(0|[1-9][0-9]{0,8})"
_PART = r"(0|[1-9][0-9]{0,8}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
SEMVER = rf"^{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PART}(\.{_PART})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$"

DeviceType = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$", examples=["esp32"])]
SemVer = Annotated[str, Field(max_length=64, pattern=SEMVER)]
FirmwareId = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9-]{1,36}$", examples=["1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b"])
]
Text = Annotated[str, Field(max_length=2048, pattern=r"^[^\x00]*$", examples=["Learns infrared faster."])]


class Check(BaseModel):
    """What firmware a device has. `device_id`: of the device that would be updated, if one is
    meant; a device that signs names itself. What it says besides is not looked at: firmware that is newer
    than this cloud has to learn of updates too.
    """

    device_type: DeviceType
    current_version: SemVer
    device_id: Id | None = None


class Checked(BaseModel):
    """Whether there is newer firmware, and where. `version` and `download_url` are `target_version` and `url`
    under the names that some clients read.
    """

    update_available: bool = Field(examples=[True])
    device_type: str = Field(examples=["esp32"])
    current_version: str = Field(examples=["1.1.0"])
    target_version: str | None = Field(examples=["1.2.0"])
    version: str | None = Field(examples=["1.2.0"])
    release_id: str | None = Field(examples=["1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b"])
    release: int | None = Field(examples=[7], description="its number, which rises with each release")
    url: str | None = Field(examples=["https://localhost:8443/api/v1/firmware/1b4e28ba/download?ticket=…"])
    download_url: str | None = Field(
        examples=["https://localhost:8443/api/v1/firmware/1b4e28ba/download?ticket=…"],
        description="good for an hour where the cloud serves the image itself",
    )
    checksum: str | None = Field(examples=["ab" * 32], description="SHA-256 of the image, hex")
    size: int | None = Field(examples=[1048576], description="bytes")
    notes: str | None = Field(examples=["Learns infrared faster."])
    signature: str | None = Field(examples=[None], description="of the vendor, as it was given")


class Told(BaseModel):
    """All that a device is told whose request is signed and stale: ms since 1970."""

    server_time: int = Field(examples=[1767225600000])


class Wanted(Body):
    """A release whose image lies elsewhere; `POST /firmware/upload` makes one of an image that is sent."""

    device_type: DeviceType
    version: SemVer
    url: str = Field(
        max_length=512,
        pattern=r"^https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?/[\x21-\x7e]*$",
        validation_alias=AliasChoices("url", "download_url"),
        examples=["https://example.org/firmware/esp32-1.2.0.bin"],
    )
    checksum: str = Field(
        pattern=r"^[0-9a-f]{64}$",
        validation_alias=AliasChoices("checksum", "sha256"),
        examples=["ab" * 32],
        description="SHA-256 of the image, hex",
    )
    size: int = Field(ge=1, le=1 << 31, examples=[1048576], description="bytes")
    notes: Text = ""
    signature: Annotated[str, Field(max_length=1024, pattern=r"^[A-Za-z0-9+/=_-]*$")] | None = None


class Form(Body):
    """What stands beside the file in an upload."""

    device_type: DeviceType
    version: SemVer
    notes: Text = ""
    signature: Annotated[str, Field(max_length=1024, pattern=r"^[A-Za-z0-9+/=_-]*$")] | None = None


class Release(BaseModel):
    """A release of firmware. `number` is given when it is released."""

    id: str = Field(examples=["1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b"])
    device_type: str = Field(examples=["esp32"])
    version: str = Field(examples=["1.2.0"])
    state: Literal["draft", "released", "withdrawn"] = Field(examples=["released"])
    number: int | None = Field(examples=[7])
    checksum: str = Field(examples=["ab" * 32])
    size: int = Field(examples=[1048576])
    stored: bool = Field(description="the cloud serves the image itself")
    url: str = Field(examples=["https://example.org/firmware/esp32-1.2.0.bin"])
    notes: str = Field(examples=["Learns infrared faster."])
    signature: str | None = None
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])
    released_at: str | None = Field(examples=["2026-01-02T00:00:00.000Z"])


class Made(Release):
    """A release of firmware, and what was done to it (`status`)."""

    status: Literal["created", "uploaded", "released", "withdrawn"]


class Deleted(BaseModel):
    """A release that is no more."""

    status: Literal["deleted"]
    id: str = Field(examples=["1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b"])


class Releases(BaseModel):
    """Releases of firmware, the newest first."""

    releases: list[Release]
    count: int = Field(examples=[1])
