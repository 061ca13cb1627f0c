"""The tables, a module for each file of vectors, in the order of reading."""

from tools.vectors.cases import File
from tools.vectors.tables import (
    auto,
    body,
    codec,
    envelope,
    fields,
    frame,
    freshness,
    json_dialects,
    json_profiles,
    json_strict,
    members,
    order,
    routing,
    sdks,
    sign,
    signature,
    size,
    strict_json,
    unicode,
)

FILES = [
    *(
        module.FILE
        for module in (
            *(frame, size, unicode, strict_json, members, envelope, body, fields, routing, freshness),
            *(signature, order),
        )
    ),
    *(
        File(
            table.profile,
            [
                *table.groups(),
                json_strict.bodies(table),
                json_strict.strict(table),
                *json_dialects.groups(table),
            ],
        )
        for table in (json_profiles.FULL, json_profiles.HEADER)
    ),
    auto.FILE,
    sign.FILE,
    codec.FILE,
    sdks.FILE,
]
