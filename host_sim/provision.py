"""What a board needs to find and trust its cloud: `hxtp.json` and the CA's certificate.

`hxtp.json` holds the device's secret and the Wi-Fi's password, and must never be printed.
"""

import json
from typing import Protocol

SIMULATED_WIFI = ("simulated", "not-a-secret")


class Registered(Protocol):
    """A device, as whoever registered it knows it."""

    @property
    def device_id(self) -> str: ...
    @property
    def tenant_id(self) -> str: ...
    @property
    def secret(self) -> bytes: ...


def board_files(
    device: Registered,
    mqtt: str,
    password_expiry: int,
    ca_pem: str,
    board: str,
    wifi: tuple[str, str] = SIMULATED_WIFI,
) -> dict[str, str]:
    """The files that belong into the root of a board's flash, by name.

    `mqtt`: "mqtts://host:port". `password_expiry`: in seconds since 1970. `board`: the board data, a path on
    the device, "boards/NAME.json". `wifi`: (ssid, password).
    """
    config = {
        "tenant_id": device.tenant_id,
        "device_id": device.device_id,
        "secret": device.secret.hex(),
        "mqtt": mqtt,
        "password_expiry": password_expiry,
        "ca": "ca.pem",
        "wifi": {"ssid": wifi[0], "password": wifi[1]},
        "board": board,
    }
    return {"ca.pem": ca_pem, "hxtp.json": json.dumps(config, indent=2) + "\n"}
