"""What all commands of `python -m host_sim` do alike: show their help, say what is in the way, and end.

It must never import what only one of them needs, nor let what came from elsewhere steer a terminal.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping

from host_sim.params import plain


def parser_of(command: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """The parser of `python -m host_sim COMMAND`; its help shows `epilog` as it is written."""
    return argparse.ArgumentParser(
        prog=f"python -m host_sim {command}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def guarded(
    command: str,
    run: Callable[[], int],
    failures: Mapping[type[Exception], int],
    *,
    interrupted: int = 130,
    words: Callable[[Exception], str] = str,
) -> int:
    """The status that `run` returns; `interrupted` after Ctrl-C or SIGTERM.

    `failures`: the status of each error that the user can put right; the first that fits counts. `words`:
    makes of an error what is told on stderr.
    """
    with sigterm_as_ctrl_c():
        try:
            return run()
        except BrokenPipeError:
            raise  # nobody reads any more: what runs this ends quietly
        except tuple(failures) as error:
            complain(command, words(error))
            return next(status for kind, status in failures.items() if isinstance(error, kind))
        except KeyboardInterrupt:
            return interrupted


def complain(command: str, what: str) -> None:
    """Say on stderr what is in the way."""
    told = "\n".join(map(plain, what.split("\n")))
    print(f"host_sim {command}: {told}", file=sys.stderr)


def read_no_more() -> None:
    """Whoever read the output has gone, as `| head` does: the interpreter's last flush must not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """End the block by SIGTERM as by Ctrl-C, so that nothing which it started is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no other hears of signals
        return

    def end(*unused: object) -> None:
        # Once: `timeout` sends it twice, and the second would break off what the first one ends in order.
        signal.signal(signal.SIGTERM, lambda *unused: None)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
