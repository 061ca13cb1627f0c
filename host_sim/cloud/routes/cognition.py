"""Observations, the rules that read them, and what these propose. Rules are data that everybody can see."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from host_sim.cloud import logs
from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.bodies import Body, json_text
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import cognition as catalogue
from host_sim.cloud.catalogue import devices
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.catalogue.tenants import TooMany
from host_sim.cloud.description.examples import PROPOSAL, RULE
from host_sim.cloud.errors import bad_request, conflict, errors, not_found
from host_sim.cloud.gate.way import gated
from host_sim.cloud.intents import cognition
from host_sim.cloud.routes.forms import Id, Name
from host_sim.cloud.routes.intent import Commanding, Outcome
from host_sim.cloud.routes.paging import LINKED, Paged, cursor_of, following, page_of
from host_sim.cloud.times import iso

router = APIRouter(tags=["cognition"])

MAX_DATA = 8192  # bytes of an observation, as JSON
OneId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,36}$", examples=[PROPOSAL])]
Word = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Number = (
    Annotated[StrictInt, Field(ge=-(2**53) + 1, lt=2**53)]
    | Annotated[StrictFloat, Field(ge=-1e308, le=1e308, allow_inf_nan=False)]
)
State = Literal["none", "proposed", "accepted", "dismissed", "automatic"]


class Observation(Body):
    """What was observed near a device. `data`: up to 8192 bytes of JSON, 15 levels deep. `context`: a word
    for the occasion.
    """

    device_id: Id
    data: dict[str, Any] = Field(max_length=256, examples=[{"temperature": 22.5, "occupancy": True}])
    context: Word | None = Field(None, examples=["room_entry"])


class Observed(BaseModel):
    """The observation was stored and compared. `proposal_id`: of what rules made of it, be it nothing.
    `matched`: how many rules fitted.
    """

    status: Literal["OBSERVATION_RECEIVED"]
    proposal_id: str = Field(examples=[PROPOSAL])
    matched: int = Field(examples=[1])


class Equal(Body):
    """Of the same kind and equal: true is not 1."""

    member: Word = Field(examples=["occupancy"], description="a path into the data, parted by dots")
    op: Literal["=="]
    value: StrictBool | Number | Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")] | None = Field(
        examples=[True]
    )


class Compared(Body):
    """Below or above a number."""

    member: Word = Field(examples=["temperature"])
    op: Literal["<", ">"]
    value: Number = Field(examples=[24])


class Between(Body):
    """Not below the first and not above the second number."""

    member: Word = Field(examples=["temperature"])
    op: Literal["between"]
    value: list[Number] = Field(min_length=2, max_length=2, examples=[[18, 24]])


Condition = Annotated[Equal | Compared | Between, Field(discriminator="op")]


class When(Body):
    """All conditions must hold; with `device_id` for that device alone, with `context` for that word."""

    device_id: Id | None = None
    context: Word | None = Field(None, examples=["room_entry"])
    all: list[Condition] = Field(min_length=1, max_length=16)


class RuleWanted(Body):
    """An automatic rule runs its intent by itself, with the rights of the person who wrote it last."""

    name: Name = Field(examples=["Light for whoever comes"])
    when: When
    intent: Commanding
    automatic: StrictBool = False

    def plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


class Rule(RuleWanted):
    """A rule, as it holds."""

    id: str = Field(examples=[RULE])
    user_id: str | None = Field(description="by whose rights it runs")
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])


class Rules(Paged):
    """A page of rules, the oldest first."""

    rules: list[Rule]
    next_cursor: str | None = cursor_of("rules")


class RuleDone(BaseModel):
    """What was done to the rule."""

    status: Literal["created", "updated", "deleted"]
    id: str = Field(examples=[RULE])


class Proposed(BaseModel):
    """What one rule proposes. `outcome` is there once it ran."""

    model_config = ConfigDict(extra="ignore")

    rule_id: str
    rule: str = Field(examples=["Light for whoever comes"])
    intent: dict[str, Any] = Field(examples=[{"type": "scene.run", "payload": {"scene": "Good evening"}}])
    automatic: bool
    outcome: Outcome | None = Field(None, examples=[None])


class Proposal(BaseModel):
    """What rules made of an observation. `state`: none where no rule fitted, automatic where every rule that
    did ran by itself.
    """

    id: str = Field(examples=[PROPOSAL])
    state: State = Field(examples=["proposed"])
    device_id: str
    context: str = Field(examples=["room_entry"])
    data: dict[str, Any] = Field(examples=[{"temperature": 22.5, "occupancy": True}])
    proposes: list[Proposed]
    settled_by: str | None = Field(examples=[None])
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])


class Proposals(Paged):
    """A page of proposals, the newest first."""

    proposals: list[Proposal]
    next_cursor: str | None = cursor_of("proposals")


class Dismissed(BaseModel):
    """The proposal was dismissed."""

    status: Literal["dismissed"]
    id: str = Field(examples=[PROPOSAL])


@router.post("/cognition/observation", status_code=202, responses=errors(thing="device"))
def observe(
    request: Request, body: Observation, caller: Caller = scoped("user", "write:devices")
) -> Observed:
    """Submit environment data. It is stored, and compared with the tenant's rules.

    A rule that fits proposes its intent; an automatic one runs it at once.
    """
    try:
        size = len(json_text(body.data).encode())
    except ValueError as error:
        raise bad_request(f"body.data: {error}", "send plain JSON, 15 levels deep at most") from None
    if size > MAX_DATA:
        raise bad_request(f"body.data: {size} bytes, {MAX_DATA} are possible", "send less")
    services = services_of(request)
    with services.database.reading(caller.tenant_id) as connection:
        if devices.find(connection, caller.tenant_id, body.device_id) is None:
            raise not_found("device")
    proposal_id, matched = cognition.observe(services, caller, body.device_id, body.context, body.data)
    return Observed(status="OBSERVATION_RECEIVED", proposal_id=proposal_id, matched=matched)


@router.get("/cognition/proposals", responses=LINKED, response_model_exclude_unset=True)
def list_proposals(
    request: Request,
    response: Response,
    state: Annotated[State | None, Query(examples=["proposed"])] = None,
    page: Page = page_of("proposals", 500, 50),
    before: Annotated[int | None, Query(ge=0, le=1 << 53, description="ms since 1970")] = None,
    caller: Caller = scoped("user", "read:devices"),
) -> Proposals:
    """List proposals, the newest first."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        rows, rest = catalogue.proposals(connection, caller.tenant_id, state, before, page.limit, page.after)
    more = following(rows, rest, page, response, state=state, before=before)
    return Proposals(proposals=[_proposal(row) for row in rows], count=len(rows), **more)


