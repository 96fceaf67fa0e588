"""Encryption at rest for what belongs to one user: readable by this site alone, and rotatable.

The one module that knows ``cryptography``, which is optional: without it nothing is sealed.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings

from sessionmgr.conf import conf

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

try:
    from cryptography.fernet import Fernet, InvalidToken
    from cryptography.fernet import MultiFernet as Keyring
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError:  # pragma: no cover - the tests take the module away in another way
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

#: Bytes of a Fernet key.
KEY_BYTES = 32


def can_seal() -> bool:
    """Return whether ``cryptography`` is installed."""
    return HAS_CRYPTOGRAPHY


def is_key(text: object) -> bool:
    """Return whether ``text`` is a Fernet key, as ``Fernet.generate_key`` makes them."""
    try:
        return isinstance(text, str) and len(urlsafe_b64decode(text)) == KEY_BYTES
    except ValueError:
        return False


def seal(purpose: str, content: bytes) -> str:
    """Return ``content`` encrypted and signed with the newest key, for ``purpose`` only."""
    return _keyring(purpose, tuple(_secrets())).encrypt(content).decode()


def unseal(purpose: str, sealed: str) -> bytes | None:
    """Return what was sealed for ``purpose``; ``None``: altered, or no key of ours opens it."""
    try:
        return _keyring(purpose, tuple(_secrets())).decrypt(sealed)
    except InvalidToken:
        return None


def _secrets() -> Iterator[bytes]:
    """Yield the secrets that keys are made of, newest first: docs/adr/0009-sealing.md."""
    if conf.SESSIONMGR_TOKEN_KEYS:
        for key in conf.SESSIONMGR_TOKEN_KEYS:
            yield urlsafe_b64decode(key)
    else:
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            yield secret if isinstance(secret, bytes) else secret.encode()


@lru_cache(maxsize=16)
def _keyring(purpose: str, secrets: tuple[bytes, ...]) -> "MultiFernet":
    """Return a key of its own for each purpose and secret: one sealed thing is no other."""
    info = f"sessionmgr.{purpose}".encode()
    return Keyring(
        Fernet(
            urlsafe_b64encode(
                HKDF(SHA256(), length=KEY_BYTES, salt=None, info=info).derive(secret)
            )
        )
        for secret in secrets
    )
