"""Rules, observations, and the proposals that rules made of them. Data, all of it, and all of it visible.

none | proposed → accepted, dismissed | automatic        the state of an observation's proposal
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.pages import Page, beyond, bounded, lie_behind
from host_sim.cloud.catalogue.tenants import one_more
from host_sim.cloud.storage.locks import forget
from host_sim.cloud.storage.tables import observations, rules

MOST_RULES = 200  # of a tenant; each is compared with every observation
KEPT_MS = 30 * 86400 * 1000  # an observation


def add_rule(
    connection: sa.Connection, tenant_id: str, user_id: str, rule: Mapping[str, Any], now: int
) -> str:
    """Its id. Raises TooMany."""
    one_more(connection, tenant_id, rules, MOST_RULES, "rules")
    rule_id = str(uuid.uuid4())
    connection.execute(
        rules.insert().values(id=rule_id, tenant_id=tenant_id, user_id=user_id, created_at=now, **rule)
    )
    return rule_id


def change_rule(
    connection: sa.Connection, tenant_id: str, user_id: str, rule_id: str, rule: Mapping[str, Any]
) -> bool:
    """Whether there was such a rule. Who changes it is its maker from now on."""
    which = rules.c.id == rule_id, rules.c.tenant_id == tenant_id
    return bool(connection.execute(rules.update().where(*which).values(user_id=user_id, **rule)).rowcount)


def delete_rule(connection: sa.Connection, tenant_id: str, rule_id: str) -> bool:
    """Whether there was such a rule."""
    which = rules.c.id == rule_id, rules.c.tenant_id == tenant_id
    return bool(connection.execute(rules.delete().where(*which)).rowcount)


def find_rule(connection: sa.Connection, tenant_id: str, rule_id: str) -> Any:
    """The row, or None."""
    which = rules.c.id == rule_id, rules.c.tenant_id == tenant_id
    return connection.execute(sa.select(rules).where(*which)).first()


def every_rule(connection: sa.Connection, tenant_id: str) -> Sequence[Any]:
    """The oldest first: that is the order in which they are looked at."""
    query = sa.select(rules).where(rules.c.tenant_id == tenant_id)
    return connection.execute(query.order_by(rules.c.created_at, rules.c.id)).all()


def page_of_rules(connection: sa.Connection, tenant_id: str, page: Page) -> tuple[list[Any], bool]:
    """As `every_rule`, of a page; and whether there are more (`bounded`)."""
    query = sa.select(rules).where(rules.c.tenant_id == tenant_id)
    return bounded(connection, lie_behind(query, rules, page), page.limit, "when", "intent")


def observe(
    connection: sa.Connection,
    tenant_id: str,
    device_id: str,
    context: str,
    data: Mapping[str, Any],
    proposal: Sequence[Mapping[str, Any]],
    state: str,
    now: int,
) -> str:
    """Store an observation and what rules make of it. Its id, which is its proposal's too."""
    over = observations.c.tenant_id == tenant_id, observations.c.created_at < now - KEPT_MS
    forget(connection, observations, *over)
    observation_id = str(uuid.uuid4())
    connection.execute(
        observations.insert().values(
            id=observation_id,
            tenant_id=tenant_id,
            device_id=device_id,
            context=context,
            body=dict(data),
            proposal=list(proposal),
            state=state,
            created_at=now,
        )
    )
    return observation_id


def proposals(
    connection: sa.Connection,
    tenant_id: str,
    state: str | None,
    before: int | None,
    limit: int,
    after: tuple[int, str] | None = None,
) -> tuple[list[Any], bool]:
    """Observations with what rules made of them, the newest first, and whether there are more; without
    `state` all of them. Of before a time (ms), and behind the (time, id) of one that is known.
    """
    query = sa.select(observations).where(observations.c.tenant_id == tenant_id)
    if before is not None:
        query = query.where(observations.c.created_at < before)
    if after is not None:
        query = query.where(beyond(observations.c.created_at, observations.c.id, after, newest_first=True))
    if state is not None:
        query = query.where(observations.c.state == state)
    order = observations.c.created_at.desc(), observations.c.id.desc()
    return bounded(connection, query.order_by(*order), limit, "body", "proposal")


def find_proposal(connection: sa.Connection, tenant_id: str, proposal_id: str) -> Any:
    """The row, or None."""
    which = observations.c.id == proposal_id, observations.c.tenant_id == tenant_id
    return connection.execute(sa.select(observations).where(*which)).first()


def settle(connection: sa.Connection, tenant_id: str, proposal_id: str, state: str, actor: str) -> bool:
    """Accept or dismiss what is proposed. Whether it was: two who come together do it once."""
    return bool(
        connection.execute(
            observations.update()
            .where(
                observations.c.id == proposal_id,
                observations.c.tenant_id == tenant_id,
                observations.c.state == "proposed",
            )
            .values(state=state, settled_by=actor)
        ).rowcount
    )


def told(
    connection: sa.Connection, tenant_id: str, proposal_id: str, proposal: Sequence[Mapping[str, Any]]
) -> None:
    """Note what became of the intents."""
    connection.execute(
        observations.update()
        .where(observations.c.id == proposal_id, observations.c.tenant_id == tenant_id)
        .values(proposal=list(proposal))
    )
