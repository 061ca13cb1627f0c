"""The target `--cloud`: the kit plays a device to a cloud.

`device` is what cases see, `line` what is below it: `mqtt_line` for real clouds, which are made to send
commands over their API (`by_api`) or by the user's programs (`programs`); `memory_line` for the gateway in
virtual time, with which the kit tries itself.
"""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from host_sim.conformance import endpoint
from host_sim.conformance.case import Case, KitError, cases_of
from host_sim.conformance.cloud.line import Api, Operator
from host_sim.conformance.cloud.programs import Programs
from host_sim.conformance.device import shared
from host_sim.conformance.running import Mutant, Target

LIMIT = 60.0  # seconds a case may take


def add_arguments(group: "argparse._ArgumentGroup") -> None:
    """Beside --config, --tenant, --device-id, --secret-file, --ca and --slow, which --device has as well."""
    group.add_argument(
        "--send",
        metavar="COMMAND",
        help="makes the cloud send a command, and ends with it: {device}, {action}, {params} (JSON) are "
        "filled in; status 0 if it was executed, else its output says why",
    )
    group.add_argument(
        "--restart", metavar="COMMAND", help="ends the cloud and starts it again, as after a crash"
    )
    group.add_argument(
        "--online", metavar="COMMAND", help="status 0 where the cloud takes {device} for online, 1 where not"
    )
    group.add_argument(
        "--api",
        metavar="URL",
        help="where devices ask over HTTP, before /firmware/check; for a --cloud that is a broker",
    )


def cases(arguments: argparse.Namespace | None = None) -> list[Case]:
    from host_sim.conformance.cloud.suite import (
        check_answers,
        check_requests,
        commands,
        confirming,
        critical,
        hello,
        numbers,
    )

    return cases_of(hello, commands, numbers, check_answers, check_requests, critical, confirming)


@asynccontextmanager
async def open_target(arguments: argparse.Namespace) -> AsyncIterator[Target]:
    """Meet the cloud. Raises KitError where it does not answer."""
    from host_sim.conformance.cloud.device import Device
    from host_sim.conformance.cloud.mqtt_line import MqttLine

    operator: Operator
    if arguments.cloud.startswith(("https://", "http://")):
        from host_sim.conformance.cloud.by_api import CloudApi

        if arguments.api is not None:
            raise KitError("--api is for a --cloud that is a broker: this one is an API itself")
        operator = api = await asyncio.to_thread(CloudApi.of, arguments.cloud, arguments)
        who, to = api.who, api.broker
    else:
        who, to = endpoint.identity(arguments), endpoint.endpoint(arguments.cloud, arguments.ca)
        if not who.password_expiry:
            raise KitError(
                "the device's password has an expiry that the cloud named: give --config FILE with it"
            )
        operator = Programs(who.device_id, arguments.send, arguments.online, _api(arguments))
    line = MqttLine(to, who, operator, arguments.restart)
    try:
        device = Device(line, who.tenant_id, who.device_id, who.secret, os.urandom)
        await asyncio.to_thread(device.meet)
        features = frozenset({"slow"} if arguments.slow else ())
        facts = {"device": who.device_id, "broker": str(to)}
        yield Target(f"cloud behind {to}", shared(device), features, facts, LIMIT)
    finally:
        await asyncio.to_thread(line.close)


def mutants() -> list[Mutant]:
    from host_sim.conformance.mutants import cloud, reference

    return cloud.mutants(cases()) + reference.mutants(cases())


def _api(arguments: argparse.Namespace) -> Api | None:
    """Where devices ask, if the options say so. Raises KitError."""
    if arguments.api is None:
        return None
    from host_sim.cloud_client import api
    from host_sim.conformance.cloud.http import DeviceApi

    try:
        return DeviceApi(api.Api(arguments.api, Path(arguments.ca) if arguments.ca else None))
    except api.CloudError as error:
        raise KitError(str(error).replace("--cloud", "--api")) from None
