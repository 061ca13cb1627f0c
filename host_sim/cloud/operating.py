"""What an operator does with `python -m host_sim cloud …`: PostgreSQL, Mosquitto, keys, tenants.

Must never print a secret or take one as an argument.
"""

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host_sim.cloud.settings import TIERS, Settings, SettingsError, no_password
from host_sim.counted import counted
from host_sim.given import wrong_folder
from host_sim.trouble import Trouble

HOST = r"[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:]{2,39}"


def add_commands(calls: Any, common: argparse.ArgumentParser) -> None:
    """Add the operator's commands to the parser of `cloud`."""
    call = calls.add_parser(
        "migrate",
        parents=[common],
        help="make PostgreSQL's roles, database and tables",
        allow_abbrev=False,  # or --password would be taken, with a password after it
    )
    call.add_argument(
        "--database-owner",
        default=argparse.SUPPRESS,  # it is a setting, and may stand before the command
        metavar="URL",
        help="as the role that owns the tables: postgresql://OWNER@HOST/NAME",
    )
    call.add_argument(
        "--admin", metavar="URL", default="", help="as a role that may make the others where they are missing"
    )
    call.add_argument(
        "--passwords", type=Path, metavar="FILE", help="where passwords of new roles go (a PGPASSFILE)"
    )
    call.set_defaults(run=_told(_migrate))
    call = calls.add_parser(
        "mosquitto", parents=[common], help="set up a Mosquitto for the cloud in a folder"
    )
    call.add_argument("--folder", type=Path, metavar="DIR", help="where (default DATA/mosquitto)")
    call.add_argument(
        "--listen", metavar="ADDRESS", default="127.0.0.1", help="default 127.0.0.1; 0.0.0.0: all"
    )
    call.add_argument("--mqtt-port", type=int, metavar="N", default=8883, help="default 8883")
    call.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="this broker's, as devices reach it; again",
    )
    call.add_argument(
        "--plugin", type=Path, metavar="FILE", help="mosquitto_dynamic_security.so, if not found"
    )
    call.add_argument("--account", metavar="USER", help="whom Mosquitto runs as (root: mosquitto)")
    call.set_defaults(run=_told(_mosquitto))
    call = calls.add_parser("tier", parents=[common], help="put a tenant into another tier")
    call.add_argument("--tenant", required=True, metavar="NAME", help="its name, or its slug")
    call.add_argument("--tier", required=True, choices=TIERS, dest="wanted")
    call.set_defaults(run=_told(_tier))
    call = calls.add_parser(
        "forget", parents=[common], help="delete a tenant with everything of it, or somebody without one"
    )
    which = call.add_mutually_exclusive_group(required=True)
    which.add_argument("--tenant", metavar="NAME", help="its name, or its slug")
    which.add_argument("--email", metavar="E", help="of a user who belongs to no tenant")
    call.add_argument("--yes", action="store_true", help="do it; nothing brings it back")
    call.set_defaults(run=_told(_forget))
    call = calls.add_parser(
        "logins", parents=[common], help="write all devices into Mosquitto's list again (dynamic_security)"
    )
    call.set_defaults(run=_told(_logins))
    call = calls.add_parser("rekey", parents=[common], help="seal all secrets anew with the first master key")
    which = call.add_mutually_exclusive_group()
    which.add_argument("--new", action="store_true", help="make a new master key first")
    which.add_argument("--forget", action="store_true", help="and forget the other keys")
    call.set_defaults(run=_told(_rekey))
    call = calls.add_parser("renew-tokens", parents=[common], help="sign bearer tokens with a new key")
    call.add_argument("--end-all", action="store_true", help="and let all tokens that there are end")
    call.set_defaults(run=_told(_renew_tokens))


def _told(run: Callable[[Settings, argparse.Namespace], str]) -> Callable[..., int]:
    """Print what `run` says."""

    def running(settings: Settings, options: argparse.Namespace) -> int:
        print(run(settings, options))
        return 0

    return running


def _migrate(settings: Settings, options: argparse.Namespace) -> str:
    from host_sim.cloud.storage.database import DatabaseError
    from host_sim.cloud.storage.prepare import prepare

    owner = settings.database_owner
    no_password("--admin", options.admin, "the environment (PGPASSWORD)")
    if not settings.database or not owner:
        raise DatabaseError("give --database and --database-owner, or set both")
    made = prepare(settings.database, owner, options.admin, options.passwords)
    lines = [f"made the role {role}" for role in made.roles]
    if made.database:
        lines.append("made the database")
    lines.append("the tables are those of this version, and row-level security is on")
    if made.passwords is not None:
        lines.append(f"start the cloud with PGPASSFILE={made.passwords.absolute()}")
    return "\n".join(lines)


