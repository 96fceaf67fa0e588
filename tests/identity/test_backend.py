"""Our overrides of mozilla-django-oidc fit what they override, and nothing else is overridden."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ImproperlyConfigured
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.views import (
    OIDCAuthenticationCallbackView,
    OIDCAuthenticationRequestView,
)

from sessionmgr.identity.backend import ProviderBackend, with_email
from sessionmgr.identity.tokens import IdClaims
from sessionmgr.identity.views import AuthenticateView, CallbackView

#: What the release that this was written for has; a change upstream is to be looked at.
UPSTREAM = {
    (OIDCAuthenticationBackend, "__init__"): "(self, *args, **kwargs)",
    (OIDCAuthenticationBackend, "authenticate"): "(self, request, **kwargs)",
    (OIDCAuthenticationBackend, "get_token"): "(self, payload)",
    (OIDCAuthenticationBackend, "verify_token"): "(self, token, **kwargs)",
    (OIDCAuthenticationBackend, "get_userinfo"): "(self, access_token, id_token, payload)",
    (OIDCAuthenticationBackend, "store_tokens"): "(self, access_token, id_token)",
    (OIDCAuthenticationBackend, "get_or_create_user"): "(self, access_token, id_token, payload)",
    (OIDCAuthenticationBackend, "get_user"): "(self, user_id)",
    (OIDCAuthenticationRequestView, "get"): "(self, request)",
    (OIDCAuthenticationCallbackView, "get"): "(self, request)",
}
OURS = {
    OIDCAuthenticationBackend: ProviderBackend,
    OIDCAuthenticationRequestView: AuthenticateView,
    OIDCAuthenticationCallbackView: CallbackView,
}


@pytest.mark.parametrize(
    ("upstream", "name"), UPSTREAM, ids=[f"{cls.__name__}.{name}" for cls, name in UPSTREAM]
)
def test_what_is_overridden_is_there_and_takes_the_same(upstream: type, name: str) -> None:
    assert str(signature(getattr(upstream, name))) == UPSTREAM[upstream, name]
    if name != "__init__":
        ours = signature(getattr(OURS[upstream], name))
        assert list(ours.parameters) == list(signature(getattr(upstream, name)).parameters)


def test_nothing_else_of_it_is_overridden() -> None:
    overridden = {
        (upstream, name)
        for upstream, ours in OURS.items()
        for name in vars(ours)
        if name in vars(upstream) and callable(getattr(upstream, name))
    }
    own = {(OIDCAuthenticationRequestView, "__init__")}
    assert overridden - own == set(UPSTREAM)


def test_users_are_looked_up_as_django_does() -> None:
    assert ProviderBackend.get_user is ModelBackend.get_user


def test_credentials_of_another_kind_are_left_to_others(rf: Any, db: None) -> None:
    backend = ProviderBackend()
    assert backend.authenticate(rf.post("/"), username="alice", password="secret") is None
    assert backend.authenticate(None, code_verifier="x") is None


def test_without_a_provider_nothing_can_be_asked(settings: Any) -> None:
    settings.OIDC_ISSUER = ""
    with pytest.raises(ImproperlyConfigured, match="OIDC_ISSUER"):
        _ = ProviderBackend().OIDC_RP_CLIENT_ID


def claims(email: str | None, verified: bool = False) -> IdClaims:
    return IdClaims(
        issuer="https://provider.example",
        subject="1",
        audience=("site",),
        iat=0,
        exp=1,
        auth_time=None,
        sid=None,
        email=email,
        email_verified=verified,
        check_interval=None,
        stays_signed_in=None,
        claims={},
    )


@pytest.mark.parametrize(
    ("given", "profile", "email", "verified"),
    [
        pytest.param(
            claims(None), {"email": "a@x", "email_verified": True}, "a@x", True, id="userinfo"
        ),
        pytest.param(
            claims("a@x"), {"email": "a@x", "email_verified": True}, "a@x", True, id="the-same"
        ),
        pytest.param(
            claims("a@x"), {"email": "b@x", "email_verified": True}, "a@x", False, id="another"
        ),
        pytest.param(claims("a@x", True), {"email": "a@x"}, "a@x", True, id="id-token"),
        pytest.param(claims(None), {"email": 5}, None, False, id="no-text"),
        pytest.param(
            claims(None), {"email": "a@x", "email_verified": "true"}, "a@x", False, id="a-word"
        ),
    ],
)
def test_an_address_and_its_proof_come_from_one_source(
    given: IdClaims, profile: dict[str, Any], email: str | None, verified: bool
) -> None:
    found = with_email(given, profile)
    assert (found.email, found.email_verified) == (email, verified)
