"""What a browser keeps for the pages: who is signed in, and a mark that our forms have to know.

Must never be taken for an API token: its session opens the pages only. Must never act for somebody by a form
that came from elsewhere: each form carries a signed proof that holds for this browser's mark and an hour.
"""

import hmac
import re

from starlette.requests import Request
from starlette.responses import Response

from host_sim.cloud.catalogue.tenants import User, find_user
from host_sim.cloud.errors import ApiError
from host_sim.cloud.security import hashing
from host_sim.cloud.security.tokens import FORMS, PAGES, TokenError
from host_sim.cloud.services import Services

SESSION_S = 3600
FORM_S = 3600
HEADER = "X-CSRF-Token"
_MARK = re.compile(r"[A-Za-z0-9_-]{43}")


class Browser:
    """The browser that sent a request. `keep` its mark with the answer to whatever shows it a form."""

    def __init__(self, services: Services, request: Request) -> None:
        self._services = services
        self._secure = services.settings.base_url().startswith("https://")
        # The prefix is a browser's promise: only this host can have set it, and only over TLS.
        prefix = "__Host-" if self._secure else ""
        self._session_name, self._mark_name = f"{prefix}hxtp_session", f"{prefix}hxtp_browser"
        self._session = request.cookies.get(self._session_name, "")
        mark = request.cookies.get(self._mark_name, "")
        self._mark = mark if _MARK.fullmatch(mark) else hashing.token()
        self._site = request.headers.get("sec-fetch-site", "same-origin")

    @property
    def token_hours(self) -> str:
        """How long a token holds that is made here, for people."""
        return f"{self._services.tokens.life_s / 3600:.3g}"

    def user(self) -> User | None:
        """Who is signed in here."""
        if not self._session:
            return None
        try:
            claims = self._services.tokens.read(self._session, PAGES)
        except TokenError:
            return None
        user = find_user(self._services.database, claims.user_id)
        return user if user is not None and claims.issued_at > user.sessions_after else None

    def proof(self) -> str:
        """For a form, or for the header X-CSRF-Token."""
        return self._services.tokens.make(hashing.digest(self._mark), FORM_S, FORMS)

    def check(self, proof: str | None) -> None:
        """Raises ApiError 403 unless the proof is one that this browser was given."""
        try:
            known = self._services.tokens.read(proof or "", FORMS).user_id
        except TokenError:
            known = ""
        if not hmac.compare_digest(known, hashing.digest(self._mark)) or self._site not in (
            "same-origin",
            "none",
        ):
            raise ApiError(
                403,
                "CSRF_INVALID",
                "this did not come from a page of ours, or the page is over an hour old",
                f"open the page again; a program sends {HEADER} with what GET /auth/csrf says",
            )

    def keep(self, response: Response) -> None:
        self._set(response, self._mark_name, self._mark, 24 * 3600)

    def sign_in(self, response: Response, user_id: str) -> None:
        """The mark changes too, so nothing from before holds for who is signed in now."""
        self._mark = hashing.token()
        self.keep(response)
        session = self._services.tokens.make(user_id, SESSION_S, PAGES)
        self._set(response, self._session_name, session, SESSION_S)

    def forget(self, response: Response) -> None:
        for name in (self._session_name, self._mark_name):
            response.delete_cookie(name, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _set(self, response: Response, name: str, value: str, life_s: int) -> None:
        response.set_cookie(
            name, value, max_age=life_s, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
