"""Checks the formal models of the specification with SPIN, for `make spec`.

Every model is also checked with each mistake that can be put into it: one that is not found is an error,
since a check that finds nothing proves nothing. This program must never write outside of a temporary folder.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

MODELS = Path(__file__).resolve().parent.parent / "protocol_spec" / "models"
DEEPEST = 2_000_000  # steps of one execution
PATIENCE = 600  # seconds for one check


class Check(NamedTuple):
    """One property of one model. `defines` choose its faults; `fair` asks for weak fairness."""

    model: str
    claim: str
    defines: tuple[str, ...]
    fair: bool
    holds: bool


CHECKS = (
    Check("rotation.pml", "never_locked_out", (), False, True),
    Check("rotation.pml", "always_ends", ("FAULTS=2",), True, True),
    Check("rotation.pml", "never_locked_out", ("WRONG_ACK_FIRST",), False, False),
    Check("rotation.pml", "never_locked_out", ("WRONG_EXPIRY",), False, False),
    Check("rotation.pml", "never_locked_out", ("WRONG_PROMOTION",), False, False),
    Check("update.pml", "never_runs_unverified", (), False, True),
    Check("update.pml", "never_locked_out", (), False, True),
    Check("update.pml", "never_rolls_back", (), False, True),
    Check("update.pml", "always_ends", ("FAULTS=2",), True, True),
    Check("update.pml", "never_runs_unverified", ("WRONG_READING",), False, False),
    Check("update.pml", "never_runs_unverified", ("WRONG_FORGED",), False, False),
    Check("update.pml", "never_locked_out", ("WRONG_SLOT",), False, False),
    Check("update.pml", "never_locked_out", ("WRONG_MARK",), False, False),
    Check("update.pml", "never_rolls_back", ("WRONG_FLOOR", "WRONG_NONCE"), False, False),
    Check("update.pml", "always_ends", ("FAULTS=1", "WRONG_COUNT"), True, False),
    Check("update.pml", "always_ends", ("FAULTS=1", "WRONG_BOOT"), True, False),
)


def missing() -> list[str]:
    """The programs that are needed and not there."""
    return [name for name in ("spin", "gcc") if shutil.which(name) is None]


def verdict(output: str) -> tuple[bool, int]:
    """Whether the property holds, and how many states were looked at.

    Raises ValueError where the search was not complete, so that nothing half-searched is called proven.
    """
    errors = re.search(r"errors: (\d+)", output)
    states = re.search(r"(\d[\d.e+]*) states, stored", output)
    if not errors or not states:
        raise ValueError("no result: " + output.strip()[-200:])
    holds = errors[1] == "0"
    if holds and ("max search depth too small" in output or "Search not completed" in output):
        raise ValueError("the search was not complete")
    return holds, int(float(states[1]))


def run(check: Check) -> tuple[bool, int]:
    """Search one model exhaustively; raises ValueError or SubprocessError where that fails."""
    # A mistake is found long before a compiler that optimizes would be done.
    effort = "-O1" if check.holds else "-O0"
    with tempfile.TemporaryDirectory() as folder:
        for command in (
            ["spin", *(f"-D{define}" for define in check.defines), "-a", str(MODELS / check.model)],
            ["gcc", effort, "-w", "-o", "pan", "pan.c"],
        ):
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
        search = ["./pan", "-a", *(["-f"] if check.fair else []), f"-m{DEEPEST}", "-N", check.claim]
        done = subprocess.run(search, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
        return verdict(done.stdout)


def main() -> int:
    """0 where every property holds and every mistake is found."""
    if absent := missing():
        print(
            f"NOT CHECKED: the models of protocol_spec/models need {' and '.join(absent)} (apt-get install)"
        )
        return 0
    wrong = 0
    for check in CHECKS:
        name = f"{check.model} {check.claim} {' '.join(check.defines)}".strip()
        try:
            holds, states = run(check)
        except (ValueError, subprocess.SubprocessError) as error:
            print(f"{name}: could not be checked: {error}", file=sys.stderr)
            wrong += 1
            continue
        said = "holds" if holds else "is violated"
        print(f"{name}: {said}{'' if check.holds else ', as it should be'}, {states} states")
        if holds is not check.holds:
            print(f"{name}: that is wrong", file=sys.stderr)
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
