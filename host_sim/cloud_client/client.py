"""What people do with a cloud, as a library: find a device, register one, command one, see what became of it.

    cloud = connect()
    ended = cloud.command(cloud.find("lamp")["id"], "light_brightness", {"brightness": 40})
    ended["status"], ended["result"]

Must never send a command twice, nor say that one was executed of which the device did not say so.
"""

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from host_sim.cloud_client import bootstrap, registration
from host_sim.cloud_client.api import CloudError, Refused, Session
from host_sim.cloud_client.flash import flash_files
from host_sim.cloud_client.options import place
from host_sim.cloud_client.registration import Identity
from host_sim.provision import SIMULATED_WIFI

ASKS = ("confirmation_required", "dry_run_required")
UNSETTLED = ("queued", "dispatched")
EXECUTED = "acknowledged"
MOST_PAGES = 100  # of 1,000 devices each
_ID = re.compile("[0-9a-f]{32}")  # of a device, as this project's cloud makes them
MANIFEST_S, AGAIN_S = 3.0, 0.25  # that a manifest may take to come, and how often is asked
FIRST_S, LATER, LAST_S = 0.1, 1.6, 3.0  # pauses between questions, each longer than the one before


class ManyError(CloudError):
    """A device was not named so that one is meant. `choices`: those that there are."""

    code = "NOT_FOUND"

    def __init__(self, message: str, devices: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.choices = [f"{one['id']}  {one['name'] or one['device_type']}" for one in devices[:50]]


class NeedsYes(CloudError):
    """Somebody has to say yes to this command: `confirm` with the token."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused.body.get("message", refused)), refused.status)
        self.code = refused.code
        self.token = str(refused.body.get("dry_run_token", ""))


class Client:
    """A cloud, as a caller. `ca`: of its certificate, for boards whose cloud names none."""

    def __init__(self, session: Session, ca: Path | None = None) -> None:
        self.session = session
        self._ca = ca

    # -- devices ------------------------------------------------------------------------------------------

    def devices(self) -> list[dict[str, Any]]:
        """All devices that were not revoked."""
        found: list[dict[str, Any]] = []
        path = "/devices"
        for _ in range(MOST_PAGES):
            page = self.session.get(path)
            rows = page.get("devices")
            if not isinstance(rows, list) or not all(_is_device(one) for one in rows):
                raise CloudError("the cloud's list of devices is none: check --cloud")
            found += rows
            if "next_cursor" not in page:
                break
            path = f"/devices?cursor={quote(str(page['next_cursor']), safe='')}"
        return [one for one in found if not one.get("revoked")]

    def find(self, wanted: str) -> dict[str, Any]:
        """A device by its id, its name, or the beginning of its id. Raises ManyError, CloudError."""
        if _ID.fullmatch(wanted):
            answer = self.session.ask("GET", f"/devices/{wanted}")
            if answer.status == 200 and _is_device(one := answer.json()):
                return one
        known = self.devices()
        for meant in (
            [one for one in known if one["id"] == wanted],
            [one for one in known if one["name"] == wanted],
            [one for one in known if (one["name"] or "").casefold() == wanted.casefold()],
            [one for one in known if wanted and one["id"].startswith(wanted.lower())],
        ):
            if len(meant) == 1:
                return meant[0]
            if meant:
                raise ManyError(f"{len(meant)} devices are meant by {wanted!r}: name one by its id", meant)
        if not known:
            raise ManyError("there is no device yet: python -m host_sim client register, or device", [])
        raise ManyError(f"there is no device {wanted!r}; these there are:", known)

    def manifest(self, device_id: str) -> dict[str, Any] | None:
        """What a device can do; None while it has not said so."""
        try:
            return self.session.get(f"/devices/{device_id}/manifest")
        except Refused as refused:
            if refused.code == "MANIFEST_NOT_FOUND":
                return None
            raise

    def state(self, device_id: str) -> dict[str, Any]:
        """`state`, `updated_at`, `online` and `last_seen`."""
        return self.session.get(f"/devices/{device_id}/state")

    # -- registering --------------------------------------------------------------------------------------

    def register(
        self, name: str, device_type: str, home_id: str | None = None, room_id: str | None = None
    ) -> Identity:
        """Make a device with a name. Raises CloudError, and then there is none."""
        made = registration.register(self.session, device_type, home_id, room_id)
        try:
            self.rename(made.device_id, name)
        except CloudError:
            with contextlib.suppress(CloudError):
                self.revoke(made.device_id)
            raise
        return made

    def rename(self, device_id: str, name: str) -> None:
        """Give a device a name."""
        answer = self.session.ask("PATCH", f"/devices/{device_id}", {"name": name})
        if answer.status // 100 != 2:
            raise Refused(answer)

    def revoke(self, device_id: str) -> None:
        """End a device."""
        self.session.post(f"/device/{device_id}/revoke")

    def board_files(
        self, device: Identity, board: str, wifi: tuple[str, str] | None = None
    ) -> dict[str, str]:
        """What belongs onto a device's board beside the firmware: hxtp.json with its secret, and ca.pem.

        `board`: its data, a path on the board. `wifi`: (name, password); None for a virtual board's. Raises
        CloudError.
        """
        found = bootstrap.ask(self.session.api, device)
        return flash_files(device, found, board, self._ca, wifi or SIMULATED_WIFI)

    # -- commands -----------------------------------------------------------------------------------------

    def command(
        self,
        device_id: str,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        wait: float = 15,
        yes: bool = False,
    ) -> dict[str, Any]:
        """Send a command and wait so many seconds for what becomes of it: `status`, `error`, `result`.

        Raises Refused, NeedsYes unless `yes`, CloudError.
        """
        end = time.monotonic() + wait
        try:
            command_id = self.send(device_id, action, params or {})
        except NeedsYes as asked:
            if not yes:
                raise
            command_id = self.confirm(device_id, asked.token)
        return self.settled(command_id, end)

    def send(
        self,
        device_id: str,
        action: str,
        params: Mapping[str, Any],
        *,
        dry_run: bool = False,
        ttl_s: float | None = None,
    ) -> str:
        """The id of the accepted command. Raises NeedsYes, Refused, CloudError.

        A device that has just come tells what it can do a moment later; that is waited for.
        """
        body: dict[str, Any] = {"action": action, "params": dict(params)}
        if dry_run:
            body["dry_run"] = True
        if ttl_s is not None:
            body["ttl_s"] = ttl_s
        end = time.monotonic() + MANIFEST_S
        while True:
            try:
                return _id(self.session.post(f"/device/{device_id}/command", body))
            except Refused as refused:
                if refused.status == 409 and refused.body.get("status") in ASKS:
                    raise NeedsYes(refused) from None
                early = refused.code == "MANIFEST_NOT_FOUND" and time.monotonic() < end
                if not early or self.state(device_id).get("online") is not True:
                    raise
                time.sleep(AGAIN_S)

    def confirm(self, device_id: str, token: str) -> str:
        """Say yes; the id of the command. Raises Refused, CloudError."""
        return _id(self.session.post(f"/device/{device_id}/command/confirm", {"dry_run_token": token}))

    def settled(
        self, command_id: str, end: float, sleep: Callable[[float], None] = time.sleep
    ) -> dict[str, Any]:
        """The command once it has ended, or as it is when the monotonic clock says `end`."""
        pause = FIRST_S
        while True:
            sleep(max(min(pause, end - time.monotonic()), 0))
            pause = min(pause * LATER, LAST_S)
            answer = self.session.ask("GET", f"/commands/{command_id}")
            late = time.monotonic() >= end
            if answer.status == 429 and not late:
                pause = _again_after(answer.headers)
                continue
            if answer.status // 100 != 2:
                raise Refused(answer)
            command = answer.json()
            if command.get("status") not in UNSETTLED or late:
                return command


def connect(
    url: str | None = None,
    *,
    ca: str | Path | None = None,
    token: str | None = None,
    data: str | Path | None = None,
) -> Client:
    """The cloud at `url` (https://HOST[:PORT]/api/v1). What is not given is found as by the command line: in
    HXTP_CLOUD and HXTP_TOKEN, else at a cloud of this machine, its `data` in build/cloud. Raises CloudError.
    """
    found = place(url, _path(ca), None, _path(data))
    return Client(found.session(token), found.ca)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _is_device(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("id"), str)
        and isinstance(one.get("device_type"), str)
        and isinstance(one.setdefault("name", None), str | None)
    )


def _id(answer: Mapping[str, Any]) -> str:
    found = answer.get("command_id")
    if not isinstance(found, str) or not 0 < len(found) <= 64 or not found.replace("-", "").isalnum():
        raise CloudError("the cloud accepted the command without saying its id: check --cloud")
    return found


def _again_after(headers: Mapping[str, str]) -> float:
    told = headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() and len(told) < 6 else LAST_S
