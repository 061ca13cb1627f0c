"""Who a device is, as its registration said, in a folder of mode 0700 and a file of mode 0600.

Must never print the secret, nor register a second device where one is kept.
"""

import json
from collections.abc import Callable
from pathlib import Path

from host_sim.cloud_client.api import CloudError
from host_sim.cloud_client.registration import Identity
from host_sim.files import replace_file

FILE = "registration.json"


def kept(folder: Path, make: Callable[[], Identity], device_type: str, cloud: str) -> tuple[Identity, bool]:
    """The device of `folder`, made by `make` and written there if there is none; whether it was made now.

    Raises CloudError where the folder holds another cloud's or another type of device, or nothing readable.
    """
    file = folder / FILE
    if not file.exists():
        made = make()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(file, _text(made))
        return made, True
    found = _parse(file)
    for name, has, wanted in (
        ("cloud", found.cloud, cloud),
        ("device type", found.device_type, device_type),
    ):
        if has != wanted:
            raise CloudError(
                f"{folder} keeps a device of the {name} {has}, not {wanted}: use another folder with --data"
            )
    return found, False


def _text(identity: Identity) -> str:
    return json.dumps(
        {
            "cloud": identity.cloud,
            "device_id": identity.device_id,
            "tenant_id": identity.tenant_id,
            "device_type": identity.device_type,
            "secret": identity.secret.hex(),
        },
        indent=2,
    )


def _parse(file: Path) -> Identity:
    file.chmod(0o600)
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
        return Identity(
            *(str(body[name]) for name in ("cloud", "device_id", "tenant_id", "device_type")),
            secret=bytes.fromhex(body["secret"]),
        )
    except (ValueError, KeyError, TypeError):
        raise CloudError(f"{file} is not what this program wrote: remove it to register anew") from None
