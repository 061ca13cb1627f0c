"""Telemetry: what a device measured, sample by sample or summed up by time."""

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import devices
from host_sim.cloud.catalogue.samples import LATEST, Span, newest
from host_sim.cloud.catalogue.samples import Sample as Stored
from host_sim.cloud.catalogue.sums import AGGREGATES, summed
from host_sim.cloud.description.examples import DEVICE, MOMENT, MS
from host_sim.cloud.errors import bad_request, not_found
from host_sim.cloud.routes.forms import DeviceId
from host_sim.cloud.storage.deadline import TooLong, within
from host_sim.cloud.times import iso

router = APIRouter(tags=["telemetry"])

DAY_MS = 24 * 3600 * 1000
BUCKETS = 2000
CURSOR = f"{MS}.7"
USUAL = 100  # samples of a page; of longer ones a tenant may read one at a time
LONGEST_S = 5  # that the database may read for one request
FIELD = r"^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,3}$"

Time = Annotated[int | None, Query(ge=0, le=LATEST, examples=[1767225600000])]


class Sample(BaseModel):
    """What was measured at one time. `sampled_at`: the time that the device put into it, else the
    time at which it came.
    """

    sampled_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])
    received_at: str = Field(examples=["2026-01-01T00:00:01.000Z"])
    data: dict[str, Any] = Field(examples=[{"temperature": 215, "occupancy": True}])


class Bucket(BaseModel):
    """Samples of a part of time, summed up. `start`: of the time that it covers. `count`: the samples
    that had a number there.
    """

    start: str = Field(examples=["2026-01-01T00:00:00.000Z"])
    value: float | None = Field(examples=[21.5])
    count: int = Field(examples=[12])


_SAMPLE = {"sampled_at": MOMENT, "received_at": "2026-01-01T00:00:01.000Z", "data": {"temperature": 21.5}}
_BUCKET = {"start": MOMENT, "value": 21.5, "count": 12}
_SHOWN: list[dict[str, Any]] = [
    {"device_id": DEVICE, "samples": [_SAMPLE], "next_cursor": CURSOR, "count": 1},
    {
        "device_id": DEVICE,
        "aggregate": "avg",
        "field": "temperature",
        "bucket": 300,
        "buckets": [_BUCKET],
        "count": 1,
    },
]


class Telemetry(BaseModel):
    """What a device measured: `samples` and `next_cursor`, or `buckets` where an aggregate was asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": _SHOWN})

    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    samples: list[Sample] | None = None
    next_cursor: str | None = Field(
        None, description="gives the next page; not there on the last", examples=[CURSOR]
    )
    aggregate: Literal[AGGREGATES] | None = None  # type: ignore[valid-type]  # a tuple of names
    field: str | None = Field(None, examples=["temperature"])
    bucket: int | None = Field(None, description="seconds", examples=[300])
    buckets: list[Bucket] | None = None
    count: int = Field(description="of samples or buckets", examples=[1])


@router.get("/devices/{device_id}/telemetry", response_model_exclude_none=True)
@router.get("/device/{device_id}/telemetry", response_model_exclude_none=True, include_in_schema=False)
def telemetry(
    device_id: DeviceId,
    request: Request,
    begin: Annotated[Time, Query(alias="from", description="ms since 1970, included")] = None,
    end: Annotated[Time, Query(alias="to", description="ms since 1970, not included")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="samples of a page")] = USUAL,
    cursor: Annotated[
        str | None,
        Query(pattern=r"^[0-9]{1,15}\.[0-9]{1,18}$", description="of the last page", examples=[CURSOR]),
    ] = None,
    aggregate: Annotated[Literal[AGGREGATES] | None, Query()] = None,  # type: ignore[valid-type]
    bucket: Annotated[int, Query(ge=1, le=31 * 86400, description="seconds, with an aggregate")] = 300,
    field: Annotated[
        str | None,
        Query(
            pattern=FIELD, description="a number in each sample; dots lead inwards", examples=["temperature"]
        ),
    ] = None,
    caller: Caller = scoped("viewer", "read:devices"),
) -> Telemetry:
    """The samples of a device, the newest first, at most 1 MB of them in a page; or their average, minimum,
    maximum, sum or number in equal parts of time, the oldest first and the empty ones left out. An aggregate
    covers the last 24 h before `to` where no `from` is given, and without a field there is only `count`.
    """
    services = services_of(request)
    if aggregate is None:
        span = Span(caller.tenant_id, device_id, begin or 0, LATEST if end is None else end)
        after = tuple(map(int, cursor.split("."))) if cursor else None
        with (
            services.pages.place(caller.tenant_id) if limit > USUAL else contextlib.nullcontext(),
            services.database.reading(caller.tenant_id) as connection,
            _bounded(connection, span, "a smaller limit, or a shorter time from … to"),
        ):
            rows, more = newest(connection, span, limit, after)  # type: ignore[arg-type]  # two numbers
        return _page(device_id, rows, more)
    end = services.now() + 1 if end is None else end
    begin = max(0, end - DAY_MS) if begin is None else begin
    span = Span(caller.tenant_id, device_id, begin, end)
    names = tuple(field.split(".")) if field else None
    # The place comes before the connection: of those there are few, and everybody needs them.
    with (
        services.sums.place(caller.tenant_id),
        services.database.reading(caller.tenant_id) as connection,
        _bounded(connection, span, "a shorter time from … to"),
    ):
        if field is None and aggregate != "count":
            raise bad_request(f"{aggregate} needs a field", "say which: field=temperature")
        if (end - begin) // (bucket * 1000) > BUCKETS:
            raise bad_request(
                f"that would be over {BUCKETS} buckets",
                "take a longer bucket, or a time from … to that is shorter",
            )
        found = summed(connection, span, aggregate, bucket * 1000, names)
    return Telemetry(
        device_id=device_id,
        aggregate=aggregate,
        field=field,
        bucket=bucket,
        buckets=[Bucket(start=iso(start) or "", value=value, count=count) for start, value, count in found],
        count=len(found),
    )


@contextlib.contextmanager
def _bounded(connection: sa.Connection, span: Span, less: str) -> Iterator[None]:
    """For reading of a device, which has to be there, and may have sent any number of samples. `less`: what
    to ask for where that took too long.
    """
    if devices.find(connection, span.tenant_id, span.device_id) is None:
        raise not_found("device")
    try:
        with within(connection, LONGEST_S):
            yield
    except TooLong:
        message = f"the samples could not be read within {LONGEST_S} s"
        raise bad_request(message, f"ask for {less}; or try again when less is going on") from None


def _page(device_id: str, page: list[Stored], more: bool) -> Telemetry:
    return Telemetry(
        device_id=device_id,
        samples=[
            Sample(
                sampled_at=iso(row.sampled_at) or "", received_at=iso(row.received_at) or "", data=row.body
            )
            for row in page
        ],
        next_cursor=f"{page[-1].sampled_at}.{page[-1].id}" if more else None,
        count=len(page),
    )