def _mosquitto(settings: Settings, options: argparse.Namespace) -> str:
    from host_sim.cloud.broker.mosquitto import set_up

    for name in (options.listen, *options.name):
        if not re.fullmatch(HOST, name):
            raise SettingsError(f"{name!r} is no host's name or address")
    if not 1 <= options.mqtt_port <= 65535:
        raise SettingsError("--mqtt-port must be 1 to 65535")
    folder = options.folder or settings.data / "mosquitto"
    try:
        made = set_up(
            folder, options.listen, options.mqtt_port, tuple(options.name), options.plugin, options.account
        )
    except OSError as error:
        raise wrong_folder("--folder", folder, "Mosquitto's files", error) from None
    return (
        f"start Mosquitto:  mosquitto -c {made.config}\n"
        f"start the cloud:  python -m host_sim cloud --config {made.settings}\n"
        f"devices trust:    {made.ca}\n"
        "A Mosquitto that runs already has to be restarted, and then the cloud: its password is new."
    )


def _tier(settings: Settings, options: argparse.Namespace) -> str:
    from host_sim.cloud.catalogue import tenants
    from host_sim.cloud.opening import open_existing

    slug = tenants.slug_of(options.tenant)
    database = open_existing(settings)
    try:
        with database.writing() as connection:
            if not tenants.set_tier(connection, slug, options.wanted):
                raise _no_tenant(connection, slug)
    finally:
        database.close()
    most = settings.per_minute(options.wanted)
    requests = counted(most, "request") if most else "any number of requests"
    return f"{slug} may make {requests} a minute from now on"


def _no_tenant(connection: Any, slug: str) -> Trouble:
    from host_sim.cloud.catalogue import tenants

    known = ", ".join(tenants.slugs(connection, 10)) or "none yet"
    return Trouble(f"there is no tenant {slug}; there are: {known}")


def _forget(settings: Settings, options: argparse.Namespace) -> str:
    from host_sim.cloud.catalogue import forgetting, tenants
    from host_sim.cloud.images import Images
    from host_sim.cloud.opening import open_existing

    database = open_existing(settings)
    try:
        if options.email is not None:
            if not options.yes:
                raise Trouble(f"with --yes {options.email} is deleted for good")
            problem = forgetting.forget_user(database, options.email)
            if problem is not None:
                raise Trouble(problem)
            return f"{options.email} is deleted"
        slug = tenants.slug_of(options.tenant)
        with database.reading() as connection:
            row = tenants.tenant_by_slug(connection, slug)
            if row is None:
                raise _no_tenant(connection, slug)
        people, devices = forgetting.sizes(database, row.id)
        of_it = f"its {counted(people, 'person', 'people')} and {counted(devices, 'device')}"
        what = f"the tenant {slug} ({row.name}), {of_it}"
        if not options.yes:
            raise Trouble(f"with --yes {what} are deleted for good, and all that is known of them")
        images = Images(settings.data / "firmware", 0)
        forgetting.forget_tenant(database, row.id, time.time_ns() // 1000000, images.drop)
    finally:
        database.close()
    return f"{what} are deleted"


def _logins(settings: Settings, options: argparse.Namespace) -> str:
    from host_sim.cloud.broker import logins
    from host_sim.cloud.opening import open_existing

    database = open_existing(settings)
    try:
        if not settings.dynamic_security:
            raise _written_nowhere(settings)
        count = logins.renew_all(database, time.time_ns() // 1000000)
    finally:
        database.close()
    return f"the workers will tell the broker of {counted(count, 'device')}"


def _written_nowhere(settings: Settings) -> SettingsError:
    asks = (
        "the broker of these settings asks the cloud who may come in"
        if settings.broker
        else "the embedded broker looks up in the database who may come in"
    )
    return SettingsError(
        f"{asks}: there is no list to write again, and nothing was done. For a Mosquitto that is told of "
        "devices give the settings of its workers, with dynamic_security: --config FILE"
    )


def _rekey(settings: Settings, options: argparse.Namespace) -> str:
    from host_sim.cloud.opening import open_existing, open_vault
    from host_sim.cloud.rekey import forget_old_keys, rekey, renew_master_key
    from host_sim.cloud.security.vault import VaultError

    if settings.master_key and (options.new or options.forget):
        raise VaultError(
            "master_key holds the keys: change them there, the new one first, and leave --new out"
        )
    database = open_existing(settings)
    file = settings.key_file()
    try:
        vault = open_vault(settings, database)
        if options.new:
            count = renew_master_key(database, file)
            return (
                f"{counted(count, 'secret is', 'secrets are')} sealed with the new key, the first in {file}\n"
                "copy this file to every worker, then: python -m host_sim cloud rekey --forget"
            )
        if options.forget:
            count = forget_old_keys(database, file)
            forgotten = counted(count, "other is", "others are")
            return f"everything is sealed with the first key, and {forgotten} forgotten"
        one, several = (
            "secret was sealed with an old key, and is",
            "secrets were sealed with an old key, and are",
        )
        return f"{counted(rekey(database, vault), one, several)} not any more"
    finally:
        database.close()


def _renew_tokens(settings: Settings, options: argparse.Namespace) -> str:
    from host_sim.cloud.opening import open_existing, open_vault
    from host_sim.cloud.security.tokens import RELOAD_S, Tokens

    database = open_existing(settings)
    try:
        Tokens(database, open_vault(settings, database), settings.token_life_s).renew(options.end_all)
    finally:
        database.close()
    if options.end_all:
        return f"all tokens end within {RELOAD_S} s: everybody has to sign in again"
    return f"within {RELOAD_S} s all workers sign with the new key; tokens hold until they expire"
