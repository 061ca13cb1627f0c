"""Writes docs/session-states.md: the device's session as a diagram, made from the table in hxtp/session.py.

`python tools/state_diagram.py` writes the page, with `--check` it only says whether it is up to date.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "session-states.md"

sys.path.insert(0, str(ROOT / "firmware" / "lib"))

from hxtp.session import OFFLINE, TRANSITIONS  # noqa: E402

HEAD = """\
# The session of a device

Made from `TRANSITIONS` in `firmware/lib/hxtp/session.py` by `python tools/state_diagram.py`; a test
compares them. An arrow says which event leads on, and what is done on the way.

| event | when |
|---|---|
| connected | the transport is up and subscribed |
| accepted | a hello_ack that echoes the outstanding challenge says `session: true` |
| repaired | such a hello_ack says `session: false`: it brings time and numbers, and hello is said again |
| silence | 60 s passed without an answer |
| alone | the same, where a setting lets the device serve a cloud that never answers hello |
| renew | 6 h passed, 10 min of silence, a signed message out of time or order, or a new manifest |
| disconnected | the transport is gone |

```mermaid
stateDiagram-v2
    direction LR
    [*] --> {first}
{arrows}
```
"""


def page() -> str:
    """The page as the table says it."""
    arrows = [
        f"    {state} --> {after}: {event} / {action}"
        for (state, event), (after, action) in TRANSITIONS.items()
    ]
    return HEAD.format(first=OFFLINE, arrows="\n".join(arrows))


def main(argv: list[str]) -> int:
    if argv == ["--check"]:
        if PAGE.exists() and PAGE.read_text() == page():
            return 0
        print(f"{PAGE.relative_to(ROOT)} is out of date: python tools/state_diagram.py", file=sys.stderr)
        return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
