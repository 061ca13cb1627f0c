"""What the stateful test must notice: mistakes made on purpose, one at a time, each searched for with its
ordinary number of examples.

`python -m tests.property.mutants [MUTANT …] [--runs 3]` prints a table and ends with 1 where a mistake was
not noticed, or where something was without one. It may take minutes, and no other test runs it.
"""

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from hypothesis import Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from host_sim import fast
from hxtp.cloud import Link
from hxtp.counter import Counter
from hxtp.errors import SIGNATURE_INVALID
from hxtp.replay import Floor
from hxtp.results import Results
from tests.property.test_device_and_cloud_under_faults import DeviceAndCloud, TestDeviceAndCloud

RUNS = 3


def _instead(owner: type, name: str, make: Callable[[Callable], Callable]) -> Any:
    return mock.patch.object(owner, name, make(getattr(owner, name)))


def nothing() -> Any:
    """No mistake: nothing may be noticed."""
    return contextlib.nullcontext()


def results_forgotten() -> Any:
    """The device forgets what became of a command as soon as it has told it."""
    return _instead(Results, "find", lambda original: lambda self, message_id: None)


def only_one_result_kept() -> Any:
    """The device keeps the newest result alone, and goes on to promise eight."""

    def make(original: Callable) -> Callable:
        def add(self, *entry):
            self._ring.clear()
            original(self, *entry)

        return add

    return _instead(Results, "add", make)


def k_results_kept() -> Any:
    """The device keeps K results, which is enough only where nothing is reordered."""

    def make(original: Callable) -> Callable:
        def add(self, *entry):
            del self._ring[: max(0, len(self._ring) - self.kept + 1)]
            original(self, *entry)

        return add

    return _instead(Results, "add", make)


def no_commit_before_publication() -> Any:
    """The cloud publishes a command before its number and its state are stored."""

    def make(original: Callable) -> Callable:
        def publish(self, order, now):
            commit, self._commit = self._commit, lambda link: None
            try:
                return original(self, order, now)
            finally:
                self._commit = commit

        return publish

    return _instead(Link, "_publish", make)


def no_reservation_of_numbers() -> Any:
    """The device stores no number before it uses it."""

    def make(original: Callable) -> Callable:
        def next_number(self):
            self.last += 1
            return self.last

        return next_number

    return _instead(Counter, "next", make)


def window_of_k_ignored() -> Any:
    """The cloud publishes however many results the device keeps."""

    def make(original: Callable) -> Callable:
        def take(self, now):
            kept, self.results_kept = self.results_kept, 1_000_000
            try:
                return original(self, now)
            finally:
                self.results_kept = kept

        return take

    return _instead(Link, "take", make)


def boot_count_ignored() -> Any:
    """The cloud publishes a command again to a device that was started since."""

    def make(original: Callable) -> Callable:
        def begin(self, message, body, now):
            for order in self.orders:
                order.boot_count = body["boot_count"]
            return original(self, message, body, now)

        return begin

    return _instead(Link, "_begin", make)


def floor_not_checked() -> Any:
    """The device takes any number; the last nonces are still refused."""
    return _instead(Floor, "sequence_ok", lambda original: lambda self, sequence: True)


def state_before_signature() -> Any:
    """The device raises its floor for a message that nobody signed."""

    def make(original: Callable) -> Callable:
        def judge(self, data, now, channel=None):
            message = original(self, data, now, channel)
            if message.code == SIGNATURE_INVALID and isinstance(self.slots[0][1], Floor):
                self.slots[0][1].accept(message.sequence, message.nonce)
            return message

        return judge

    return _instead(fast.CHOSEN.Verifier, "judge", make)


MUTANTS = (
    nothing,
    results_forgotten,
    only_one_result_kept,
    k_results_kept,
    no_commit_before_publication,
    no_reservation_of_numbers,
    window_of_k_ignored,
    boot_count_ignored,
    floor_not_checked,
    state_before_signature,
)


# Noticed in one search of several: it takes a reordering of just so many commands, which a test in tests/unit
# (test_session_commands.py) makes on purpose.
SELDOM = {k_results_kept}


def _settings() -> settings:
    return settings(
        TestDeviceAndCloud.settings,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def noticed(mutant: Callable[[], Any], number: int) -> str | None:
    """What the stateful test says of it, searching from this seed, or None."""
    machine = seed(number)(type("Searched", (DeviceAndCloud,), {}))
    with mutant(), _quiet():
        try:
            run_state_machine_as_test(machine, settings=_settings())
        except Exception as found:  # whatever it is, a test would have failed by it
            return (str(found) or type(found).__name__).splitlines()[0][:80]
    return None


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.property.mutants", description=__doc__)
    parser.add_argument("mutants", nargs="*", metavar="MUTANT", help="only these; all of them otherwise")
    parser.add_argument("--runs", type=int, default=RUNS, help="searches for each, from different seeds")
    options = parser.parse_args(argv)
    names = [mutant.__name__ for mutant in MUTANTS]
    if unknown := set(options.mutants) - set(names):
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    as_it_should = True
    print("| mistake | noticed | seconds | by |\n|---|---|---:|---|")
    for mutant in MUTANTS:
        if options.mutants and mutant.__name__ not in options.mutants:
            continue
        start = time.monotonic()
        found = [noticed(mutant, number) for number in range(options.runs)]
        told = [what for what in found if what]
        if mutant not in SELDOM:
            as_it_should &= len(told) == (0 if mutant is nothing else options.runs)
        seconds = (time.monotonic() - start) / options.runs
        print(
            f"| {mutant.__name__} | {len(told)} of {options.runs} | {seconds:.1f} | {' '.join(told[:1])} |",
            flush=True,
        )
    return 0 if as_it_should else 1


if __name__ == "__main__":
    sys.exit(main())
