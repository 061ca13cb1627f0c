"""The tables. Each row of a table with `tenant_id` belongs to one tenant, and row-level security keeps it so.

Must never hold a secret in clear: columns named `…_sealed` hold what `security.vault` sealed, columns named
`…_hash` what cannot be turned back. Times are ms since 1970, ids text.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Sealed = sa.LargeBinary

ID = 36  # characters of an id: a UUID, or 32 hex digits for a device
NAME = 128


def _id(name: str = "id", **options: Any) -> sa.Column:
    return sa.Column(name, sa.String(ID), primary_key=True, **options)


def _at(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _text(name: str, size: int = NAME, nullable: bool = False, **options: Any) -> sa.Column:
    return sa.Column(name, sa.String(size), nullable=nullable, **options)


def _json(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, Json, nullable=nullable)


def _tenant() -> sa.Column:
    return sa.Column(
        "tenant_id", sa.String(ID), sa.ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False
    )


def _of(name: str, target: str, nullable: bool = False, **options: Any) -> sa.Column:
    rule = "SET NULL" if nullable else "CASCADE"
    return sa.Column(
        name, sa.String(ID), sa.ForeignKey(f"{target}.id", ondelete=rule), nullable=nullable, **options
    )


def _as_updated(context: Any) -> int:
    return context.get_current_parameters()["updated_at"]


# -- what is found before a tenant is known: no row here tells more than whose something is ----

tenants = sa.Table(
    "tenants",
    metadata,
    _id(),
    _text("slug", 64, unique=True),
    _text("name"),
    _text("tier", 16),  # free, pro, unlimited
    _json("settings"),  # those of settings.TENANT_SETTINGS that differ from the default
    _at("created_at"),
)

directory = sa.Table(
    "directory",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),  # device, api_key, client, user
    sa.Column(
        "key", sa.String(254), primary_key=True
    ),  # device id, a key's prefix, client id, e-mail address
    sa.Column("tenant_id", sa.String(ID), nullable=True, index=True),
    _text("ref", ID),  # the id of the row in its own table
)

signing_keys = sa.Table(
    "signing_keys",  # of the JWTs
    metadata,
    _id(),
    sa.Column("key_sealed", Sealed, nullable=False),
    _at("created_at"),
    _at("retired_at", nullable=True),
)

handshakes = sa.Table(
    "handshakes",  # a command line that waits for a person's approval
    metadata,
    sa.Column("code_hash", sa.String(64), primary_key=True),
    _text("state", 16),  # waiting, approved, refused, taken
    sa.Column("token_sealed", Sealed, nullable=True),
    _at("created_at"),
    _at("expires_at"),
)

agenda = sa.Table(
    "agenda",  # when a device's link has to be looked at though nothing arrived
    metadata,
    sa.Column("device_id", sa.String(ID), primary_key=True),
    sa.Column("tenant_id", sa.String(ID), nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False, index=True),
)

broker_logins = sa.Table(
    "broker_logins",  # what a broker that asks nobody has to be told of a device, and has been
    metadata,
    sa.Column("device_id", sa.String(ID), primary_key=True),
    sa.Column("tenant_id", sa.String(ID), nullable=False, index=True),
    sa.Column("key_version", sa.Integer, nullable=False),  # of the key that the password is made with
    sa.Column("expires_s", sa.BigInteger, nullable=False),  # the password's expiry, seconds since 1970
    sa.Column("told", sa.Boolean, nullable=False),  # whether a signed answer told the device that expiry
    sa.Column("wanted", sa.Integer, nullable=False),  # rises with each change
    sa.Column("written", sa.Integer, nullable=False),  # which of them the broker has
    sa.Column("due_at", sa.BigInteger, nullable=False, index=True),
    # Until then it is the matter of the worker that took it, whatever else is wanted meanwhile; 0: of nobody.
    sa.Column("held_until", sa.BigInteger, nullable=False, default=0),
    sa.Column("error", sa.String(200), nullable=True),  # of the last attempt
)

nonces = sa.Table(
    "nonces",  # where no lasting sequence stops a replay: app clients, bootstrap, firmware checks
    metadata,
    sa.Column("scope", sa.String(ID + 16), primary_key=True),
    sa.Column("nonce", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

counts = sa.Table(
    "counts",  # of rate limits that all workers share, by window
    metadata,
    sa.Column("name", sa.String(160), primary_key=True),
    sa.Column("window", sa.BigInteger, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("ends_at", sa.BigInteger, nullable=False),  # seconds since 1970
)

chores = sa.Table(
    "chores",  # what one worker does for all of them, and from when on another one may
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("holder", sa.String(32), nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
)

# -- of a tenant ----

users = sa.Table(
    "users",
    metadata,
    _id(),
    sa.Column("tenant_id", sa.String(ID), sa.ForeignKey("tenants.id", ondelete="CASCADE"), nullable=True),
    _text("email", 254, unique=True),
    _text("role", 16),  # owner, admin, user, viewer, none
    _text("password_hash", 255, nullable=True),
    sa.Column("sessions_after", sa.BigInteger, nullable=False, default=0),  # older tokens are not taken
    _at("created_at"),
    sa.Index("ix_users_tenant_id_created_at", "tenant_id", "created_at", "id"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    _id(),
    _tenant(),
    _of("user_id", "users"),
    _text("name"),
    _text("prefix", 32, unique=True),
    _text("key_hash", 64),
    _json("scopes"),
    _at("created_at"),
    _at("used_at", nullable=True),
    _at("revoked_at", nullable=True),
    sa.Index("ix_api_keys_tenant_id_created_at", "tenant_id", "created_at", "id"),
)

clients = sa.Table(
    "clients",  # app programs that sign on the WebSocket
    metadata,
    _id(),
    _tenant(),
    _of("user_id", "users"),
    _text("name"),
    sa.Column("secret_sealed", Sealed, nullable=False),
    _at("created_at"),
    _at("revoked_at", nullable=True),
    sa.Index("ix_clients_tenant_id_created_at", "tenant_id", "created_at", "id"),
)

homes = sa.Table(
    "homes",
    metadata,
    _id(),
    _tenant(),
    _text("name"),
    _text("timezone", 64),
    _at("created_at"),
    sa.Index("ix_homes_tenant_id_created_at", "tenant_id", "created_at", "id"),
)

rooms = sa.Table(
    "rooms",
    metadata,
    _id(),
    _tenant(),
    _of("home_id", "homes"),
    _text("name"),
    _at("created_at"),
    sa.Index("ix_rooms_home_id_created_at", "home_id", "created_at", "id"),
)

devices = sa.Table(
    "devices",
    metadata,
    _id(),
    _tenant(),
    _text("device_type", 64),
    _text("name", NAME, nullable=True),
    _of("home_id", "homes", nullable=True),
    _of("room_id", "rooms", nullable=True),
    _text("firmware_version", 64),  # that its last hello told
    _at("created_at"),
    _at("revoked_at", nullable=True),
    sa.Index("ix_devices_tenant_id_created_at", "tenant_id", "created_at", "id"),
    sa.Index("ix_devices_home_id", "home_id"),
    sa.Index("ix_devices_room_id", "room_id"),
)

device_keys = sa.Table(
    "device_keys",
    metadata,
    sa.Column("device_id", sa.String(ID), sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key_version", sa.Integer, primary_key=True),
    _tenant(),
    _text("slot", 16),  # active, next, previous, retired
    sa.Column("secret_sealed", Sealed, nullable=True),  # gone when it is retired
    _at("created_at"),
    _at("promoted_at", nullable=True),
    _at("expires_at", nullable=True),
)

links = sa.Table(
    "links",  # what the protocol keeps of a device; `version` rises with each change
    metadata,
    sa.Column("device_id", sa.String(ID), sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
    sa.Column("version", sa.BigInteger, nullable=False),
    _at("last_seen", nullable=True),
    # See links.records. Apart, because the numbers change with each message and the session does not.
    _json("record"),  # the session
    _json("numbers"),  # by key version, of both directions
)

commands = sa.Table(
    "commands",
    metadata,
    _id(),  # the message id, which a retry keeps
    _tenant(),
    sa.Column("device_id", sa.String(ID), sa.ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),  # its place in the device's queue
    _text("action"),
    _json("params"),
    sa.Column("dry_run", sa.Boolean, nullable=False, default=False),
    # What it had a yes for: normal (it needed none), sensitive, untried, critical.
    sa.Column("passed_as", sa.String(16), nullable=False, default="normal"),
    _text("state", 16),  # queued, dispatched, acknowledged, failed, expired
    _text("error", 64, nullable=True),
    _json("result", nullable=True),
    sa.Column("boot_count", sa.BigInteger, nullable=True),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    _at("due_at"),
    _text("actor", 64),  # who asked: user, api_key, client, intent with its id
    _at("created_at"),
    _at("settled_at", nullable=True),
    _at("expires_at"),
    sa.Index("ix_commands_device_id_created_at", "device_id", "created_at"),
    sa.Index("ix_commands_device_id_state", "device_id", "state"),
)

confirmations = sa.Table(
    "confirmations",  # commands that wait for a person's yes, and for as long those that got it
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("device_id", sa.String(ID), sa.ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    _text("user_id", ID),
    _text("message_id", ID),  # that the command will have; with an Idempotency-Key several rows have the same
    _text("passed_as", 16),  # what the yes is for: sensitive, untried, critical
    _text("action"),
    _json("params"),
    sa.Column("life", sa.BigInteger, nullable=True),
    sa.Column("counted", sa.Boolean, nullable=False),  # the limits let it pass: they are asked once for a yes
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)

manifests = sa.Table(
    "manifests",
    metadata,
    sa.Column("device_id", sa.String(ID), sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
    sa.Column("version", sa.Integer, nullable=False),
    _text("hash", 64),
    _text("source", 16),  # device, api
    _json("body"),
    # When there first was one.
    sa.Column("registered_at", sa.BigInteger, nullable=False, default=_as_updated),
    _at("updated_at"),
)

states = sa.Table(
    "states",  # the last one that a device told
    metadata,
    sa.Column("device_id", sa.String(ID), sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
    sa.Column("version", sa.BigInteger, nullable=False),
    _json("body"),
    _at("updated_at"),
)

state_history = sa.Table(
    "state_history",  # the last ones, a ring: version n has the slot n mod size
    metadata,
    sa.Column("device_id", sa.String(ID), sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("slot", sa.Integer, primary_key=True),
    _tenant(),
    sa.Column("version", sa.BigInteger, nullable=False),
    _json("body"),
    _at("updated_at"),
)

telemetry = sa.Table(  # a row is a run: samples of a device that were taken in together
    "telemetry",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _tenant(),
    sa.Column("device_id", sa.String(ID), sa.ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    _at("first_at"),  # when the earliest of them was taken
    _at("last_at"),
    _at("received_at"),
    _json("samples"),  # [[when it was taken, its body], …] in the order in which they came
    # In the order in which a page reads, with what says which runs it needs not read.
    sa.Index("ix_telemetry_device_id_last_at", "device_id", "last_at", "id", "first_at"),
)

groups = sa.Table(
    "groups",
    metadata,
    _id(),
    _tenant(),
    _text("slug", 64),
    _text("name"),
    _text("description", 512),
    _text("group_type", 32),
    _at("created_at"),
    sa.UniqueConstraint("tenant_id", "slug"),
)

group_devices = sa.Table(
    "group_devices",
    metadata,
    sa.Column("group_id", sa.String(ID), sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("device_id", sa.String(ID), sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
)

releases = sa.Table(
    "releases",
    metadata,
    _id(),
    _tenant(),
    _text("device_type", 64),
    _text("version", 64),
    # From its release on, rising with the version in a device type; one that no device was offered has none.
    sa.Column("number", sa.BigInteger, nullable=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    _text("sha256", 64),
    # Whether the image is a file of the cloud's; otherwise it lies at url.
    sa.Column("stored", sa.Boolean, nullable=False, default=False),
    _text("url", 512),
    _text("notes", 2048),
    sa.Column("signature", sa.String(1024), nullable=True),
    _text("state", 16),  # draft, released, withdrawn
    _at("created_at"),
    _at("released_at", nullable=True),
    sa.UniqueConstraint("tenant_id", "device_type", "version"),
    sa.UniqueConstraint("tenant_id", "device_type", "number"),
)

observations = sa.Table(
    "observations",
    metadata,
    _id(),
    _tenant(),
    _of("device_id", "devices"),
    _text("context"),
    _json("body"),
    _json("proposal"),  # what rules made of it: a list of intents with what became of each
    _text("state", 16),  # none, proposed, accepted, dismissed, automatic
    _text("settled_by", 64, nullable=True),  # the actor who accepted or dismissed it
    _at("created_at"),
    sa.Index("ix_observations_tenant_id_created_at", "tenant_id", "created_at"),
    sa.Index("ix_observations_tenant_id_state_created_at", "tenant_id", "state", "created_at"),
)

rules = sa.Table(
    "rules",  # visible data, not intelligence: when an observation fits, this intent is proposed
    metadata,
    _id(),
    _tenant(),
    _of("user_id", "users", nullable=True),  # its maker, by whose rights it runs where it is automatic
    _text("name"),
    _json("when"),
    _json("intent"),
    sa.Column("automatic", sa.Boolean, nullable=False, default=False),
    _at("created_at"),
    sa.Index("ix_rules_tenant_id", "tenant_id"),
)

scenes = sa.Table(
    "scenes",
    metadata,
    _id(),
    _tenant(),
    _text("name"),
    _json("steps"),
    _at("created_at"),
    sa.UniqueConstraint("tenant_id", "name"),
)

OF_A_TENANT = tuple(table for table in metadata.sorted_tables if "tenant_id" in table.c)
SHARED = (directory, agenda, broker_logins)  # these name a tenant, and hold nothing of it
