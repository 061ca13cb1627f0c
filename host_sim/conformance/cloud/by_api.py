"""A cloud that speaks the HxTP Cloud API: the kit registers its device there, finds the broker by bootstrap,
and has commands sent, all over HTTPS.

It must never show the token or the secret, nor leave a device behind that it registered.
"""

import argparse
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from host_sim.cloud_client import bootstrap, registration
from host_sim.cloud_client.api import Answer, CloudError, told
from host_sim.cloud_client.options import TOKEN, Place, place
from host_sim.conformance import endpoint
from host_sim.conformance.case import KitError
from host_sim.conformance.cloud import line
from host_sim.conformance.cloud.http import DeviceApi
from host_sim.conformance.cloud.line import Outcome
from host_sim.conformance.endpoint import Endpoint, Identity

DEVICE_TYPE = "conformance"
PATIENCE_S = 10.0  # for a cloud that was started again, or has not stored the manifest yet
AGAIN_S = 0.25  # between two questions
UNSETTLED = ("queued", "dispatched")
REFUSED = (400, 404, 409, 422)  # a command that the cloud does not take; the first ones may be too early


class _Asked:
    """A command that the cloud accepted, or refused at once."""

    def __init__(self, cloud: "CloudApi", command_id: str | None, outcome: Outcome | None = None) -> None:
        self._cloud, self._command_id, self._outcome = cloud, command_id, outcome
        self._next = 0.0

    def outcome(self) -> Outcome | None:
        if self._outcome is None and time.monotonic() >= self._next:
            self._next = time.monotonic() + AGAIN_S
            self._outcome = self._cloud.settled(str(self._command_id))
        return self._outcome


class CloudApi(DeviceApi):
    """An `Operator` over the API, and the API itself; `who` and `broker` are the device and where it
    connects.
    """

    def __init__(self, place: Place, token: str, known: Callable[[], Identity] | None = None) -> None:
        """`known`: gives a device that is there already. Raises KitError where the cloud does not take the
        kit.
        """
        self._made: list[str] = []  # ids of the devices that are to be revoked
        try:
            self._ca, self._session = place.ca, place.session(token)
            self._api = self._session.api
            super().__init__(self._api)
            self.who, self.broker = self._meet(known() if known else self.register())
            self._device_id = self.who.device_id
        except (CloudError, KitError) as error:
            with contextlib.suppress(CloudError, KitError):
                self.close()
            raise KitError(str(error)) from None

    @classmethod
    def of(cls, base: str, arguments: argparse.Namespace) -> "CloudApi":
        """What the options and the environment say. Raises KitError."""
        token = os.environ.get(TOKEN, "").strip()
        if not token or not token.isascii() or not token.isprintable():
            raise KitError(f"the cloud's API needs a token: set {TOKEN} in the environment")
        new = arguments.config is None and arguments.device_id is None
        try:
            where = place(base, Path(arguments.ca) if arguments.ca else None)
        except CloudError as error:
            raise KitError(str(error)) from None
        return cls(where, token, None if new else lambda: endpoint.identity(arguments))

    def _meet(self, known: Identity) -> tuple[Identity, Endpoint]:
        device = registration.Identity(
            self._api.base, known.device_id, known.tenant_id, DEVICE_TYPE, known.secret
        )
        found = bootstrap.ask(self._api, device)
        who = Identity(device.tenant_id, device.device_id, device.secret, found.expiry)
        ca = None if self._ca is None else str(self._ca)
        return who, endpoint.endpoint(found.mqtt, ca, ca_text=found.ca)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """The answer; a cloud that is just starting is asked again. Raises KitError."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._session.ask(method, path, body)
                break
            except CloudError as error:
                if time.monotonic() >= until:
                    raise KitError(str(error)) from None
                time.sleep(AGAIN_S)
        if answer.status == 429:
            raise KitError("the cloud limits the requests of this token: give its tenant a higher limit")
        if answer.status in (401, 403):
            raise KitError(f"the cloud does not take this token: {told(answer)}")
        return answer

    def _got(self, answer: Answer, name: str) -> Any:
        """A member of an answer that has to be a success. Raises KitError."""
        if answer.status // 100 != 2:
            raise KitError(f"the cloud's API answers {answer.status}: {told(answer)}")
        try:
            return answer.json()[name]
        except (CloudError, KeyError):
            raise KitError(f"the cloud's API answers without {name!r}") from None

    def ask(self, action: str, params: dict) -> _Asked:
        until = time.monotonic() + PATIENCE_S / 5
        while True:
            path = f"/device/{self._device_id}/command"
            answer = self._call("POST", path, {"action": action, "params": params})
            if answer.status not in REFUSED:
                return _Asked(self, str(self._got(answer, "command_id")))
            if time.monotonic() >= until:
                return _Asked(self, None, Outcome(False, f"refused: {told(answer)}"))
            time.sleep(AGAIN_S)  # the manifest may be on its way

    def settled(self, command_id: str) -> Outcome | None:
        """What became of a command, None while it is under way. Raises KitError."""
        answer = self._call("GET", f"/commands/{command_id}")
        status = self._got(answer, "status")
        if status in UNSETTLED:
            return None
        return Outcome(status == "acknowledged", f"{status} {answer.json().get('error') or ''}".strip())

    def online(self) -> bool:
        return self._got(self._call("GET", f"/devices/{self._device_id}"), "online") is True

    def api(self) -> line.Api:
        return self

    def as_user(self, method: str, path: str, body: Mapping[str, Any]) -> line.Answer:
        try:
            answer = self._session.ask(method, path, body)
        except CloudError as error:
            raise KitError(str(error)) from None
        return line.Answer(answer.status, answer.headers, answer.body)

    def follow(self, command_id: str) -> _Asked:
        return _Asked(self, command_id)

    def register(self) -> Identity:
        try:
            made = registration.register(self._session, DEVICE_TYPE)
        except CloudError as error:
            raise KitError(str(error)) from None
        self._made.append(made.device_id)
        return Identity(made.tenant_id, made.device_id, made.secret)

    def revoke(self, device_id: str) -> None:
        if device_id in self._made:  # and has not been revoked yet
            self._made.remove(device_id)
            self._got(self._call("POST", f"/device/{device_id}/revoke"), "status")

    def forget(self) -> None:
        """Nothing runs here that would have to end."""

    def close(self) -> None:
        """Revoke the devices that the kit registered. Raises KitError."""
        while self._made:
            self.revoke(self._made[-1])
