"""The one shape of an error: what the cloud answers instead of what was asked for.

    {"error": CODE, "message": what is wrong, "hint": what to do, "request_id": …}     and what the seed adds

Must never tell whether something exists in another tenant, nor hold what somebody sent as a secret.
"""

from typing import Any

from host_sim.cloud.refusals import REFUSALS

CODES, THING = "x-codes", "x-thing"  # in a route's `responses`, for `openapi`


def errors(*names: str, thing: str | None = None) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: which of REFUSALS it answers besides those that `openapi` adds to every one.

    `thing`: what it may not find, where the path's last parameter does not say so.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for name in names:
        found.setdefault(REFUSALS[name].status, {CODES: []})[CODES].append(name)
    if thing is not None:
        found.setdefault(404, {CODES: ["NOT_FOUND"]})[THING] = thing
    return found


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
        self.counted = False  # among the commands that were refused

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
