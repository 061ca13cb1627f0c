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

from host_sim.conformance import endpoint
from host_sim.conformance.case import Case, KitError, cases_of
from host_sim.conformance.cloud.line import Operator
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


def cases(arguments: argparse.Namespace | None = None) -> list[Case]:
    from host_sim.conformance.cloud.suite import commands, hello, numbers

    return cases_of(hello, commands, numbers)


@asynccontextmanager
async def open_target(arguments: argparse.Namespace) -> AsyncIterator[Target]:
    """Meet the cloud. Raises KitError where it does not answer."""
    from host_sim.conformance.cloud.device import Device
    from host_sim.conformance.cloud.mqtt_line import MqttLine
    from hxtp.sign import Key

    operator: Operator
    if arguments.cloud.startswith(("https://", "http://")):
        from host_sim.conformance.cloud.by_api import CloudApi

        operator = api = await asyncio.to_thread(CloudApi, arguments.cloud, arguments)
        who, to = api.who, api.broker
    else:
        who, to = endpoint.identity(arguments), endpoint.endpoint(arguments.cloud, arguments.ca)
        if not who.password_expiry:
            raise KitError(
                "the device's password has an expiry that the cloud named: give --config FILE with it"
            )
        operator = Programs(who.device_id, arguments.send, arguments.online)
    line = MqttLine(to, who, operator, arguments.restart)
    try:
        device = Device(line, who.tenant_id, who.device_id, Key(who.secret), os.urandom)
        await asyncio.to_thread(device.meet)
        features = frozenset({"slow"} if arguments.slow else ())
        facts = {"device": who.device_id, "broker": str(to)}
        yield Target(f"cloud behind {to}", shared(device), features, facts, LIMIT)
    finally:
        await asyncio.to_thread(line.close)


def mutants() -> list[Mutant]:
    from host_sim.conformance.mutants import cloud

    return cloud.mutants(cases())
