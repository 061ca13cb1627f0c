"""Plain HTML pages: no scripts, no foreign resources, readable without style, usable by keyboard and reader.

Must never put a text into a page unescaped.
"""

import base64
import hashlib
from html import escape

from starlette.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; }
body { font: 1.05rem/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 34rem; margin: 3rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem; margin-top: .25rem; }
button { font: inherit; padding: .6rem 1.2rem; margin: 1.25rem .75rem 0 0; min-height: 2.75rem; }
:focus-visible { outline: 3px solid #1a66d0; outline-offset: 2px; }
dt { font-weight: 600; margin-top: .75rem; }
dd { margin-left: 0; }
code { overflow-wrap: anywhere; }
[role=alert] { border-left: .3rem solid #c22; padding: .5rem 1rem; margin: 1rem 0; }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address holds a code
    "X-Frame-Options": "DENY",
}


def page(title: str, *parts: str, status: int = 200) -> HTMLResponse:
    """A page of `parts`, which are HTML already (see `tag`). The title is its heading too."""
    body = "\n".join(parts)
    text = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} – HxTP Cloud</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
    return HTMLResponse(text, status, HEADERS)


def tag(element: str, text: str = "", /, **attributes: str) -> str:
    """An element with a text in it; `for_` and `role` and so on become attributes, `_` a hyphen."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
    )
    return f"<{element}{told}>" if element == "input" else f"<{element}{told}>{escape(text)}</{element}>"


def form(action: str, hidden: dict[str, str], *parts: str) -> str:
    """A form that is posted to `action`."""
    fields = "".join(tag("input", type="hidden", name=name, value=value) for name, value in hidden.items())
    body = "\n".join(parts)
    return f'<form method="post" action="{escape(action)}">\n{fields}\n{body}\n</form>'


def alert(text: str) -> str:
    """What went wrong; a screen reader says it at once."""
    return tag("p", text, role="alert") if text else ""
