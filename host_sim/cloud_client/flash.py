"""What the flash of a registered device gets besides the firmware, to find its broker and trust its cloud.

`hxtp.json` among it holds the device's secret, and must never be printed.
"""

from pathlib import Path

from host_sim.cloud_client.api import CloudError
from host_sim.cloud_client.bootstrap import Bootstrap
from host_sim.cloud_client.registration import Identity
from host_sim.provision import SIMULATED_WIFI, board_files


def flash_files(
    identity: Identity,
    found: Bootstrap,
    board: str,
    ca: Path | None = None,
    wifi: tuple[str, str] = SIMULATED_WIFI,
) -> dict[str, str]:
    """The files by name. `board`: its data, a path on the device. `ca`: taken where the cloud named none.
    `wifi`: (name, password).

    Raises CloudError where there is no CA at all.
    """
    pem = found.ca or (ca.read_text(encoding="utf-8") if ca is not None else None)
    if pem is None:
        raise CloudError("the cloud names no CA of its broker: give the file of its certificate with --ca")
    return board_files(identity, found.mqtt, found.expiry, pem, board, wifi)
