"""Keys, and tokens signed in every way that a token can be, and must not be, signed."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

Claims = dict[str, Any]


@functools.cache
def private_key(algorithm: str, number: int) -> Any:
    """Return the process's key of this number: making one takes a tenth of a second."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class SigningKey:
    """A key pair and the name it goes by; without a ``kid``, tokens and key set name none."""

    number: int = 0
    algorithm: str = "RS256"
    kid: str | None = "key-0"

    @property
    def private(self) -> Any:
        return private_key(self.algorithm, self.number)

    def jwk(self) -> dict[str, Any]:
        """Return the public half, as it stands in a key set."""
        kind = ECAlgorithm if self.algorithm == "ES256" else RSAAlgorithm
        public: dict[str, Any] = kind.to_jwk(self.private.public_key(), as_dict=True)
        named = {} if self.kid is None else {"kid": self.kid}
        return {**public, **named, "use": "sig", "alg": self.algorithm}

    def pem(self) -> bytes:
        """Return the public half, as a careless verifier would take it for a secret."""
        public = self.private.public_key()
        pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    def other(self) -> SigningKey:
        """Return another key that claims this one's name."""
        return replace(self, number=self.number + 1000)


@dataclass
class Draft:
    """A token before it is signed."""

    claims: Claims
    key: SigningKey
    typ: str | None
    client_secret: str

    def headers(self, **more: Any) -> dict[str, Any]:
        given = {"typ": self.typ, "kid": self.key.kid, **more}
        return {name: value for name, value in given.items() if value is not None}

    def signed(self) -> str:
        """Return the token as it should be."""
        # PyJWT writes a typ of its own where it is given none; a header of None is left out.
        headers = {"typ": self.typ, **self.headers()}
        key = self.key
        return jwt.encode(self.claims, key.private, algorithm=key.algorithm, headers=headers)

    def with_key(self, key: SigningKey) -> str:
        return replace(self, key=key).signed()

    def unsigned(self) -> str:
        """Return the token with alg none and no signature."""
        return f"{self._part(self.headers(alg='none'))}.{self._part(self.claims)}."

    def with_hmac(self, secret: bytes) -> str:
        """Return the token with HS256; PyJWT itself refuses to take a public key for a secret."""
        text = f"{self._part(self.headers(alg='HS256'))}.{self._part(self.claims)}"
        return f"{text}.{_encoded(hmac.digest(secret, text.encode(), hashlib.sha256))}"

    def altered(self, **changes: Any) -> str:
        """Return the token with claims that were changed after it was signed."""
        header, _, signature = self.signed().split(".")
        return f"{header}.{self._part({**self.claims, **changes})}.{signature}"

    @staticmethod
    def _part(content: dict[str, Any]) -> str:
        return _encoded(json.dumps(content).encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
