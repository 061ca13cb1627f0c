"""The tables, a module for each file of vectors, in the order of reading."""

from tools.vectors.tables import (
    body,
    envelope,
    fields,
    frame,
    freshness,
    members,
    order,
    routing,
    signature,
    size,
    strict_json,
    unicode,
)

FILES = [
    module.FILE
    for module in (
        *(frame, size, unicode, strict_json, members, envelope, body, fields, routing, freshness, signature),
        *(order,),
    )
]
