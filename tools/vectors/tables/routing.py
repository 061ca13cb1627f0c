"""For whom a message is: its type in each direction, its device, its tenant."""

from tools.vectors.cases import OK, Case, File, Group, verify
from tools.vectors.wire import CODES, DEVICE, TENANT, pipe10

COMMAND = pipe10()
TYPE = "FRAME_TYPE_INVALID"
SCHEMA = "FRAME_SCHEMA_INVALID"

# What the table of types says "yes" to.
ALLOWED = {
    "to_device": ("command", "ota", "hello_ack"),
    "to_cloud": (*("state", "ack", "heartbeat", "telemetry", "error", "hello", "manifest", "ota_status"),),
    "from_client": ("command", "heartbeat"),
}


def slug(name: str) -> str:
    return name.replace("_", "-")


def command(id: str, comment: str, verdict: str = OK, /, **changes: str | None) -> Case:
    """A command with the ids that it has by default, asked with these ids and direction."""
    return verify(id, comment, COMMAND, verdict, **changes)


def anonymous(id: str, comment: str, verdict: str = OK, /, **changes: str | None) -> Case:
    """A command without tenant_id."""
    return verify(id, comment, pipe10(tenant_id=None), verdict, **changes)


DIRECTIONS = Group(
    "types and directions",
    "Who may say what is fixed by the direction, so that nothing can be sent back to its sender's side.",
    [
        verify(
            f"direction-{slug(direction)}-{slug(kind)}",
            f"{kind} with direction {direction}",
            pipe10("{}", message_type=kind),
            OK if kind in allowed else TYPE,
            direction=direction,
        )
        for direction, allowed in ALLOWED.items()
        for kind in CODES
    ]
    + [
        verify(
            "direction-framed",
            "code and type agree with each other and not with the direction",
            pipe10("{}", message_type="hello").framed(),
            TYPE,
            direction="to_device",
        )
    ],
    ("Direction",),
    ("HX3-WIRE-10",),
)

TYPES = Group(
    "types that there are not",
    "Unknown types are refused, whatever the direction.",
    [
        verify(f"type-unknown-{id}", f"message_type {value}", pipe10(message_type=value), TYPE)
        for id, value in (
            ("capital", "Command"),
            ("capitals", "COMMAND"),
            ("space", "command "),
            ("plural", "commands"),
            ("hyphen", "hello-ack"),
            ("prefix", "comm"),
            ("number", "2"),
            ("rotate", "rotate"),
            ("proto", "__proto__"),
            ("constructor", "constructor"),
            ("to-string", "toString"),
        )
    ]
    + [
        verify(
            "type-unknown-framed",
            "an unknown type behind the code of a known one",
            pipe10(message_type="commands").framed(2),
            TYPE,
            clauses=("HX3-WIRE-08", "HX3-WIRE-09"),
        ),
    ],
    ("UnknownType",),
    ("HX3-WIRE-08",),
)

DEVICES = Group(
    "device",
    "device_id is compared with the one that is given, character by character.",
    [
        command("device-ours", "the device's own id", device_id=DEVICE),
        command("device-null", "no device_id to compare with", device_id=None),
        command("device-other", "another device", "DEVICE_NOT_FOUND", device_id="f" * 32),
        command("device-capital", "the same id in capitals", "DEVICE_NOT_FOUND", device_id=DEVICE.upper()),
        command("device-prefix", "an id that ours begins with", "DEVICE_NOT_FOUND", device_id=DEVICE[:-1]),
        command("device-longer", "an id that begins with ours", "DEVICE_NOT_FOUND", device_id=DEVICE + "0"),
        command(
            "device-hyphens",
            "the same id with a UUID's hyphens",
            "DEVICE_NOT_FOUND",
            device_id="01234567-89ab-cdef-0123-456789abcdef",
        ),
        verify(
            "device-escaped",
            "our id, written with escapes",
            pipe10(texts={"device_id": rf'"\u0030{DEVICE[1:]}"'}),
            device_id=DEVICE,
        ),
        verify(
            "device-changed",
            "made for another device and redirected to us",
            pipe10(device_id="f" * 32).swap("f" * 32, DEVICE),
            "SIGNATURE_INVALID",
            device_id=DEVICE,
            clauses=("HX3-CANON-01",),
        ),
    ],
    ("WrongDevice",),
    ("HX3-VAL-01", "HX3-CODEC-06"),
)

TENANTS = Group(
    "tenant",
    "tenant_id is compared where both are there; missing, it is refused towards a device that knows its own.",
    [
        command("tenant-ours", "the device's own tenant", tenant_id=TENANT),
        command("tenant-null", "no tenant_id to compare with", tenant_id=None),
        command("tenant-other", "another tenant", "PERMISSION_DENIED", tenant_id="other"),
        command(
            "tenant-prefix", "a tenant that ours begins with", "PERMISSION_DENIED", tenant_id=TENANT[:-1]
        ),
        *(
            command(
                f"tenant-other-{slug(direction)}",
                f"another tenant, {direction}",
                "PERMISSION_DENIED",
                tenant_id="x",
                direction=direction,
            )
            for direction in ("to_device", "from_client")
        ),
        verify(
            "tenant-other-to-cloud",
            "another tenant, to_cloud",
            pipe10("{}", message_type="hello"),
            "PERMISSION_DENIED",
            tenant_id="x",
            direction="to_cloud",
        ),
        verify(
            "tenant-changed",
            "tenant_id is not signed in pipe10: changed, it is only found by comparing",
            COMMAND.swap(TENANT, "other"),
            "PERMISSION_DENIED",
            tenant_id=TENANT,
        ),
        verify("tenant-changed-not-compared", "changed and not compared", COMMAND.swap(TENANT, "other")),
        anonymous(
            "tenant-missing-to-device",
            "missing, to a device that knows its own",
            "PERMISSION_DENIED",
            tenant_id=TENANT,
            direction="to_device",
        ),
        anonymous(
            "tenant-missing-to-device-null", "missing, with none to compare with", direction="to_device"
        ),
        anonymous(
            "tenant-missing-from-client", "missing, from a client", tenant_id=TENANT, direction="from_client"
        ),
        anonymous("tenant-missing-any", "missing, direction any", tenant_id=TENANT),
        verify(
            "tenant-missing-to-cloud",
            "missing, to a cloud, as older Python programs send it",
            pipe10("{}", message_type="telemetry", tenant_id=None),
            tenant_id=TENANT,
            direction="to_cloud",
        ),
        *(
            verify(
                f"tenant-is-null-{slug(direction)}",
                f"null is not missing, {direction}",
                pipe10(
                    "{}",
                    message_type="heartbeat" if direction == "to_cloud" else "command",
                    texts={"tenant_id": "null"},
                ),
                SCHEMA,
                tenant_id=TENANT,
                direction=direction,
                clauses=("HX3-WIRE-25",),
            )
            for direction in ("to_device", "to_cloud", "from_client", "any")
        ),
    ],
    ("WrongTenant",),
    ("HX3-VAL-01", "HX3-WIRE-25", "HX3-CODEC-06"),
)

FILE = File("routing", [DIRECTIONS, TYPES, DEVICES, TENANTS])
