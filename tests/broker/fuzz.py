"""Bytes against the parser and the core, led by coverage: `make fuzzbytes`, or with more to say

    python -m tests.broker.fuzz --seconds 600 --corpus FOLDER    look for bytes that break something
    python -m tests.broker.fuzz FILE…                            try these again

atheris is fetched at the first call, as atheris.lock pins it, for the Pythons that it is there for.
"""

import argparse
import sys
from pathlib import Path

from host_sim import ROOT
from host_sim.fetching import FetchFailed
from tests.broker import python_packages


def main(argv: list[str]) -> int:
    """0 when nothing broke, 2 when atheris cannot be had; libFuzzer's own status when something broke."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.broker.fuzz", description="look for bytes that break the broker"
    )
    parser.add_argument("files", nargs="*", type=Path, help="bytes to try again")
    parser.add_argument("--seconds", type=int, default=60, help="how long to look (default 60)")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=ROOT / "build" / "fuzz" / "broker",
        help="where the bytes are kept that led further (default build/fuzz/broker)",
    )
    options = parser.parse_args(argv)
    if options.files:
        from tests.broker.any_bytes import one_input

        for file in options.files:
            print(f"{file}: {one_input(file.read_bytes())} packets, nothing broke")
        return 0
    try:
        sys.path.append(str(python_packages.fetch(Path(__file__).with_name("atheris.lock"))))
    except FetchFailed as reason:
        print(f"fuzz: {reason}", file=sys.stderr)
        return 2
    import atheris

    with atheris.instrument_imports(include=["host_sim.broker"]):
        from tests.broker.any_bytes import SEEDS, one_input

    options.corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        (options.corpus / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={options.seconds}", "-max_len=600", "-timeout=10", "-print_final_stats=1"]
    crashes = f"-artifact_prefix={options.corpus.parent}/"
    atheris.Setup([sys.argv[0], *limits, crashes, str(options.corpus)], one_input)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
