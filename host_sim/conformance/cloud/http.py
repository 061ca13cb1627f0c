"""A cloud's HTTP API as a device asks it: bytes as a case gives them, the answer as it comes.

It must never follow a redirect, ask twice, or use a token: that is for `by_api`.
"""

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from host_sim.cloud_client.api import Api as Place
from host_sim.conformance.case import KitError
from host_sim.conformance.cloud.line import NO_USER, Answer, Asked
from host_sim.conformance.endpoint import Identity

TIMEOUT = 20.0  # seconds for an answer
MAX_ANSWER = 1 << 20  # bytes that are kept


class DeviceApi:
    """The API at `place`; of what needs a token, nothing."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._path = urlsplit(place.base).path

    def as_device(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = self._connection()
        try:
            connection.putrequest(method, self._path + path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if content is not None:
                connection.putheader("Content-Type", "application/json")
                connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content)
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, response.read(MAX_ANSWER))
        except (OSError, HTTPException, ValueError) as error:
            raise KitError(
                f"{self._place.host} does not answer a device over HTTP: {str(error) or type(error).__name__}"
            ) from None
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        if self._place.base.startswith("https:"):
            return HTTPSConnection(self._place.host, timeout=TIMEOUT, context=self._place.context)
        return HTTPConnection(self._place.host, timeout=TIMEOUT)

    def as_user(self, method: str, path: str, body: Mapping[str, Any]) -> Answer:
        raise NO_USER

    def follow(self, command_id: str) -> Asked:
        raise NO_USER

    def register(self) -> Identity:
        raise NO_USER

    def revoke(self, device_id: str) -> None:
        raise NO_USER
