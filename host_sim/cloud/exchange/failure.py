"""How a turn's transaction failed: what may be stored of it all the same, and whose fault it is.

Must never hold what was to be stored.
"""

from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from host_sim.cloud.storage.database import FAILURES, reason_of


class Failed(Exception):
    """`begun`: the database let it begin. `doubt`: it may have been committed all the same, and nobody was
    told. `ours`: the fault is not the database's. `away`: nor is it in what was stored.
    """

    def __init__(self, begun: bool, doubt: bool, error: Exception) -> None:
        super().__init__(reason_of(error))
        self.begun = begun
        self.doubt = doubt
        self.ours = not isinstance(error, FAILURES)
        self.away = isinstance(error, OperationalError | InterfaceError | TimeoutError)
