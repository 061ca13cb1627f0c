"""Times several pieces of work against each other on a machine that others use too.

They take turns, many short ones, so that what slows the machine down slows all of them alike, and only the
processor's time in this process counts. It must never compare two figures of different runs.
"""

import gc
import statistics
import time
from collections.abc import Callable

RUNS = 21


def interleaved(work: dict[str, Callable[[], object]], runs: int = RUNS) -> dict[str, float]:
    """Seconds of processor time that each piece takes, the median of `runs` turns. One turn before them warms
    up.
    """
    spent: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(runs + 1):
        for name, piece in work.items():
            gc.collect()
            start = time.process_time()
            piece()
            end = time.process_time()
            if turn:
                spent[name].append(end - start)
    return {name: statistics.median(times) for name, times in spent.items()}
