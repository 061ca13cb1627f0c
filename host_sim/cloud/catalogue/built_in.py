"""What this project's own firmware can do: the ACTIONS of every capability, as they stand in its code.

They are read by another process, in which hardware is only a name: a server that had imported the firmware's
modules with made-up hardware would have them for good. Must never be written down a second time here.
"""

import importlib
import json
import pkgutil
import subprocess
import sys
import types
from functools import cache
from typing import Any

from host_sim import FIRMWARE, ROOT

HARDWARE = ("machine", "neopixel", "esp32")  # that capabilities import, and no host has
READ_S = 30


@cache
def actions() -> dict[str, dict[str, dict[str, Any]]]:
    """By category, by action: an entry in the manifest's form. Raises OSError, subprocess.SubprocessError."""
    done = subprocess.run(
        [sys.executable, "-m", __name__], cwd=ROOT, capture_output=True, timeout=READ_S, check=True
    )
    return json.loads(done.stdout)


class _Hardware(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def _read() -> dict[str, dict[str, dict[str, Any]]]:
    for name in HARDWARE:
        sys.modules[name] = _Hardware(name)
    sys.path.insert(0, str(FIRMWARE))
    package = importlib.import_module("capabilities")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for info in pkgutil.walk_packages(package.__path__, "capabilities."):
        for one in vars(importlib.import_module(info.name)).values():
            if isinstance(one, type) and issubclass(one, package.Part):
                for action, spec in one.ACTIONS.items():
                    _keep(found.setdefault(one.KIND, {}), action, spec)
    return found


def _keep(of_kind: dict[str, dict[str, Any]], action: str, spec: tuple) -> None:
    entry = {
        "id": spec[0],
        "action": action,
        "description": spec[1],
        "safetyClass": spec[3] if len(spec) > 3 else "normal",
        "paramSchema": {"additionalProperties": False, "properties": spec[2]},
        "supportsDryRun": True,
    }
    # Drivers of one kind may differ in what they allow: what allows most is told.
    known = of_kind.get(action)
    if known is None or len(json.dumps(entry)) > len(json.dumps(known)):
        of_kind[action] = entry


if __name__ == "__main__":
    json.dump(_read(), sys.stdout)
