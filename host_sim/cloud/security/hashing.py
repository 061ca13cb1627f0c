"""What cannot be turned back: passwords by Argon2id, keys and tokens of full entropy by SHA-256.

A key that was drawn at random needs no slow hash: nobody can try 2^128 of them.
"""

import functools
import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD = (10, 1024)  # characters, fewest and most
_hasher = PasswordHasher()


def password_hash(password: str) -> str:
    return _hasher.hash(password)


def password_fits(password: str, stored: str | None) -> bool:
    """In about the same time whether there is such a user or not."""
    nobody = _nobody()  # of both the first time, which takes longer
    try:
        return _hasher.verify(stored or nobody, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _nobody() -> str:
    # When it is first asked for: it takes its time, and most programs that import this never sign anybody in.
    return _hasher.hash(secrets.token_urlsafe(16))


def digest(token: str) -> str:
    """Of a random token: hexadecimal SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()


def token() -> str:
    """256 bits, for an address or a header."""
    return secrets.token_urlsafe(32)
