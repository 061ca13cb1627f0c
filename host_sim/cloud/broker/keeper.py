"""The thread that writes devices' logins to Mosquitto, in every worker: each takes what is due.

Must never end because of what the broker or the database said, nor give up what is wanted: it tries again.
"""

import logging
import threading
import time
from typing import Any

from host_sim.cloud.broker import logins
from host_sim.cloud.broker.dynsec import DynSec, DynSecError, admit, dismiss
from host_sim.cloud.security.vault import Vault, VaultError
from host_sim.cloud.storage.database import FAILURES, Database

log = logging.getLogger(__name__)

LOOK_S = 1.0  # how soon what another worker wants is seen
AGAIN_MS = 5000  # after a failure


class Keeper:
    """`wake()` after a commit that wanted something; `wait()` until a device's login is written."""

    def __init__(self, database: Database, vault: Vault, dynsec: DynSec) -> None:
        self.written = 0
        self.failures = 0
        self._database = database
        self._vault = vault
        self._dynsec = dynsec
        self._awake = threading.Event()
        self._done = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="logins", daemon=True)

    def start(self) -> "Keeper":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ending = True
        self._awake.set()
        self._thread.join(30)

    def wake(self) -> None:
        """Something may be due now."""
        self._awake.set()

    def wait(self, device_id: str, timeout: float = 3.0) -> bool:
        """Whether the broker has what is wanted of this device, at the latest after `timeout` seconds."""
        self.wake()
        end = time.monotonic() + timeout
        with self._done:
            while True:
                with self._database.reading() as connection:
                    if logins.is_written(connection, device_id):
                        return True
                # Another worker may be the one that does it.
                if time.monotonic() >= end or self._ending:
                    return False
                self._done.wait(0.1)

    def _run(self) -> None:
        while not self._ending:
            try:
                busy = self.turn()
            except FAILURES as error:
                log.error("logins cannot be read: %s", type(error).__name__)
                busy = False
            except Exception:  # a fault of ours; the thread must live
                log.exception("writing logins failed")
                busy = False
            if not busy:
                self._awake.wait(LOOK_S)
            self._awake.clear()

    def turn(self) -> bool:
        """Tell the broker of the device that is due longest; whether there was one."""
        row = logins.take(self._database, _now())
        if row is None:
            return False
        self._write(row)
        with self._done:
            self._done.notify_all()
        return True

    def _write(self, row: Any) -> None:
        try:
            with self._database.reading(row.tenant_id) as connection:
                login = logins.login_of(connection, self._vault, row, _now())
            if not logins.in_time(row, _now()):
                return  # a database that hangs: by now it may be another worker's
            if login.password is None:
                dismiss(self._dynsec, login.device_id)
            else:
                admit(self._dynsec, login.tenant_id, login.device_id, login.password)
        except (DynSecError, VaultError) as error:
            self.failures += 1
            log.error("the broker was not told of %s: %s", row.device_id, error)
            with self._database.writing(quiet=True) as connection:
                logins.failed(connection, row, str(error), _now() + AGAIN_MS)
            return
        self.written += 1
        with self._database.writing(quiet=True) as connection:
            logins.written(connection, row, login)


def _now() -> int:
    return time.time_ns() // 1000000
