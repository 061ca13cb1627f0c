"""Writes what a board needs to find and trust its gateway: `hxtp.json` and the CA's certificate.

`hxtp.json` holds the device's secret and the Wi-Fi password, so it is made with mode 0600 and never printed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host_sim.files import replace_file
from host_sim.gateway.store import Registration

SIMULATED_WIFI = ("simulated", "not-a-secret")


def board_files(
    registration: Registration,
    mqtt: str,
    ca_pem: str,
    board: str,
    wifi: tuple[str, str] = SIMULATED_WIFI,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """The files that belong into the root of a board's flash, by name.

    `mqtt`: "mqtts://host:port". `board`: the board data, a path on the device, "boards/NAME.json".
    `wifi`: (ssid, password). `extra`: more members, e.g. the firmware's settings.
    """
    config = {
        "tenant_id": registration.tenant_id,
        "device_id": registration.device_id,
        "secret": registration.secret.hex(),
        "mqtt": mqtt,
        "password_expiry": registration.password_expiry,
        "ca": "ca.pem",
        "wifi": {"ssid": wifi[0], "password": wifi[1]},
        "board": board,
        **(extra or {}),
    }
    return {"ca.pem": ca_pem, "hxtp.json": json.dumps(config, indent=2) + "\n"}


def write_board(folder: str | Path, files: Mapping[str, str]) -> Path:
    """Write what `board_files` gave into `folder`, mode 0600, and return the path of hxtp.json."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        replace_file(folder / name, text)
    return folder / "hxtp.json"
