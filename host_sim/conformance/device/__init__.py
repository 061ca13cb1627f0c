"""The target `--device`: the kit plays the cloud to a device, over somebody's broker or its own.

`cloud` is what cases see, `line` what is below it: `mqtt_line` for real devices, `memory_line` for simulated
ones in virtual time, with which the kit tries itself.
"""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from host_sim.conformance import endpoint
from host_sim.conformance.case import Case, Failed, KitError, cases_of
from host_sim.conformance.listening import SLICE
from host_sim.conformance.reports.terminal import plain
from host_sim.conformance.running import Mutant, Target, seconds

LISTEN = "listen"
LIMIT = 240.0  # seconds a case may take, most of which a device may take to come back
SERVED = 12000  # ms in which a device that is there says something


def add_arguments(group: "argparse._ArgumentGroup") -> None:
    endpoint.add_arguments(group)
    group.add_argument("--user", metavar="NAME", help="the kit's user name at the broker")
    group.add_argument(
        "--password-file", metavar="FILE", help=f"its password (or in the environment: {endpoint.PASSWORD})"
    )
    group.add_argument(
        "--action",
        metavar="CALL",
        help="""what to run, such as 'relay_toggle', or what is undone by another:
        'level {"to":9}/level {"to":0}' (default: by the manifest)""",
    )
    group.add_argument(
        "--reset", metavar="COMMAND", help="powers the device off and on; without it those cases are skipped"
    )
    group.add_argument(
        "--settle",
        metavar="S",
        type=seconds,
        default=0.3,
        help="how long what was refused could still show its effect (default %(default)g)",
    )
    group.add_argument(
        "--patience",
        metavar="S",
        type=seconds,
        default=120.0,
        help="how long a device may take to connect (default %(default)g)",
    )
    group.add_argument("--slow", action="store_true", help="also cases that wait for minutes")


def cases(arguments: argparse.Namespace | None = None) -> list[Case]:
    from host_sim.conformance.device.suite import (
        clock,
        commands,
        dry_runs,
        handshake,
        malformed,
        manifest,
        refusals,
        replay,
        session,
        transport,
    )

    return cases_of(
        handshake, clock, manifest, commands, dry_runs, refusals, malformed, replay, session, transport
    )


@asynccontextmanager
async def open_target(arguments: argparse.Namespace) -> AsyncIterator[Target]:
    """Meet the device. Raises KitError where it does not come or the secret is not its own."""
    from host_sim.conformance.device.cloud import Cloud
    from hxtp.sign import Key

    who = endpoint.identity(arguments)
    line, where = await asyncio.to_thread(_line, arguments, who)
    try:
        cloud = Cloud(
            line,
            who.tenant_id,
            who.device_id,
            Key(who.secret),
            os.urandom,
            int(1000 * arguments.settle),
            int(1000 * arguments.patience),
        )
        await asyncio.to_thread(meet, cloud, arguments.action)
        assert cloud.hello_said is not None
        hello = cloud.hello_said.body
        told = hello.get("features")
        features = (
            frozenset(name for name in told if isinstance(name, str))
            if isinstance(told, list)
            else frozenset()
        )
        facts = {
            "device": who.device_id,
            "device type": str(hello.get("device_type")),
            "firmware": str(hello.get("firmware_version")),
            "broker": where,
            "action": cloud.effect.do.action if cloud.shown else "none whose effect the state shows",
        }
        yield Target(
            f"device {who.device_id}",
            shared(cloud),
            features | ({"slow"} if arguments.slow else set()),
            facts,
            LIMIT,
        )
    finally:
        await asyncio.to_thread(line.close)


def shared(cloud: Any) -> Callable[[Case], AbstractAsyncContextManager[Any]]:
    """What gives each case the one device that all of them share."""

    @asynccontextmanager
    async def open_peer(case: Case) -> AsyncIterator[Any]:
        cloud.lend()
        try:
            yield cloud
        except asyncio.CancelledError:  # too late: its thread goes on until it next touches the line
            cloud.take_back()
            await asyncio.sleep(2 * SLICE / 1000)
            raise

    return open_peer


def meet(cloud: Any, named: str | None = None) -> None:
    """The first hello, a session, the manifest and the action. A device that does part of it is for the
    cases.
    """
    try:
        hello = cloud.find(lambda said: said.type == "hello", min(SERVED, cloud.patience))
        if hello is None:
            cloud.line.call_device()
            hello = cloud.find(lambda said: said.type == "hello", cloud.patience)
    except Failed as failed:
        raise KitError(f"the device does not say hello with this secret and these ids: {failed}") from None
    if hello is None:
        why = cloud.line.trouble() or "nothing was heard of it"
        raise KitError(
            f"no device {cloud.device_id} of tenant {cloud.tenant_id} came in {cloud.patience / 1000:g} s: "
            f"{why}"
        )
    try:
        cloud.answer(hello, manifest_wanted=True)
        cloud.expect("state")
        cloud.find(lambda said: said.type == "manifest", 2000)
        cloud.learn(named)
    except Failed:
        cloud.session = False
    cloud.forget()


def mutants() -> list[Mutant]:
    from host_sim.conformance.mutants import device

    return device.mutants(cases())


def _line(arguments: argparse.Namespace, who: endpoint.Identity) -> tuple[Any, str]:
    from host_sim.conformance.device.mqtt_line import MqttLine, OwnBroker

    if arguments.device.partition(":")[0] == LISTEN:
        own = OwnBroker(*_address(arguments.device), who)
        where = f"mqtt://{own.host}:{own.port}"
        print(
            plain(
                f"waiting for the device at {where} (unencrypted: for the bench only): tenant "
                f"{who.tenant_id}, device {who.device_id}, client id hxtp-{who.device_id}, "
                "the password by its secret"
            ),
            flush=True,
        )
        try:
            return MqttLine(own.endpoint, who, own, arguments.reset), where
        except BaseException:
            own.broker.stop()
            raise
    to = endpoint.endpoint(
        arguments.device, arguments.ca, arguments.user, endpoint.password(arguments.password_file)
    )
    return MqttLine(to, who, None, arguments.reset), str(to)


def _address(text: str) -> tuple[str, int]:
    """`listen`, `listen:PORT` or `listen:HOST:PORT`."""
    host, _, port = text[len(LISTEN) :].lstrip(":").rpartition(":")
    if not port.isascii() or (port and not port.isdigit()):
        raise KitError(f"--device {text!r}: write listen, listen:PORT or listen:HOST:PORT")
    return host or "127.0.0.1", int(port or 0)
