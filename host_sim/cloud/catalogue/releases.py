"""Firmware releases of a tenant: draft, released, withdrawn; and which one a device is offered.

    draft → released → withdrawn        draft → withdrawn

A release gets its number when it is released, one above the last of its device type, and only where its
version is above those that are released: so numbers and versions rise together. Must never offer a draft.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from semver import Version
from sqlalchemy.exc import IntegrityError

from host_sim.cloud.storage.tables import releases

DRAFT, RELEASED, WITHDRAWN = "draft", "released", "withdrawn"
MOST = 500  # of a tenant


class Refused(Exception):
    """What was asked for does not go with what is there; says why. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Image:
    """What a release is of. `url` is empty for an image that the cloud stores itself."""

    device_type: str
    version: str
    size: int
    sha256: str
    url: str = ""
    notes: str = ""
    signature: str | None = None


def new_id() -> str:
    return str(uuid.uuid4())


def add(connection: sa.Connection, tenant_id: str, release_id: str, image: Image, now: int) -> None:
    """A draft. Raises Refused."""
    of_tenant = releases.c.tenant_id == tenant_id
    count = connection.execute(sa.select(sa.func.count()).select_from(releases).where(of_tenant)).scalar_one()
    if count >= MOST:
        raise Refused("LIMIT_REACHED", f"a tenant has {MOST} releases at most")
    try:
        with connection.begin_nested():
            connection.execute(
                releases.insert().values(
                    id=release_id,
                    tenant_id=tenant_id,
                    device_type=image.device_type,
                    version=image.version,
                    number=None,
                    size=image.size,
                    sha256=image.sha256,
                    stored=not image.url,
                    url=image.url,
                    notes=image.notes,
                    signature=image.signature,
                    state=DRAFT,
                    created_at=now,
                )
            )
    except IntegrityError:
        raise Refused(
            "RELEASE_EXISTS", f"there is a release {image.version} for {image.device_type} already"
        ) from None


def find(connection: sa.Connection, tenant_id: str, release_id: str) -> Any:
    """The row of a release, or None."""
    return connection.execute(
        sa.select(releases).where(releases.c.id == release_id, releases.c.tenant_id == tenant_id)
    ).first()


def every(connection: sa.Connection, tenant_id: str, device_type: str | None, limit: int) -> Sequence[Any]:
    """The newest first."""
    query = sa.select(releases).where(releases.c.tenant_id == tenant_id)
    if device_type is not None:
        query = query.where(releases.c.device_type == device_type)
    return connection.execute(query.order_by(releases.c.created_at.desc(), releases.c.id).limit(limit)).all()


def release(connection: sa.Connection, tenant_id: str, row: Any, now: int) -> None:
    """Offer a draft from now on; one that is offered already stays as it is. Raises Refused."""
    if row.state == RELEASED:
        return
    if row.state != DRAFT:
        raise Refused("RELEASE_WITHDRAWN", f"release {row.version} was withdrawn")
    others = _of_type(connection, tenant_id, row.device_type)
    best = newest(others)
    if best is not None and Version.parse(row.version) <= Version.parse(best.version):
        raise Refused(
            "VERSION_NOT_NEWER", f"{row.version} is not above {best.version}, which is released already"
        )
    number = 1 + max((other.number or 0 for other in others), default=0)
    try:
        with connection.begin_nested():
            connection.execute(
                releases.update()
                .where(releases.c.id == row.id, releases.c.tenant_id == tenant_id, releases.c.state == DRAFT)
                .values(state=RELEASED, number=number, released_at=now)
            )
    except IntegrityError:
        raise Refused("RELEASE_CONFLICT", "another release was made at the same moment") from None


def withdraw(connection: sa.Connection, tenant_id: str, release_id: str) -> None:
    """Offer it no more. What has it keeps it."""
    connection.execute(
        releases.update()
        .where(releases.c.id == release_id, releases.c.tenant_id == tenant_id)
        .values(state=WITHDRAWN)
    )


def delete(connection: sa.Connection, tenant_id: str, row: Any) -> None:
    """Forget a release. Raises Refused for the one that is offered, and for the one whose number would be
    given again: a device takes none that is not above the last one it saw.
    """
    others = _of_type(connection, tenant_id, row.device_type)
    best = newest(others)
    if best is not None and best.id == row.id:
        raise Refused("RELEASE_IN_USE", f"release {row.version} is offered to devices; withdraw it first")
    if row.number is not None and row.number == max(other.number or 0 for other in others):
        raise Refused(
            "RELEASE_IN_USE", f"release {row.version} has the last number; release a newer one before"
        )
    connection.execute(releases.delete().where(releases.c.id == row.id, releases.c.tenant_id == tenant_id))


def offered(connection: sa.Connection, tenant_id: str, device_type: str, current: str) -> Any:
    """The row of the highest release above version `current`, or None. By SemVer 2.0."""
    best = newest(_of_type(connection, tenant_id, device_type))
    return best if best is not None and Version.parse(best.version) > Version.parse(current) else None


def newest(rows: Sequence[Any]) -> Any:
    """The released row of the highest version, or None."""
    return max(
        (row for row in rows if row.state == RELEASED),
        key=lambda row: Version.parse(row.version),
        default=None,
    )


def _of_type(connection: sa.Connection, tenant_id: str, device_type: str) -> Sequence[Any]:
    return connection.execute(
        sa.select(
            releases.c.id,
            releases.c.version,
            releases.c.number,
            releases.c.state,
            releases.c.size,
            releases.c.sha256,
            releases.c.stored,
            releases.c.url,
            releases.c.notes,
            releases.c.signature,
        ).where(releases.c.tenant_id == tenant_id, releases.c.device_type == device_type)
    ).all()
