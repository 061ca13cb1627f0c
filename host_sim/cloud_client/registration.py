"""Registers a device with a cloud. Must never print the secret, which the cloud tells this once."""

from dataclasses import dataclass, field

from host_sim.cloud_client.api import Answer, CloudError, Session, told

NO_TOKEN = (
    "the cloud does not take this token (%s): make one with "
    "python -m host_sim cloud token --tenant NAME --email E"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A registered device. `cloud`: the API's address that it was registered at."""

    cloud: str
    device_id: str
    tenant_id: str
    device_type: str
    secret: bytes = field(repr=False)


def register(
    session: Session, device_type: str, home_id: str | None = None, room_id: str | None = None
) -> Identity:
    """Make a device. Raises CloudError."""
    body = {"device_type": device_type, "home_id": home_id, "room_id": room_id}
    answer = session.ask(
        "POST", "/device/register", {name: value for name, value in body.items() if value is not None}
    )
    if answer.status == 401:
        raise CloudError(NO_TOKEN % told(answer), 401)
    if answer.status != 201:
        raise CloudError(f"the device was not registered: {told(answer)}", answer.status)
    return _read(session.api.base, device_type, answer)


def _read(base: str, device_type: str, answer: Answer) -> Identity:
    body = answer.json()
    try:
        device_id, tenant_id = body["device_id"], body["tenant_id"]
        secret = bytes.fromhex(body["device_secret"])
        if not isinstance(device_id, str) or not isinstance(tenant_id, str):
            raise TypeError
    except (KeyError, TypeError, ValueError):
        raise CloudError("the registration's answer lacks the device's id, tenant or secret") from None
    return Identity(base, device_id, tenant_id, device_type, secret)