@router.get("/cognition/proposals/{proposal_id}")
def get_proposal(
    proposal_id: OneId, request: Request, caller: Caller = scoped("user", "read:devices")
) -> Proposal:
    """Get proposal."""
    return _proposal(_row(request, caller, proposal_id))


@router.post(
    "/cognition/proposals/{proposal_id}/accept",
    responses=errors("NOTHING_PROPOSED"),
    response_model=Outcome,
    response_model_exclude_none=True,
)
@gated
def accept(proposal_id: OneId, request: Request, caller: Caller = scoped("user", "write:devices")) -> Any:
    """Accept proposal. Its intents run now, with the rights of who accepts, and once."""
    row = _row(request, caller, proposal_id)
    answer = cognition.accept(services_of(request), caller, row)
    if answer is None:
        raise _settled()
    return answer


@router.post("/cognition/proposals/{proposal_id}/dismiss", responses=errors("NOTHING_PROPOSED"))
def dismiss(
    proposal_id: OneId, request: Request, caller: Caller = scoped("user", "write:devices")
) -> Dismissed:
    """Dismiss proposal."""
    _row(request, caller, proposal_id)
    with services_of(request).database.writing(caller.tenant_id) as connection:
        done = catalogue.settle(connection, caller.tenant_id, proposal_id, "dismissed", caller.actor)
    if not done:
        raise _settled()
    return Dismissed(status="dismissed", id=proposal_id)


