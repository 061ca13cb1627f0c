"""The pages of `/auth/cli`: sign in, see what a command line would be granted, approve or refuse.

Must never approve because a page was opened, nor say which of address and password was wrong.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from host_sim.cloud import logs
from host_sim.cloud.access import TOKEN_OR_NONE, address_of, admitted, limit, presented, services_of
from host_sim.cloud.browser import Browser
from host_sim.cloud.catalogue import handshakes, users
from host_sim.cloud.catalogue.tenants import User
from host_sim.cloud.errors import ApiError, bad_request, conflict, errors
from host_sim.cloud.gate.limits import MINUTE
from host_sim.cloud.html import alert, form, page, tag
from host_sim.cloud.security import hashing
from host_sim.cloud.services import Services
from host_sim.cloud.times import iso

router = APIRouter(tags=["authentication"])

PAGE, FORM = "cli", "cli-form"  # the last parts of two paths
OPENED = 60  # a minute and address
SIGN_INS = (20, 5 * MINUTE)  # attempts of an address
ACCOUNT = (10, 15 * MINUTE)  # attempts on an account, from wherever
ROLES = {
    "owner": "everything that an owner may: devices, commands, people, settings",
    "admin": "everything that an admin may: devices, commands, homes, firmware",
    "user": "see devices and send commands",
    "viewer": "see devices",
    "none": "register a tenant",
}
ENDED = {
    handshakes.APPROVED: "This sign-in has been approved. You can close this page.",
    handshakes.TAKEN: "The command line is signed in. You can close this page.",
    handshakes.REFUSED: "This sign-in was refused. You can close this page.",
    handshakes.EXPIRED: "This sign-in took longer than five minutes. Start it again on the command line.",
}
_DONE = {
    "content": {
        "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>…"},
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "status": {"const": "approved"},
                    "expires_at": {"type": "string", "examples": ["2026-01-01T00:05:00.000Z"]},
                },
                "required": ["status", "expires_at"],
            },
            "example": {"status": "approved", "expires_at": "2026-01-01T00:05:00.000Z"},
        },
    },
    "description": "A page for a browser; with a bearer token the approval",
}


@router.get(
    "/auth/cli",
    response_model=None,
    responses={
        200: _DONE,
        **errors("UNAUTHORIZED", "PERMISSION_DENIED.key", "HANDSHAKE_ENDED", "RATE_LIMIT_EXCEEDED.kind"),
    },
    openapi_extra=TOKEN_OR_NONE,
)
def open_handshake(
    request: Request,
    code: Annotated[
        str,
        Query(
            max_length=128,
            examples=["HXT-" + "0" * 64],
            # Told but not enforced: whoever mistypes it gets a page that says so.
            json_schema_extra={"pattern": f"^{handshakes.CODE.pattern}$"},
        ),
    ],
) -> Response:
    """CLI device handshake init. With a person's bearer token it is approved at once; a browser gets a page
    that asks who is there and whether they approve.
    """
    services = services_of(request)
    wants_page = "text/html" in request.headers.get("accept", "")
    limit(request, f"handshake-open:{address_of(request)}", OPENED)
    if "authorization" in request.headers or not wants_page:
        return _by_token(request, services, code, wants_page)
    if not handshakes.CODE.fullmatch(code):
        return page("This is no sign-in code", tag("p", "Start again on the command line."), status=400)
    browser = Browser(services, request)
    found = handshakes.begin(services.database, code, services.now())
    return _show(browser, browser.user(), code, found)


def _by_token(request: Request, services: Services, code: str, wants_page: bool) -> Response:
    caller = request.state.caller = admitted(request, presented(request))
    if caller.scopes is not None:  # or a key would get what its scopes withhold
        raise ApiError(403, "PERMISSION_DENIED", "API keys cannot do this", "sign in as a person")
    if not handshakes.CODE.fullmatch(code):
        raise bad_request("the code is HXT- and 64 hex digits", "take the one that the command line shows")
    now = services.now()
    found = handshakes.begin(services.database, code, now)
    if not _decide(services, caller.user, code, approve=True):
        raise conflict("HANDSHAKE_ENDED", f"this code is {found.state}", "start again on the command line")
    if wants_page:
        return page("Signed in", tag("p", ENDED[handshakes.APPROVED]))
    return JSONResponse({"status": "approved", "expires_at": iso(found.expires_at)})


# Not at the page's own address: that is part of the API, which has no such answers.
@router.post(f"/auth/{FORM}", response_class=HTMLResponse, include_in_schema=False)
def answer_form(
    request: Request,
    code: Annotated[str, Form(max_length=128)],
    do: Annotated[str, Form(max_length=16)],
    csrf_token: Annotated[str, Form(max_length=2048)] = "",
    email: Annotated[str, Form(max_length=254)] = "",
    password: Annotated[str, Form(max_length=hashing.PASSWORD[1])] = "",
) -> Response:
    """What somebody did on the page. `do`: sign_in, sign_out, approve or refuse."""
    services = services_of(request)
    browser = Browser(services, request)
    try:
        browser.check(csrf_token)
    except ApiError as error:
        text = "This page was open for too long, or the form did not come from it."
        return page("Please open the page again", alert(text), status=error.status)
    found = handshakes.look(services.database, code, services.now())
    if found is None or found.state != handshakes.WAITING:
        return _show(browser, None, code, found or handshakes.Handshake(handshakes.EXPIRED, 0))
    if do == "sign_in":
        return _sign_in(request, services, browser, code, email, password)
    user = browser.user()
    if do == "sign_out":  # of this browser only; POST /auth/logout ends all tokens
        response: Response = _again(request, code)
        browser.forget(response)
        return response
    if user is None or do not in ("approve", "refuse"):
        return _show(browser, user, code, found)
    if not _decide(services, user, code, do == "approve"):
        found = handshakes.look(services.database, code, services.now()) or found
        return _show(browser, user, code, found)
    if do == "approve":
        return page("Signed in", tag("p", ENDED[handshakes.APPROVED]))
    return page("Refused", tag("p", ENDED[handshakes.REFUSED]))


def _sign_in(
    request: Request, services: Services, browser: Browser, code: str, email: str, password: str
) -> Response:
    address, account = address_of(request), hashing.digest(email.strip().lower())
    try:
        limit(request, f"sign-in:{address}", *SIGN_INS)
        limit(request, f"sign-in:{account}", *ACCOUNT)
    except ApiError as error:
        logs.audit("sign_in_limited", risk=True, address=address)
        return _form(browser, code, f"Too many attempts: {error.hint}.", error.status, error.headers)
    user_id = users.with_password(services.database, email.strip(), password)
    if user_id is None:
        logs.audit("sign_in_failed", risk=True, address=address)
        return _form(browser, code, "The address or the password is wrong.", 401)
    logs.audit("sign_in", actor=f"user:{user_id}")
    response = _again(request, code)
    browser.sign_in(response, user_id)
    return response


def _decide(services: Services, user: User, code: str, approve: bool) -> bool:
    token = services.tokens.make(user.id) if approve else None
    done = handshakes.decide(services.database, services.vault, code, services.now(), token)
    if done:
        action = "handshake_approved" if approve else "handshake_refused"
        logs.audit(action, actor=f"user:{user.id}", tenant=user.tenant_id)
    return done


# -- what a page says ----


def _again(request: Request, code: str) -> RedirectResponse:
    """So that going back or reloading sends no form a second time."""
    path = request.url.path.removesuffix(FORM) + PAGE
    return RedirectResponse(f"{path}?code={code}", 303, {"Cache-Control": "no-store"})


def _show(browser: Browser, user: User | None, code: str, found: handshakes.Handshake) -> Response:
    if found.state != handshakes.WAITING:
        return page("Sign in on the command line", tag("p", ENDED[found.state]))
    return _form(browser, code) if user is None else _question(browser, user, code)


def _form(
    browser: Browser, code: str, wrong: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    response = page(
        "Sign in",
        tag("p", "A command line wants to act for you. First say who you are."),
        alert(wrong),
        form(
            FORM,
            {"code": code, "csrf_token": browser.proof()},
            tag("label", "E-mail address", for_="email"),
            tag("input", **_input("email", "email", "username")),
            tag("label", "Password", for_="password"),
            tag("input", **_input("password", "password", "current-password")),
            tag("button", "Sign in", name="do", value="sign_in"),
        ),
        status=status,
    )
    response.headers.update(headers or {})
    browser.keep(response)
    return response


def _input(name: str, kind: str, complete: str) -> dict[str, Any]:
    return {"id": name, "name": name, "type": kind, "autocomplete": complete, "required": ""}


def _question(browser: Browser, user: User, code: str) -> Response:
    response = page(
        "Let a command line act for you?",
        tag("p", "Approve only if you have just started this yourself, on your own computer."),
        "<dl>",
        tag("dt", "You"),
        tag("dd", user.email),
        tag("dt", "Tenant"),
        tag("dd", f"{user.tenant_slug}, as {user.role}" if user.tenant_slug else "none yet"),
        tag("dt", "It may"),
        tag("dd", f"{ROLES[user.role]} – for {browser.token_hours} h, or until you sign out everywhere"),
        tag("dt", "Its code begins"),
        f"<dd>{tag('code', code[:12])}</dd>",
        "</dl>",
        form(
            FORM,
            {"code": code, "csrf_token": browser.proof()},
            tag("button", "Approve", name="do", value="approve"),
            tag("button", "Refuse", name="do", value="refuse"),
            tag("button", "Use another account", name="do", value="sign_out"),
        ),
    )
    browser.keep(response)
    return response
