"""Whether the cloud works, which version it is, what changed, numbers for Prometheus. All of it is public."""

import functools
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from host_sim.cloud import changelog
from host_sim.cloud.description.examples import shown
from host_sim.cloud.errors import ApiError, errors
from host_sim.cloud.health import Report
from host_sim.cloud.times import iso
from hxtp import VERSION as PROTOCOL
from hxtp_device import VERSION

router = APIRouter(tags=["system"])

SYSTEM = "HXTP Cloud"


class Service(BaseModel):
    """`not_configured`: this cloud does not have it. `latency_ms`: what it took to answer just now."""

    status: Literal["operational", "degraded", "not_configured"]
    latency_ms: float | None = Field(None, examples=[0.8])


class Numbers(BaseModel):
    """How many there are."""

    active_devices: int | None = Field(
        description="devices heard within four heartbeat intervals; null where they could not be counted",
        examples=[3],
    )


class HealthAnswer(BaseModel):
    """The cloud works, with each of its parts."""

    status: Literal["ok"]
    timestamp: str = Field(examples=["2026-01-01T00:00:00.000Z"])
    services: dict[str, Service] = Field(
        examples=[
            {
                "api": {"status": "operational", "latency_ms": 0.0},
                "database": {"status": "operational", "latency_ms": 0.4},
                "redis": {"status": "not_configured"},
                "mqtt": {"status": "operational", "latency_ms": 1.2},
                "worker": {"status": "operational", "latency_ms": 0.1},
                "build_service": {"status": "not_configured"},
                "cloud_editor": {"status": "not_configured"},
            }
        ]
    )
    metrics: Numbers


class Simple(BaseModel):
    """It works."""

    status: str = Field(examples=["ok"])


class StatusAnswer(BaseModel):
    """Which cloud this is, and whether it works."""

    system: str = Field(examples=[SYSTEM])
    status: Literal["operational", "degraded"]
    beta: bool = Field(examples=[True])
    version: str = Field(examples=["1.0.0"])
    protocol: str = Field(examples=[PROTOCOL])


class VersionAnswer(BaseModel):
    """The versions of the cloud and of the protocol."""

    version: str = Field(examples=["1.0.0"])
    protocol: str = Field(examples=[PROTOCOL])


class Version(BaseModel):
    """What changed with a version. `date` is null for what is not released yet. `sections`: Added, Changed,
    Fixed … with their entries.
    """

    version: str = Field(examples=["1.0.0"])
    date: str | None = Field(examples=["2026-01-01"])
    sections: dict[str, list[str]] = Field(examples=[{"Added": ["Scenes"]}])


class Changelog(BaseModel):
    """What changed, the newest version first."""

    versions: list[Version]
    count: int = Field(examples=[1])


@router.get(
    "/health", responses=errors("DEGRADED"), response_model=HealthAnswer, response_model_exclude_none=True
)
async def health(request: Request) -> Any:
    """Full health check. Each part is asked, for 2 s at most, and what is told is at most 1 s old.

    What is needed and does not work makes the answer 503 with `status` "degraded" and `checks`.
    """
    report: Report = await request.app.state.health.told()
    _require(report)
    services = {
        name: {"status": one.status, "latency_ms": one.latency_ms} for name, one in report.services.items()
    }
    return {
        "status": "ok",
        "timestamp": iso(report.at),
        "services": services,
        "metrics": {"active_devices": report.active_devices},
    }


@router.get("/health/live")
async def live() -> Simple:
    """Liveness probe. It answers, so it lives: nothing else is asked."""
    return Simple(status="ok")


@router.get("/health/ready", responses={**shown(200, status="ready"), **errors("DEGRADED")})
async def ready(request: Request) -> Simple:
    """Readiness probe, for load balancers: as `/health`, in one word, but `ready` without Redis too.

    Workers go on without Redis, and it is all of them that lack it.
    """
    report: Report = await request.app.state.health.told()
    if not report.serves:
        _require(report)
    return Simple(status="ready")


def _require(report: Report) -> None:
    if not report.works:
        failing = ", ".join(name for name, works in report.checks.items() if not works)
        raise ApiError(
            503,
            "DEGRADED",
            f"does not work: {failing}",
            "try again; the cloud's log says what is in the way",
            {"Retry-After": "5"},
            status="degraded",
            checks=report.checks,
        )


@router.get("/status")
async def status(request: Request) -> StatusAnswer:
    """System status. `degraded` where `/health` is not well."""
    works = (await request.app.state.health.told()).works
    return StatusAnswer(
        system=SYSTEM,
        status="operational" if works else "degraded",
        beta=True,
        version=VERSION,
        protocol=PROTOCOL,
    )


@router.get("/version")
async def version() -> VersionAnswer:
    """The version of the API's implementation and of the protocol."""
    return VersionAnswer(version=VERSION, protocol=PROTOCOL)


@router.get("/changelog")
def changes(limit: Annotated[int, Query(ge=1, le=changelog.MOST_VERSIONS)] = 20) -> Changelog:
    """Changelog. The newest version first; empty where the program came without one."""
    found = [
        Version(version=one.name, date=one.date, sections=one.sections)
        for one in _read(*_stamp(changelog.FILE))[:limit]
    ]
    return Changelog(versions=found, count=len(found))


def _stamp(path: Path) -> tuple[Path, int, int]:
    try:
        told = path.stat()
    except OSError:
        return path, 0, 0
    return path, told.st_mtime_ns, told.st_size


@functools.lru_cache(maxsize=2)
def _read(path: Path, changed: int, size: int) -> list[changelog.Version]:
    return changelog.read(path)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "In Prometheus' text format.",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "hxtp_broker_connected 1.0\n"}
            },
        }
    },
)
def metrics(request: Request) -> Response:
    """Prometheus metrics."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)
