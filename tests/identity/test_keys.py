"""Which of a provider's keys a token may be signed with."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from sessionmgr.identity.keys import Keys
from tests.identity.providers.keys import SigningKey

RSA = SigningKey().jwk()
EC = SigningKey(1, "ES256", "key-1").jwk()
OTHER_RSA = SigningKey(2, kid="key-2").jwk()


def without(key: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {**{name: value for name, value in key.items() if name not in names}, **changes}


@cache
def short_key() -> dict[str, Any]:
    """Return an RSA key of 1024 bits."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    key: dict[str, Any] = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return key


def found(published: list[Any], **header: Any) -> str | None:
    """Return the name of the key that is found; "?": it has none."""
    key = Keys(published).find({"alg": "RS256", **header})
    return None if key is None else key.key_id or "?"


@pytest.mark.parametrize(
    ("published", "header", "expected"),
    [
        pytest.param([OTHER_RSA, RSA], {"kid": "key-0"}, "key-0", id="by-name"),
        pytest.param([RSA, EC], {"kid": "key-1", "alg": "ES256"}, "key-1", id="by-curve"),
        pytest.param([RSA, EC], {"kid": "key-1"}, None, id="name-of-another-kind-of-key"),
        pytest.param([RSA], {"kid": "unheard-of"}, None, id="unheard-of"),
        pytest.param([RSA], {}, "key-0", id="token-names-none-one-fits"),
        pytest.param([RSA, EC], {}, "key-0", id="token-names-none-one-of-two-fits"),
        pytest.param([RSA, OTHER_RSA], {}, None, id="token-names-none-two-fit"),
        pytest.param([without(RSA, "kid")], {"kid": "x"}, "?", id="lone-key-without-a-name"),
        pytest.param([without(RSA, "kid")], {}, "?", id="nobody-has-a-name"),
        pytest.param(
            [without(RSA, "kid"), OTHER_RSA], {"kid": "x"}, None, id="not-lone-without-a-name"
        ),
        pytest.param([RSA, OTHER_RSA | {"kid": "key-0"}], {"kid": "key-0"}, "key-0", id="twice"),
        pytest.param([], {"kid": "key-0"}, None, id="none-published"),
        pytest.param(["key-0", None, RSA], {"kid": "key-0"}, "key-0", id="not-only-keys"),
    ],
)
def test_a_key_is_found_where_there_is_no_choice(
    published: list[Any], header: dict[str, Any], expected: str | None
) -> None:
    assert found(published, **header) == expected


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(without(RSA, use="enc"), id="for-encryption"),
        pytest.param(without(RSA, alg="RS512"), id="for-another-algorithm"),
        pytest.param(without(RSA, key_ops=["sign"]), id="not-to-verify"),
        pytest.param(without(RSA, key_ops="verify"), id="operations-that-are-no-list"),
        pytest.param(without(RSA, "n"), id="half-a-key"),
        pytest.param(without(RSA, n="?"), id="no-number"),
        pytest.param(without(RSA, "kty"), id="of-no-kind"),
        pytest.param(without(EC, "crv", kid="key-0", kty="RSA"), id="of-the-wrong-kind"),
    ],
)
def test_a_key_that_is_not_for_signatures_is_none(key: dict[str, Any]) -> None:
    assert found([key], kid="key-0") is None
    assert found([key, without(RSA, kid="key-3")]) == "key-3"


def test_a_short_key_is_none() -> None:
    assert found([short_key()]) is None


@pytest.mark.parametrize("algorithm", ["none", "HS256", "", None, 5, ["RS256"]])
def test_only_signatures_by_a_key_pair_have_keys(algorithm: object) -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "key-0"}
    assert Keys([secret, RSA]).find({"alg": algorithm, "kid": "key-0"}) is None


def test_a_curve_is_for_one_algorithm() -> None:
    assert found([without(EC, "alg", crv="P-384")], alg="ES256") is None
    assert found([without(EC, "alg")], alg="ES256") == "key-1"
    assert found([without(EC, "alg")], alg="ES384") is None
