"""The API's page: Swagger UI over the description, every file of it from this server.

Must never load anything from elsewhere: a cloud on a laptop has no network, and a page with a token in it no
business with strangers.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_FILES = files("fastapi_swagger") / "resources"
_HEADERS = {
    # Swagger UI sets styles on elements; scripts come from files alone.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>HxTP Cloud API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"><p>This page needs JavaScript. Without: <a href="openapi.json">openapi.json</a>.</p></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  filter: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""


class _File(NamedTuple):
    kind: str
    body: bytes


def _read() -> Mapping[str, _File]:
    """The files beside the page, by name."""
    return {
        "swagger-ui.css": _File("text/css", (_FILES / "swagger-ui.css").read_bytes()),
        "swagger-ui-bundle.js": _File("text/javascript", (_FILES / "swagger-ui-bundle.js").read_bytes()),
        "start.js": _File("text/javascript", _START.encode()),
    }


def add(app: FastAPI, prefix: str) -> None:
    """Serve the page at PREFIX/docs."""

    async def page(request: Request) -> Response:
        return HTMLResponse(_PAGE, headers=_HEADERS)

    app.add_route(f"{prefix}/docs", page, include_in_schema=False)
    for name, file in _read().items():

        async def one(request: Request, file: _File = file) -> Response:
            kept = {"Cache-Control": "public, max-age=86400"}
            return Response(file.body, media_type=file.kind, headers=kept)

        app.add_route(f"{prefix}/docs/{name}", one, include_in_schema=False)
