"""What cannot be turned back: passwords by Argon2id, keys and tokens of full entropy by SHA-256.

A key that was drawn at random needs no slow hash: nobody can try 2^128 of them.
"""

import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD = (10, 1024)  # characters, fewest and most
_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))


def password_hash(password: str) -> str:
    return _hasher.hash(password)


def password_fits(password: str, stored: str | None) -> bool:
    """In about the same time whether there is such a user or not."""
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def digest(token: str) -> str:
    """Of a random token: hexadecimal SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()


def token() -> str:
    """256 bits, for an address or a header."""
    return secrets.token_urlsafe(32)
