"""What public SDKs built, as it was measured (tests/vectors/sdk-vectors.json), and what has to become of it.

The messages come from that file; profile, verdict and code of each are written down here.
"""

import json
from pathlib import Path
from typing import Any

from tools.vectors.cases import OK, Case, File, Group, verify
from tools.vectors.wire import Wire

MEASURED = json.loads((Path(__file__).resolve().parents[3] / "tests/vectors/sdk-vectors.json").read_text())
BY_NAME = {vector["name"]: vector for vector in MEASURED["vectors"]}
PROFILES = ("pipe10", "json-full", "json-header")
INVALID, MISMATCH, SCHEMA = "SIGNATURE_INVALID", "HASH_MISMATCH", "FRAME_SCHEMA_INVALID"

# name: the verdicts of pipe10, json-full and json-header.
VERDICTS = {
    "pipe10-command-sorted": (OK, INVALID, MISMATCH),
    "pipe10-command-sorted-py": (OK, INVALID, MISMATCH),
    "pipe10-command-sorted-py-old": (OK, INVALID, MISMATCH),
    "pipe10-command-unsorted-js": (OK, MISMATCH, MISMATCH),
    "pipe10-heartbeat-empty-params": (OK, INVALID, MISMATCH),
    "pipe10-telemetry-float-22.5": (OK, INVALID, MISMATCH),
    "pipe10-nonascii-js": (OK, MISMATCH, MISMATCH),
    "json-full-command-py": (INVALID, OK, MISMATCH),
    "json-full-no-tenant-py": (INVALID, OK, MISMATCH),
    "json-header-command-js": (MISMATCH, MISMATCH, OK),
    "json-header-heartbeat-js": (MISMATCH, MISMATCH, OK),
    "micro-d37c4c6-hello": (OK, INVALID, MISMATCH),
    "micro-d37c4c6-state": (OK, SCHEMA, SCHEMA),
    "micro-d37c4c6-ack": (OK, SCHEMA, SCHEMA),
    "micro-ea9893f-hello": (SCHEMA, SCHEMA, SCHEMA),
    "micro-ea9893f-state": (SCHEMA, SCHEMA, SCHEMA),
    "micro-ea9893f-telemetry": (SCHEMA, SCHEMA, SCHEMA),
    "micro-ea9893f-ack": (SCHEMA, SCHEMA, SCHEMA),
    "micro-ea9893f-nack": (SCHEMA, SCHEMA, SCHEMA),
    "cloud-command-ok": (OK, INVALID, MISMATCH),
    # Its top-level action was changed, which pipe10 does not sign: the message is authentic all the same.
    "neg-tampered-action": (OK, INVALID, MISMATCH),
    "neg-tampered-params": (MISMATCH, MISMATCH, MISMATCH),
    "neg-bad-signature": (INVALID, INVALID, MISMATCH),
    "neg-old-timestamp": ("TIMESTAMP_EXPIRED",) * 3,
    "neg-version-2.2": ("VERSION_MISMATCH",) * 3,
    "neg-missing-nonce": ("NONCE_MISSING",) * 3,
}
# The verdict of auto, where no profile accepts.
FURTHEST = {
    **{name: verdicts[0] for name, verdicts in VERDICTS.items() if len(set(verdicts)) == 1},
    "neg-bad-signature": INVALID,
}
BODY_NAMES = ("params", "state", "data", "result")


def message(name: str) -> Wire:
    """The message as it was built, and its body as it stands in there."""
    text = BY_NAME[name]["wire_json"]
    body = "{}"
    for member in BODY_NAMES:
        _, mark, behind = text.partition(f'"{member}":')
        if mark:
            body = behind[: json.JSONDecoder().raw_decode(behind)[1]]
            break
    return Wire(text.encode(), json.loads(text)["message_type"], body)


def framed(name: str) -> Wire:
    header = bytes.fromhex(BY_NAME[name]["frame_header_hex"])
    return message(name).between(header, b"")


def slug(name: str) -> str:
    return name.replace(".", "-")


def row(id: str, comment: str, wire: Wire, verdict: str, **more: Any) -> Case:
    return verify(
        f"sdk-{id}",
        comment,
        wire,
        verdict,
        secret_hex=MEASURED["secret_hex"],
        now_ms=MEASURED["now_ms"],
        **more,
    )


def _of(profile: str, index: int) -> Group:
    return Group(
        f"judged as {profile}",
        "Messages of public SDKs, in the profile that each speaks and in the others.",
        [
            row(
                f"{slug(name)}-as-{profile}",
                BY_NAME[name]["producer"],
                message(name),
                verdicts[index],
                profile=profile,
            )
            for name, verdicts in VERDICTS.items()
            if verdicts[index] == OK or index == 0 or name.startswith(("pipe10", "json"))
        ],
        ("Sdk",),
        ("HX3-SDK-03", "HX3-CANON-01") if index == 0 else ("HX3-CANON-13",),
        profile,
    )


FRAMED = Group(
    "frames of the device SDK",
    "As devices send them; and the same sent back to a device, which their direction forbids.",
    [
        case
        for name, verdicts in VERDICTS.items()
        if BY_NAME[name].get("frame_header_hex")
        for case in (
            row(f"{name}-framed", "as it was sent", framed(name), verdicts[0], direction="to_cloud"),
            row(
                f"{name}-returned",
                "sent back to a device",
                framed(name),
                "FRAME_TYPE_INVALID" if verdicts[0] == OK else verdicts[0],
                direction="to_device",
            ),
        )
    ],
    ("Sdk",),
    ("HX3-WIRE-02", "HX3-WIRE-10", "HX3-SDK-04"),
)

AUTO = Group(
    "judged by auto",
    "What a cloud says that is not told the profile.",
    [
        row(
            f"{slug(name)}-auto",
            BY_NAME[name]["producer"],
            message(name),
            OK if OK in verdicts else FURTHEST[name],
            profile="auto",
        )
        for name, verdicts in VERDICTS.items()
    ],
    ("Sdk",),
    ("HX3-CODEC-09",),
    "auto",
)

TENANT = Group(
    "without a tenant",
    "Older Python programs send no tenant_id.",
    [
        row(
            "tenant-to-device",
            "refused by a device that knows its own",
            message("pipe10-command-sorted-py"),
            "PERMISSION_DENIED",
            direction="to_device",
            tenant_id="home",
        ),
        row(
            "tenant-from-client",
            "taken by a cloud",
            message("pipe10-command-sorted-py"),
            OK,
            direction="from_client",
            tenant_id="home",
        ),
        row(
            "tenant-telemetry",
            "telemetry is not a client's",
            message("pipe10-telemetry-float-22.5"),
            "FRAME_TYPE_INVALID",
            direction="from_client",
        ),
    ],
    ("Sdk",),
    ("HX3-WIRE-25", "HX3-CODEC-06"),
)

FILE = File("sdks", [*(_of(profile, index) for index, profile in enumerate(PROFILES)), FRAMED, AUTO, TENANT])
