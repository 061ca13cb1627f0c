"""Mosquitto's dynamic security plugin: requests over $CONTROL/dynamic-security/v1 and their answers.

Must never log a request, which holds passwords. Who asks gets the answers; they are told apart by what the
plugin calls correlationData.
"""

import itertools
import json
import logging
import os
import threading
from collections.abc import Sequence
from typing import Any

from host_sim.broker.authority import DEVICE_PUBLISHES, DEVICE_SUBSCRIBES
from host_sim.cloud.broker.mosquitto import CONTROL, RESPONSE
from host_sim.cloud.exchange.uplink import BrokerAddress, UplinkError, client_for

log = logging.getLogger(__name__)

READY_S = 2  # for a session; after that it is tried again later
ANSWER_S = 10


class DynSecError(Exception):
    """The plugin did not do it; says why, without a password."""


class DynSec:
    """A connection for requests; it comes back by itself. One request at a time, from any thread."""

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._number = itertools.count(1)
        self._condition = threading.Condition()
        self._answers: dict[str, dict[str, Any]] = {}
        self._ready = False
        self._client = client_for(address, f"hxtp-logins-{os.urandom(4).hex()}")
        self._client.on_connect = lambda client, data, flags, reason, props: (
            None if reason.is_failure else client.subscribe(RESPONSE, 1)
        )
        self._client.on_subscribe = lambda *unused: self._is(True)
        self._client.on_disconnect = lambda *unused: self._is(False)
        self._client.on_message = lambda client, data, message: self._answered(message.payload)

    def start(self) -> "DynSec":
        """Raises UplinkError."""
        try:
            self._client.connect(self._address.host, self._address.port, keepalive=30)
        except (OSError, ValueError) as error:
            raise UplinkError(f"cannot reach the broker at {self._address.host}: {error}") from None
        self._client.loop_start()
        return self

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def ask(self, commands: Sequence[dict[str, Any]]) -> list[str | None]:
        """Let the plugin do these in their order; for each the error that it tells, or None.

        Raises DynSecError where it does not answer.
        """
        with self._lock:
            marked = [{**command, "correlationData": str(next(self._number))} for command in commands]
            marks = [command["correlationData"] for command in marked]
            with self._condition:
                if not self._condition.wait_for(lambda: self._ready, READY_S):
                    raise DynSecError("there is no session with the broker")
                self._answers.clear()
                # At QoS 0: at 1 the library would say it again after a reconnect, when somebody else may have
                # said something newer. Who gets no answer asks anew.
                self._client.publish(CONTROL, json.dumps({"commands": marked}), qos=0)
                if not self._condition.wait_for(
                    lambda: not self._ready or all(mark in self._answers for mark in marks), ANSWER_S
                ):
                    raise DynSecError("the broker's dynamic security plugin does not answer")
                if not all(mark in self._answers for mark in marks):
                    raise DynSecError("the connection ended before the broker's answer")
                return [self._answers[mark].get("error") for mark in marks]

    def _is(self, ready: bool) -> None:
        with self._condition:
            self._ready = ready
            self._condition.notify_all()

    def _answered(self, payload: bytes) -> None:
        try:
            responses = json.loads(payload)["responses"]
            found = {one["correlationData"]: one for one in responses if "correlationData" in one}
        except (ValueError, TypeError, KeyError):
            log.warning("the broker's dynamic security plugin answered something else")
            return
        with self._condition:
            self._answers.update(found)
            self._condition.notify_all()


def role_of(device_id: str) -> str:
    return f"hxtp-device-{device_id}"


def acls(tenant_id: str, device_id: str) -> list[dict[str, Any]]:
    """What a device may: publish what it tells, and read what it is told, of its own and nothing else."""
    own = f"hxtp/{tenant_id}/device/{device_id}"
    wanted = [("publishClientSend", channel) for channel in sorted(DEVICE_PUBLISHES)]
    for channel in sorted(DEVICE_SUBSCRIBES):
        wanted += [("subscribeLiteral", channel), ("publishClientReceive", channel)]
    return [
        {"acltype": kind, "topic": f"{own}/{channel}", "priority": 0, "allow": True}
        for kind, channel in wanted
    ]


def admit(dynsec: DynSec, tenant_id: str, device_id: str, password: str) -> None:
    """One client and one role for a device, whatever was there before. Raises DynSecError."""
    role = {"rolename": role_of(device_id), "acls": acls(tenant_id, device_id)}
    client = {
        "username": device_id,
        "clientid": f"hxtp-{device_id}",
        "password": password,
        "roles": [{"rolename": role["rolename"]}],
    }
    made = dynsec.ask([{"command": "createRole", **role}, {"command": "createClient", **client}])
    again = []
    for error, command in zip(
        made, ({"command": "modifyRole", **role}, {"command": "modifyClient", **client}), strict=True
    ):
        if error is not None and "already exists" in error:
            again.append(command)
        elif error is not None:
            raise DynSecError(error)
    if again:
        for error in dynsec.ask(again):
            if error is not None:
                raise DynSecError(error)


def dismiss(dynsec: DynSec, device_id: str) -> None:
    """Nothing of a device is left at the broker, and its connection ends. Raises DynSecError."""
    for error in dynsec.ask(
        [
            {"command": "deleteClient", "username": device_id},
            {"command": "deleteRole", "rolename": role_of(device_id)},
        ]
    ):
        if error is not None and "not found" not in error:
            raise DynSecError(error)
