"""A provider's public keys, and which of them a token may be signed with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jwt import PyJWK

#: For each signature the key that makes it: its kind and, where that leaves a choice, its curve.
FITTING: Mapping[str, tuple[str, frozenset[str]]] = {
    **{
        f"{family}{size}": ("RSA", frozenset())
        for family in ("RS", "PS")
        for size in (256, 384, 512)
    },
    "ES256": ("EC", frozenset(("P-256",))),
    "ES384": ("EC", frozenset(("P-384",))),
    "ES512": ("EC", frozenset(("P-521",))),
    "EdDSA": ("OKP", frozenset(("Ed25519", "Ed448"))),
}

#: Bits of an RSA key, at least (RFC 7518, 3.3).
RSA_BITS = 2048


class Keys:
    """One set of keys, as published (RFC 7517)."""

    def __init__(self, published: Sequence[Any]) -> None:
        self.published = [key for key in published if isinstance(key, dict)]

    def find(self, header: Mapping[str, Any]) -> PyJWK | None:
        """Return the one key that fits a token's header.

        A token that names none, and a key that has no name, are matched when there is no choice.
        """
        kid, algorithm = header.get("kid"), header.get("alg")
        fitting = [key for key in self.published if _fits(key, algorithm)]
        if kid is not None:
            named = [key for key in fitting if key.get("kid") == kid]
            fitting = named[:1] or [
                key for key in fitting if len(fitting) == 1 and "kid" not in key
            ]
        usable = list(_usable(fitting, algorithm))
        return usable[0] if len(usable) == 1 else None


def _fits(key: Mapping[str, Any], algorithm: object) -> bool:
    """Return whether ``key`` is meant for such signatures: by kind, curve, use and algorithm."""
    if not isinstance(algorithm, str) or algorithm not in FITTING:
        return False
    kind, curves = FITTING[algorithm]
    operations = key.get("key_ops", ["verify"])
    return (
        key.get("kty") == kind
        and (not curves or key.get("crv") in curves)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and isinstance(operations, list)
        and "verify" in operations
    )


def _usable(keys: Sequence[Mapping[str, Any]], algorithm: Any) -> Iterator[PyJWK]:
    for key in keys:
        try:
            made = PyJWK(dict(key), algorithm=algorithm)
        except Exception:  # Whatever its numbers trip over, it is no key.  # noqa: S112 # nosec B112
            continue
        if key["kty"] != "RSA" or made.key.key_size >= RSA_BITS:
            yield made
