"""The signing key, kept in a file of its owner's, and the ones it has replaced."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from jwt.types import Options

ALGORITHM = "RS256"

#: Seconds for which a key that has been replaced is still published, and accepted.
PUBLISHED_AFTER = 24 * 60 * 60


@dataclass(frozen=True)
class Key:
    """One RSA key; ``replaced_at`` is ``None`` for the one that signs."""

    kid: str
    pem: str = field(repr=False)
    replaced_at: float | None = None

    @cached_property
    def private(self) -> rsa.RSAPrivateKey:
        loaded = serialization.load_pem_private_key(self.pem.encode(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey)  # noqa: S101 # nosec B101
        return loaded

    @property
    def public(self) -> dict[str, Any]:
        """Return the public half as a JSON Web Key."""
        public = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "alg": ALGORITHM, "use": "sig"}

    def is_published(self, now: float) -> bool:
        return self.replaced_at is None or now < self.replaced_at + PUBLISHED_AFTER


class SigningKeys:
    """The keys, newest first. What is in the folder is used again after a restart."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "signing-keys.json"
        self._lock = Lock()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._keys = [Key(**each) for each in json.loads(self._file.read_text())]
        except FileNotFoundError:
            self._keys = [_new()]
            self._store()

    @property
    def kid(self) -> str:
        """Return the name of the key that signs."""
        return self._keys[0].kid

    def published(self, now: float) -> dict[str, object]:
        """Return the JSON Web Key Set."""
        return {"keys": [key.public for key in self._keys if key.is_published(now)]}

    def rotate(self, now: float) -> None:
        """Sign with a new key from now on; the old one stays published for a while."""
        new = _new()
        with self._lock:
            signing, *older = self._keys
            kept = [key for key in older if key.is_published(now)]
            self._keys = [new, Key(signing.kid, signing.pem, now), *kept]
            self._store()

    def sign(self, claims: Mapping[str, object], kind: str) -> str:
        """Return ``claims`` as a token of the type ``kind``."""
        key = self._keys[0]
        headers = {"kid": key.kid, "typ": kind}
        return jwt.encode(dict(claims), key.private, ALGORITHM, headers)

    def read(self, token: str, now: float) -> Mapping[str, Any]:
        """Return the claims of a token that we have signed, whatever its age, else none."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            (key,) = [key for key in self._keys if key.kid == kid and key.is_published(now)]
            unaged: Options = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
            claims: Mapping[str, Any] = jwt.decode(
                token, key.private.public_key(), algorithms=[ALGORITHM], options=unaged
            )
        except (jwt.InvalidTokenError, ValueError):
            return {}
        return claims

    def _store(self) -> None:
        """Replace the file in one step, readable by its owner only."""
        new = self._file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump([asdict(key) for key in self._keys], file)
        new.replace(self._file)


def _new() -> Key:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    return Key(kid=sha256(pem.encode()).hexdigest()[:16], pem=pem)
