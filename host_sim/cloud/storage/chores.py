"""What one worker does for all of them, such as sweeping: whose it is, and from when on it is another's.

Must never need a worker to say that it has ended: a chore whose time is over can be taken by anybody.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.tables import chores


def take(database: Database, name: str, holder: str, now: int, until: int, longest: int) -> bool:
    """Whether the chore is `holder`'s until then (ms since 1970). Who has it already takes it on.

    `longest`: ms for which it is ever another's, or done. What claims more was written by a clock that was
    ahead, and does not count, or the chore would rest until that time has come.
    """
    insert = (sqlite if database.is_sqlite else postgresql).insert(chores)
    given = insert.values(name=name, holder=holder, until=until)
    statement = given.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": given.excluded.holder, "until": given.excluded.until},
        where=sa.or_(chores.c.until <= now, chores.c.until > now + longest, chores.c.holder == holder),
    ).returning(chores.c.name)
    with database.reading() as connection:
        # To look is cheap, and keeps nobody from writing.
        row = connection.execute(sa.select(chores).where(chores.c.name == name)).first()
    if row is not None and now < row.until <= now + longest and row.holder != holder:
        return False
    with database.writing(quiet=True) as connection:
        return connection.execute(statement).first() is not None


def leave(database: Database, name: str, holder: str, until: int) -> None:
    """The chore is done; nobody has to do it before `until`."""
    with database.writing(quiet=True) as connection:
        connection.execute(
            chores.update()
            .where(chores.c.name == name, chores.c.holder == holder)
            .values(holder="", until=until)
        )
