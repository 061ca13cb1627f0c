"""Bearer tokens: JWTs (HS256) by a key that lies sealed in the database and can be renewed.

A token names a user, never a secret; what the user may do is read from the database at each request. Must
never take a token of another algorithm, issuer or audience, nor one whose key is long retired: what a browser
keeps (PAGES) opens no API, and what proves that a form is ours (FORMS) opens nothing.
"""

import math
import os
import time
import uuid
from dataclasses import dataclass

import jwt
import sqlalchemy as sa

from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.tables import signing_keys, users

ISSUER = "hxtp-cloud"
API = ISSUER  # audiences
PAGES = f"{ISSUER}/pages"
FORMS = f"{ISSUER}/forms"
LIFE_S = 12 * 3600
RELOAD_S = 60  # how soon a worker notices that a key was renewed elsewhere
MAX_TOKEN = 2048  # characters


def purpose(key_id: str) -> str:
    """What a signing key is sealed for."""
    return f"signing_keys/{key_id}"


class TokenError(Exception):
    """The token is not one of ours, or not any more."""


@dataclass(frozen=True, slots=True)
class Claims:
    """`user_id` (what the token is about), and when it was issued, in ms since 1970."""

    user_id: str
    issued_at: int


class Tokens:
    """Makes and reads tokens. Keys are read once, and again when a token names one that is not known."""

    def __init__(self, database: Database, vault: Vault, life_s: int = LIFE_S) -> None:
        self._database = database
        self._vault = vault
        self._life_s = life_s
        self._keys: dict[str, bytes] = {}
        self._current = ""
        self._loaded = -math.inf  # by the monotonic clock

    @property
    def life_s(self) -> int:
        """Seconds that a token holds unless something else is said."""
        return self._life_s

    def make(self, user_id: str, life_s: int | None = None, audience: str = API) -> str:
        """A token for a user; `life_s` seconds, 12 hours by default."""
        self._refresh()
        if not self._current:
            self.renew()
        now = time.time_ns() // 1000000
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": audience,
            "sub": user_id,
            # To the ms, or a token of the second in which somebody signed out would outlive that.
            "iat": now / 1000,
            "exp": now // 1000 + (life_s or self._life_s),
            "jti": str(uuid.uuid4()),
        }
        after = self._after(user_id) if audience in (API, PAGES) else 0
        if after >= now:
            # Somebody signed out while the clock was ahead: this token is younger than that all the same.
            claims["after"] = after
        return jwt.encode(claims, self._keys[self._current], "HS256", {"kid": self._current})

    def read(self, token: str, audience: str = API, look: bool = True) -> Claims:
        """Raises TokenError. `look`: read the keys again where the token names one that is not known."""
        if len(token) > MAX_TOKEN:
            raise TokenError("the token is too long")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            if not isinstance(kid, str):
                raise TokenError("the token names no key")
            self._refresh()
            if kid not in self._keys and look:
                self._load()
            key = self._keys.get(kid)
            if key is None:
                raise TokenError("the token's key is not known here")
            claims = jwt.decode(
                token,
                key,
                ["HS256"],
                issuer=ISSUER,
                audience=audience,
                options={"require": ["exp", "iat", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenError("the token has expired; sign in again") from None
        except jwt.PyJWTError:
            raise TokenError("this is no token of this cloud") from None
        issued_at = round(claims["iat"] * 1000)
        after = claims.get("after")
        return Claims(str(claims["sub"]), issued_at if after is None else max(issued_at, after + 1))

    def _after(self, user_id: str) -> int:
        with self._database.reading(user_id=user_id) as connection:
            query = sa.select(users.c.sessions_after).where(users.c.id == user_id)
            return connection.execute(query).scalar() or 0

    def renew(self, end_all: bool = False) -> None:
        """From now on sign with a new key. Tokens of the old ones hold until they expire, or with `end_all`
        end: here at once, with other workers within RELOAD_S.
        """
        kid, key, now = str(uuid.uuid4()), os.urandom(32), time.time_ns() // 1000000
        with self._database.writing() as connection:
            connection.execute(
                signing_keys.delete()
                if end_all
                else signing_keys.update().where(signing_keys.c.retired_at.is_(None)).values(retired_at=now)
            )
            connection.execute(
                signing_keys.insert().values(
                    id=kid, key_sealed=self._vault.seal(key, purpose(kid)), created_at=now
                )
            )
        self._load()

    def _refresh(self) -> None:
        if time.monotonic() - self._loaded > RELOAD_S:
            self._load()

    def _load(self) -> None:
        self._loaded = time.monotonic()
        oldest = (int(time.time()) - self._life_s) * 1000
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(signing_keys)
                .where(sa.or_(signing_keys.c.retired_at.is_(None), signing_keys.c.retired_at > oldest))
                .order_by(signing_keys.c.created_at)
            ).all()
        self._keys = {row.id: self._vault.open(row.key_sealed, purpose(row.id)) for row in rows}
        current = [row.id for row in rows if row.retired_at is None]
        self._current = current[-1] if current else ""
