"""Notices workers of one database that do not share the devices' messages with each other.

The broker would give each message to both kinds: everything is judged twice, and refused once as a replay.
Must never keep a worker from starting: the lock of one that died may outlive it for a while.
"""

import logging
from typing import Any

from host_sim.cloud.storage.database import Database

log = logging.getLogger(__name__)

_LOCK = 0x48785451  # of PostgreSQL, for as long as a connection lasts; those who share hold it together


def watch(database: Database, shared: bool) -> None:
    """Have the exchange's connection, and each that takes its place, hold the lock; the log says where it
    cannot. `shared`: whether this worker shares. Before the exchange starts. On SQLite there is one worker.
    """
    if database.is_sqlite:
        return
    function = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"

    def connected(driver: Any) -> None:
        cursor = driver.cursor()
        cursor.execute(f"SELECT {function}({_LOCK})")
        alone = cursor.fetchone()[0]
        cursor.close()
        driver.commit()
        if not alone:
            log.warning(
                "%s of this database does not share devices' messages, so that each is taken twice: set "
                "shared_subscriptions for all workers, or stop the others",
                "another worker" if shared else "this worker, one of several",
            )

    database.when_turning(connected)
