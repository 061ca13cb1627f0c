"""Seals secrets at rest with AES-256-GCM, under a key from a file or the environment that can be renewed.

A sealed secret opens only for the purpose (table and row) that it was sealed for, so none can be moved. Must
never write a key to where the data lies unless that is the file it was told, mode 0600.

Form: version byte 1, first 8 bytes of SHA-256 of the key, 12-byte nonce, ciphertext with its tag.
"""

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from host_sim.files import create_file, replace_file
from host_sim.trouble import Trouble

KEY = 32  # bytes
_VERSION = b"\x01"
_NAME = 8
_NONCE = 12


class VaultError(Trouble):
    """The key is missing or another one; says what to do, never a key."""


class Vault:
    """Seals with the first key, opens with any of them. A file's keys are read again where it has changed."""

    def __init__(self, keys: list[bytes]) -> None:
        self._file: Path | None = None
        self._seen: tuple[int, int] | None = None
        self._use(keys)

    @classmethod
    def of_file(cls, file: Path) -> "Vault":
        """With the keys in a file, which is made where there is none. Raises VaultError, OSError."""
        vault = cls(key_file(file))
        vault._file, vault._seen = file, _state(file)
        # It may have changed between the two.
        vault._use(key_file(file))
        return vault

    def _use(self, keys: list[bytes]) -> None:
        if not keys or any(len(key) != KEY for key in keys):
            raise VaultError(f"the master key is {KEY} bytes: 64 hex digits, or base64")
        self._keys = {hashlib.sha256(key).digest()[:_NAME]: AESGCM(key) for key in keys}

    def _look(self) -> None:
        """Take what an operator wrote into the file meanwhile."""
        if self._file is None:
            return
        try:
            state = _state(self._file)
            if state != self._seen:
                self._use(key_file(self._file))
                self._seen = state
        except OSError:
            return  # with the keys that are known

    def seal(self, secret: bytes, purpose: str) -> bytes:
        self._look()
        name, key = next(iter(self._keys.items()))
        nonce = os.urandom(_NONCE)
        return _VERSION + name + nonce + key.encrypt(nonce, secret, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises VaultError."""
        name, nonce = sealed[1 : 1 + _NAME], sealed[1 + _NAME : 1 + _NAME + _NONCE]
        if name not in self._keys:
            self._look()
        key = self._keys.get(name)
        if sealed[:1] != _VERSION or key is None:
            raise VaultError("this was sealed with a master key that is not given; give the old one as well")
        try:
            return key.decrypt(nonce, sealed[1 + _NAME + _NONCE :], purpose.encode())
        except (InvalidTag, ValueError):  # the latter where it has been cut
            raise VaultError("what was sealed has been changed or moved") from None

    def knows(self, sealed: bytes) -> bool:
        """Whether the key that it is sealed with is given."""
        return sealed[:1] == _VERSION and sealed[1 : 1 + _NAME] in self._keys

    def is_current(self, sealed: bytes) -> bool:
        """Whether it is sealed with the first key; otherwise it is to be sealed again."""
        return sealed[1 : 1 + _NAME] == next(iter(self._keys))


def _state(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns


def add_key(path: Path) -> None:
    """Put a new key in front of the others. Raises VaultError, OSError."""
    known = key_file(path)
    replace_file(path, "".join(f"{key.hex()}\n" for key in [os.urandom(KEY), *known]))


def forget_keys(path: Path) -> int:
    """Leave only the first key; how many went. Raises VaultError, OSError."""
    first, *others = key_file(path)
    replace_file(path, f"{first.hex()}\n")
    return len(others)


def keys_of(text: str) -> list[bytes]:
    """Keys from text, one a line or separated by commas, the newest first. Raises VaultError."""
    keys = []
    for part in text.replace(",", "\n").split():
        try:
            keys.append(
                bytes.fromhex(part) if len(part) == 2 * KEY else base64.b64decode(part, validate=True)
            )
        except (ValueError, binascii.Error):
            raise VaultError(f"a master key is {KEY} bytes: 64 hex digits, or base64") from None
    return keys


def key_file(path: Path) -> list[bytes]:
    """The keys in a file, which is made with a new key where there is none. Raises VaultError, OSError."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several workers may start together, and what one of them seals the others have to open.
        create_file(path, os.urandom(KEY).hex() + "\n")
    if path.stat().st_mode & 0o077:
        raise VaultError(f"{path} can be read by others: chmod 600 {path}")
    try:
        keys = keys_of(path.read_text(encoding="utf-8"))
    except (VaultError, UnicodeDecodeError):
        keys = []
    if not keys or any(len(key) != KEY for key in keys):
        raise VaultError(
            f"{path} has to hold master keys of {KEY} bytes, one a line: 64 hex digits, or base64"
        )
    return keys
