"""Writes protocol_spec/openapi.json, the description of the reference cloud's API: python -m tools.openapi"""

import json
from pathlib import Path

from host_sim.cloud.app import create_app

FILE = Path(__file__).resolve().parents[1] / "protocol_spec" / "openapi.json"


def text() -> str:
    """The description, as the file holds it."""
    return json.dumps(create_app(None).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(FILE)
