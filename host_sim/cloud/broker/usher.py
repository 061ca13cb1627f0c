"""Shows devices out of the embedded broker that are there no more: an operator deletes a tenant in a process
of its own, which cannot tell the running cloud.

Must never show anybody out because the database did not answer, nor keep a login waiting while it asks.
"""

import json
import logging
import threading
from collections.abc import Callable, Collection

import sqlalchemy as sa

from host_sim.cloud.seldom import Seldom
from host_sim.cloud.storage.database import FAILURES, Database, reason_of
from host_sim.cloud.storage.patience import patience

log = logging.getLogger(__name__)

LOOK_S = 2.0  # after a look; one at 10,000 devices takes some 10 ms
AT_ONCE = 10000  # devices that are asked for with one statement

_WITHOUT = "WHERE NOT EXISTS (SELECT 1 FROM directory WHERE kind = 'device' AND key = one.value)"
_GONE = {
    "sqlite": sa.text(f"SELECT one.value FROM json_each(:ids) AS one {_WITHOUT}"),
    "postgresql": sa.text(
        f"SELECT one.value FROM json_array_elements_text(CAST(:ids AS json)) AS one (value) {_WITHOUT}"
    ),
}


class Usher:
    """`present()`: the ids of devices that the broker has a session of. `expel(device_id)`: end it."""

    def __init__(
        self, database: Database, present: Callable[[], Collection[str]], expel: Callable[[str], bool]
    ) -> None:
        self._database = database
        self._present = present
        self._expel = expel
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usher", daemon=True)

    def start(self) -> "Usher":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(30)

    def look(self) -> list[str]:
        """Show out who has no row; who that was. Raises FAILURES, and then nobody was."""
        # In this order: who is present by now was let in by a row.
        gone = self._without_row(sorted(self._present()))
        for device_id in gone:
            self._expel(device_id)
        return gone

    def _run(self) -> None:
        seldom = Seldom()
        while not self._ended.wait(LOOK_S):
            try:
                with patience():
                    gone = self.look()
            except FAILURES as error:
                if seldom.now(reason_of(error)):
                    log.warning("who is at the broker could not be looked up: %s", reason_of(error))
            except Exception:  # a fault of ours; the thread must live
                log.exception("looking up who is at the broker failed")
            else:
                if gone:
                    log.info(
                        "devices that are there no more were cut off: %d, the first %s", len(gone), gone[0]
                    )

    def _without_row(self, present: list[str]) -> list[str]:
        gone: list[str] = []
        for first in range(0, len(present), AT_ONCE):
            with self._database.reading() as connection:
                asked = {"ids": json.dumps(present[first : first + AT_ONCE])}
                gone += connection.execute(_GONE[connection.dialect.name], asked).scalars()
        return gone
