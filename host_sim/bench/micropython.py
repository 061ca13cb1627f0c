"""What an HMAC costs a device: time and memory on MicroPython with 32 bits and a device's heap."""

import statistics
import subprocess
from pathlib import Path

from host_sim import FIRMWARE, runtimes
from host_sim.bench.rows import Missing, Row

SCRIPT = Path(__file__).with_name("hmac_on_micropython.py")


def measure() -> list[Row]:
    """Raises Missing where there is no MicroPython with 32 bits: others need twice the memory."""
    runtime = runtimes.micropython()
    if runtime is None or runtime.bits != 32:
        raise Missing("no 32-bit MicroPython; `make runtimes` fetches it where the machine can run it")
    done = subprocess.run(
        [*runtime.argv("128K"), str(SCRIPT), str(FIRMWARE / "lib")],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    turns = [[float(number) for number in line.split()] for line in done.stdout.splitlines()]
    ours, our_bytes, naive, naive_bytes, hash_, hash_bytes = map(statistics.median, zip(*turns, strict=True))
    where = f"MicroPython {runtime.version} {runtime.name}, 2,000 bytes"
    return [
        Row(
            "hmac_micropython_us",
            ours,
            "us",
            hash_,
            naive,
            len(turns),
            f"{where}; floor: one SHA-256 of them; peer: HMAC without prepared pads",
        ),
        Row(
            "hmac_micropython_bytes",
            our_bytes,
            "bytes",
            hash_bytes,
            naive_bytes,
            len(turns),
            "allocated for one; floor and peer as above",
        ),
    ]
