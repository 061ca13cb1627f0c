"""The manifest: when it is sent, and what stands in it."""

from typing import Any

from host_sim.conformance.case import Failed, Skipped, case, expect
from host_sim.conformance.device.cloud import Cloud
from host_sim.conformance.device.effect import declared
from hxtp.registry import SAFETY
from hxtp.session import whole

GROUP = "Manifest"
MEMBERS = {"action", "description", "id", "paramSchema", "safetyClass", "supportsDryRun"}


@case(
    "manifest-wanted",
    "the manifest is sent once when it is wanted, and is the one that hello named",
    ("HX3-SESS-21", "HX3-MAN-02", "HX3-STATE-06"),
    group=GROUP,
)
def manifest_wanted(cloud: Cloud) -> None:
    hello = cloud.hello()
    cloud.answer(hello, manifest_wanted=True)
    said, state = cloud.expect("manifest"), cloud.expect("state")
    if said.message.sequence > state.message.sequence:
        raise Failed("the manifest before the state", "the state first")
    hash = said.message.payload_hash.decode()
    expect("the manifest's payload_hash, which hello told,", hello.body["manifest_hash"], hash)
    cloud.manual = False
    cloud.probe()
    if cloud.inbox("manifest"):
        raise Failed("one manifest", "a second one")


@case(
    "manifest-not-wanted",
    "no manifest is sent where nobody wants it",
    ("HX3-SESS-21",),
    group=GROUP,
)
def manifest_not_wanted(cloud: Cloud) -> None:
    hello = cloud.hello()
    cloud.begin(hello, manifest_wanted=False)
    cloud.probe()
    cloud.wait(cloud.settle)
    if cloud.inbox("manifest"):
        raise Failed("no manifest", "one")


@case(
    "manifest-form",
    "the manifest is sorted by action, each once, with the members and ids that it needs",
    ("HX3-MAN-01", "HX3-MAN-06", "HX3-MAN-09"),
    group=GROUP,
)
def manifest_form(cloud: Cloud) -> None:
    expect("the members of the manifest", ["capabilities"], sorted(cloud.manifest))
    entries = cloud.manifest["capabilities"]
    for entry in entries:
        if not set(entry) >= MEMBERS:
            raise Failed(f"the members {sorted(MEMBERS)} in each capability", repr(sorted(entry)))
        if not isinstance(entry["action"], str) or not 0 < len(entry["action"]) <= 32:
            raise Failed("an action of 1 to 32 characters", repr(entry["action"]))
        if not whole(entry["id"], 1, 65535):
            raise Failed("an id from 1 to 65535", repr(entry["id"]))
        if entry["safetyClass"] not in SAFETY:
            raise Failed(f"a safetyClass of {SAFETY}", repr(entry["safetyClass"]))
    actions = [entry["action"] for entry in entries]
    expect("the actions, sorted and each once,", sorted(set(actions)), actions)
    expect("the number of different ids", len(actions), len({entry["id"] for entry in entries}))


@case(
    "manifest-names",
    "no action of the protocol's own, and no parameter with a name that the protocol uses",
    ("HX3-MAN-07", "HX3-MAN-08", "HX3-MAN-17"),
    group=GROUP,
)
def manifest_names(cloud: Cloud) -> None:
    for action, properties in declared(cloud.manifest).items():
        if action.startswith("hxtp."):
            raise Failed("no action whose name begins with hxtp.", action)
        if {"action", "dry_run", "protocol"} & set(properties):
            raise Failed(
                f"{action}: no parameter named action, dry_run or protocol", repr(sorted(properties))
            )
        target = properties.get("target")
        names = target.get("enum") if isinstance(target, dict) else None
        if not isinstance(names, list) or not names or target.get("type") != "string":
            raise Failed(f"{action}: a target with the names of its parts", repr(target))


@case(
    "manifest-parameters",
    "every parameter has a type of the table, and an array declares its items",
    ("HX3-MAN-14",),
    group=GROUP,
)
def manifest_parameters(cloud: Cloud) -> None:
    every = declared(cloud.manifest)
    if not every:
        raise Skipped("the manifest declares no action")
    for action, properties in every.items():
        for name, rule in properties.items():
            _check(f"{action}.{name}", rule)


def _check(where: str, rule: Any) -> None:
    kind = rule.get("type") if isinstance(rule, dict) else None
    if kind not in ("string", "number", "integer", "boolean", "array"):
        raise Failed(f"{where}: a type of the table", repr(rule))
    if kind == "array":
        _check(f"{where}[]", rule.get("items"))
