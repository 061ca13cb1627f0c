"""How many files this process may have open, of which every connection is one.

Must never fail a start: where the limit cannot be raised it stays as it is, and the log says what there is.
"""

import logging
import resource

from host_sim.cloud.seldom import Seldom

log = logging.getLogger(__name__)

_EVERY_S = 3600.0


def raise_limit() -> int:
    """Take all that the system allows; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:  # a kernel may have a limit of its own below that
        log.warning("no more than %d files can be open at a time (%s)", soft, error)
        return soft
    return hard


def tell_once() -> None:
    """Let what asyncio says once a second, of each connection that found no file left, be said once an hour,
    with what to do.
    """
    logger = logging.getLogger("asyncio")
    if not any(isinstance(one, _Once) for one in logger.filters):
        logger.addFilter(_Once())


class _Once(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._seldom = Seldom(_EVERY_S)

    def filter(self, record: logging.LogRecord) -> bool:
        if "out of system resource" not in record.getMessage():
            return True
        if self._seldom.now("files"):
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            log.error(
                "no file is left for another connection (%d may be open): new ones wait until others end;"
                " raise the process's limit (LimitNOFILE= of a service, ulimit -n of a shell)",
                soft,
            )
        return False
