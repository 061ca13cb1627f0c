"""`python -m tests.conformance.exactly [PART …]`: whether each broken reference cloud fails the cases that
its row names, and no other over HTTP. `PART`: of the names of those to try. Status 1 where one fails others.

It takes minutes, and so is no test: the tests try the first case of each row.
"""

import asyncio
import logging
import sys

from host_sim.conformance import cloud, running
from host_sim.conformance.case import Outcome
from host_sim.conformance.cloud import reference
from host_sim.conformance.mutants import Faults, applied
from host_sim.conformance.mutants import reference as broken


def main(parts: list[str]) -> int:
    """The number of rows that name other cases than fail, 1 at most."""
    logging.getLogger().addHandler(Faults())
    cases = broken.over_http(cloud.cases())
    rows = [row for row in broken.TABLE if not parts or any(part in row.name for part in parts)]
    wrong = 0
    with reference.running() as one:
        for row in rows:
            with applied(row.edits):
                found = asyncio.run(running.run(cases, reference.target(one), running.Silent()))
            failed = {result.case.id for result in found.results if result.status is Outcome.FAILED}
            named = set(row.cases)
            told = [f"not {id}" for id in sorted(named - failed)] + [
                f"also {id}" for id in sorted(failed - named)
            ]
            if found.stopped:
                told.append(found.stopped)
            wrong += bool(told)
            print(f"{row.name}: {', '.join(told) or f'exactly {len(failed)}'}", flush=True)
    print(f"{len(rows)} broken clouds, {wrong} of them fail other cases than are named")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