@router.get("/cognition/rules", responses=LINKED, response_model_exclude_unset=True)
def list_rules(
    request: Request,
    response: Response,
    page: Page = page_of("rules"),
    caller: Caller = scoped("viewer", "read:devices"),
) -> Rules:
    """List rules, the oldest first: that is the order in which they are looked at."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        rows, rest = catalogue.page_of_rules(connection, caller.tenant_id, page)
    more = following(rows, rest, page, response)
    return Rules(rules=[_rule(row) for row in rows], count=len(rows), **more)


@router.post("/cognition/rules", status_code=201, responses=errors("LIMIT_REACHED"))
def create_rule(request: Request, body: RuleWanted, caller: Caller = scoped("admin")) -> RuleDone:
    """Create rule."""
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            rule_id = catalogue.add_rule(
                connection, caller.tenant_id, caller.user.id, body.plain(), services.now()
            )
    except TooMany as error:
        raise conflict("LIMIT_REACHED", str(error), "delete one that is not used any more") from None
    _audit("rule_created", caller, rule_id, body)
    return RuleDone(status="created", id=rule_id)


@router.get("/cognition/rules/{rule_id}")
def get_rule(rule_id: OneId, request: Request, caller: Caller = scoped("viewer", "read:devices")) -> Rule:
    """Get rule."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        row = catalogue.find_rule(connection, caller.tenant_id, rule_id)
    if row is None:
        raise not_found("rule")
    return _rule(row)


@router.put("/cognition/rules/{rule_id}")
def change_rule(
    rule_id: OneId, request: Request, body: RuleWanted, caller: Caller = scoped("admin")
) -> RuleDone:
    """Update rule. All of it is replaced, and it is the caller's from now on."""
    with services_of(request).database.writing(caller.tenant_id) as connection:
        if not catalogue.change_rule(connection, caller.tenant_id, caller.user.id, rule_id, body.plain()):
            raise not_found("rule")
    _audit("rule_changed", caller, rule_id, body)
    return RuleDone(status="updated", id=rule_id)


@router.delete("/cognition/rules/{rule_id}")
def delete_rule(rule_id: OneId, request: Request, caller: Caller = scoped("admin")) -> RuleDone:
    """Delete rule."""
    with services_of(request).database.writing(caller.tenant_id) as connection:
        if not catalogue.delete_rule(connection, caller.tenant_id, rule_id):
            raise not_found("rule")
    _audit("rule_deleted", caller, rule_id)
    return RuleDone(status="deleted", id=rule_id)


def _audit(action: str, caller: Caller, rule_id: str, rule: RuleWanted | None = None) -> None:
    automatic = rule is not None and rule.automatic
    logs.audit(action, actor=caller.actor, tenant=caller.tenant_id, id=rule_id, automatic=automatic)


def _row(request: Request, caller: Caller, proposal_id: str) -> Any:
    with services_of(request).database.reading(caller.tenant_id) as connection:
        row = catalogue.find_proposal(connection, caller.tenant_id, proposal_id)
    if row is None:
        raise not_found("proposal")
    return row


def _settled() -> Exception:
    return conflict(
        "NOTHING_PROPOSED",
        "nothing is proposed here, or not any more",
        "GET /cognition/proposals?state=proposed lists what is",
    )


def _rule(row: Any) -> Rule:
    return Rule(
        id=row.id,
        name=row.name,
        when=row.when,
        intent=row.intent,
        automatic=row.automatic,
        user_id=row.user_id,
        created_at=iso(row.created_at) or "",
    )


def _proposal(row: Any) -> Proposal:
    return Proposal(
        id=row.id,
        state=row.state,
        device_id=row.device_id,
        context=row.context,
        data=row.body,
        proposes=[Proposed(**{"outcome": None, **entry}) for entry in row.proposal],
        settled_by=row.settled_by,
        created_at=iso(row.created_at) or "",
    )
