"""`make bench`, or `python -m host_sim.bench [ROW …]`: the table, and build/bench.json."""

import argparse
import importlib
import os
import sys
from pathlib import Path

from host_sim import ROOT
from host_sim.bench.rows import Missing, Row, table, write

# The rows of a module are measured together. In the order of the table.
GROUPS = {
    "verify": ("verify_hxtp", "verify_stdlib", "verify_fast"),
    "broker": ("broker_tcp",),
    "fleet": ("fleet_bytes_per_device",),
    "micropython": ("hmac_micropython_us", "hmac_micropython_bytes"),
    "sizes": ("mpy_bytes_protocol", "mpy_bytes_device"),
    "heap": ("firmware_min_heap",),
    "fuzz": ("fuzz_step_us",),
    "rest_to_ack": (
        "rest_to_ack",
        "rest_to_ack_batch",
        "rest_to_ack_room",
        "rest_to_ack_postgresql",
        "rest_to_ack_batch_postgresql",
        "rest_to_ack_room_postgresql",
    ),
    "first_command": ("first_command",),
    "ingest": ("ingest", "ingest_exchange"),
    "scale": (
        "hello_storm",
        "heartbeats_postgresql",
        "postgresql_bytes_per_device",
        "mosquitto_login_1k_ms",
        "mosquitto_login_10k_ms",
    ),
}


BENCH_JSON = ROOT / "build" / "bench.json"


def main(argv: list[str]) -> int:
    """0 when every row was measured or could not be on this machine; 2 for a row that there is not."""
    parser = argparse.ArgumentParser(prog="python -m host_sim.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these; all of them otherwise")
    parser.add_argument("--json", type=Path, default=BENCH_JSON, help="where to write them")
    options = parser.parse_args(argv)
    unknown = set(options.rows) - {name for names in GROUPS.values() for name in names}
    if unknown:
        parser.error("no such row: " + ", ".join(sorted(unknown)))
    rows: list[Row] = []
    left_out = []
    for group, names in GROUPS.items():
        wanted = [name for name in names if not options.rows or name in options.rows]
        if not wanted:
            continue
        print(f"measuring {', '.join(wanted)}", file=sys.stderr, flush=True)
        try:
            found = importlib.import_module(f"host_sim.bench.{group}").measure()
        except Missing as reason:
            left_out += [f"left out: {name}: {reason}" for name in wanted]
        else:
            rows += [row for row in found if row.name in wanted]
            left_out += [f"left out: {name}" for name in wanted if name not in {row.name for row in found}]
    print(f"{sys.version.split()[0]}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    print("\n".join([table(rows), *left_out]))
    write(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
