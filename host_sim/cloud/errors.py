"""The one shape of an error: what the cloud answers instead of what was asked for.

    {"error": CODE, "message": what is wrong, "hint": what to do, "request_id": …}     and what the seed adds

Must never tell whether something exists in another tenant, nor hold what somebody sent as a secret.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """What the cloud answers instead of what was asked for. `error` is for programs, `hint` says what to do.

    Some errors have members besides: a command that waits for a yes its `dry_run_token`.
    """

    model_config = ConfigDict(extra="allow")

    error: str = Field(examples=["NOT_FOUND"])
    message: str = Field(examples=["there is no such device"])
    hint: str = Field(examples=["list them to see which devices there are"])
    request_id: str = Field(examples=["7b1f0a54-7a4e-4b0c-9d0e-0f6f3c9a2b1d"])


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what it answers besides the errors that `openapi` adds to every one."""
    return {status: {"model": Problem} for status in statuses}


class ApiError(Exception):
    """`status`: of HTTP. `more`: members beside the usual ones, such as `dry_run_token`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        /,
        hint: str = "",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.headers = headers or {}
        self.more = more

    def body(self, request_id: str) -> dict[str, Any]:
        return {
            **self.more,
            "error": self.code,
            "message": self.message,
            "hint": self.hint,
            "request_id": request_id,
        }


def not_found(what: str) -> ApiError:
    """Also what belongs to another tenant is not found."""
    return ApiError(404, "NOT_FOUND", f"there is no such {what}", f"list them to see which {what}s there are")


def bad_request(message: str, hint: str = "") -> ApiError:
    return ApiError(400, "BAD_REQUEST", message, hint)


def conflict(code: str, message: str, hint: str = "") -> ApiError:
    return ApiError(409, code, message, hint)
