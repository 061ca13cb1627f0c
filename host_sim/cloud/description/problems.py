"""The shapes of errors, for the description of the API: of all of them, and of those that have more members.

Must never be stricter than what is answered (`ApiError.body`): tests/cloud/test_openapi.py holds each example
against its shape.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from host_sim.cloud.description.examples import YES


class Detail(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(examples=["body.action"])
    what: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """What the cloud answers instead of what was asked for. `error` is for programs, `hint` says what to do.

    Each answer lists the codes that `error` can be there; more may come. Some have members besides.
    """

    model_config = ConfigDict(extra="allow")

    error: str = Field(examples=["NOT_FOUND"])
    message: str = Field(examples=["there is no such device"])
    hint: str = Field(examples=["list them to see which devices there are"])
    request_id: str = Field(description="the header X-Request-ID")
    details: list[Detail] = Field(
        default_factory=list, description="of BAD_REQUEST: all that is wrong, the first 20 of it"
    )
    choices: list[str] = Field(
        default_factory=list, description="of ACTION_NOT_IN_MANIFEST and PARAMS_INVALID: what there is"
    )
    step: str = Field(
        default_factory=str,
        description="of a command by the plural path, told to admins: the step of the gate that refused it",
        examples=["parameters"],
    )
    steps: list[str] = Field(
        default_factory=list,
        description="those that it passed before",
        examples=[["authentication", "tenant", "role_and_scope", "rate_limit", "request", "manifest"]],
    )
    command_id: str = Field(
        default_factory=str, description="of GATEWAY_ERROR: a command that may have been stored all the same"
    )
    dry_run: Literal["taken", "not_supported", "refused", "unanswered"] = Field(
        default_factory=lambda: "refused",  # so that it is neither required nor null
        description="of a critical command: what became of the dry run that its device was asked for",
        examples=["refused"],
    )
    dry_run_id: str = Field(default_factory=str, description="the command id of that dry run")


class YesWanted(Problem):
    """A command that somebody has to say yes to. `token` is the same as `dry_run_token`."""

    error: str = Field(examples=["DRY_RUN_REQUIRED"])
    message: str = Field(examples=["light_reset is critical: somebody has to say yes"])
    hint: str = Field(
        examples=["within 60 s: POST /device/ID/command/confirm with this dry_run_token"],
    )
    status: Literal["dry_run_required", "confirmation_required"]
    reason: str = Field(examples=["Critical action requires confirmation"])
    dry_run_token: str
    token: str = Field(examples=[YES])
    expires_in: int = Field(description="seconds")
    dry_run: Literal["taken", "not_supported"] = Field(
        default_factory=lambda: "taken",
        description="of a critical command: its device would take it, or could not be asked",
    )


class Degraded(Problem):
    """The cloud does not work as a whole. `checks`: of each part that it needs, whether that works."""

    error: str = Field(examples=["DEGRADED"])
    message: str = Field(examples=["does not work: database"])
    hint: str = Field(examples=["try again; the cloud's log says what is in the way"])
    status: Literal["degraded"]
    checks: dict[str, bool] = Field(
        examples=[{"api": True, "database": False, "redis": True, "mqtt": True, "worker": True}]
    )
