"""Who somebody is: Django users by the pair (issuer, subject), never by an e-mail (ASVS 6.8.1).

An e-mail links a first sign-in to a user who is there already, only where SESSIONMGR_LINK_BY_EMAIL
allows it and the provider has verified the address.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import BaseUserManager
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, router, transaction
from django.db.models import Max
from django.utils.module_loading import import_string

from sessionmgr.conf import conf
from sessionmgr.core.reasons import NO_CREDENTIALS_AFTER
from sessionmgr.identity.tokens import IdClaims
from sessionmgr.models import FederatedIdentity, State, UserSession, database

logger = logging.getLogger("sessionmgr")

Hook = Callable[[Any, Mapping[str, Any]], None]


class Refusal(StrEnum):
    """Why somebody whom the provider knows is not let in here."""

    NO_ACCOUNT = "no_account"
    DISABLED = "disabled"


class NotAdmittedError(Exception):
    """The provider knows the person, but this site does not let them in."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


def identity_of(claims: IdClaims, profile: Mapping[str, Any], now: datetime) -> FederatedIdentity:
    """Return the person of a validated sign-in, with their user; at the first one, made or linked.

    ``profile``: the claims of ID token and userinfo together. Raises NotAdmittedError.
    """
    found = _known(claims)
    if found is None:
        try:
            with transaction.atomic(using=database()):
                found = _first_sign_in(claims, profile, now)
        except IntegrityError:
            # The same first sign-in at the same moment, in another tab.
            found = _known(claims)
            if found is None:
                raise
    if not getattr(found.user, "is_active", True):
        raise NotAdmittedError(Refusal.DISABLED)
    if hook := claims_hook():
        with transaction.atomic(using=router.db_for_write(get_user_model())):
            hook(found.user, profile)
    return found


def claims_hook() -> Hook | None:
    """Return the host's ``callable(user, claims)``, which gives groups and staff as it likes."""
    path = conf.SESSIONMGR_CLAIMS_HOOK
    return cast(Hook, import_string(path)) if path else None


def credentials_needed_after(identity: FederatedIdentity) -> datetime | None:
    """Return since when this person's earlier credentials count no more (R15).

    It is the last end of a session of theirs that was more than a missing confirmation.
    """
    ends = UserSession.objects.using(database()).filter(identity=identity, state=State.ENDED)
    last = ends.exclude(ended_reason__in=NO_CREDENTIALS_AFTER).aggregate(at=Max("ended_at"))["at"]
    instants = [at for at in (last, identity.reauth_after) if at is not None]
    return max(instants, default=None)


def _known(claims: IdClaims) -> FederatedIdentity | None:
    rows = FederatedIdentity.objects.using(database()).select_related("user")
    return rows.filter(issuer=claims.issuer, subject=claims.subject).first()


def _first_sign_in(
    claims: IdClaims, profile: Mapping[str, Any], now: datetime
) -> FederatedIdentity:
    user = _user_by_email(claims)
    if user is None:
        if not getattr(settings, "OIDC_CREATE_USER", True):
            raise NotAdmittedError(Refusal.NO_ACCOUNT)
        user = _new_user(claims, profile)
    identity = FederatedIdentity(
        issuer=claims.issuer, subject=claims.subject, user=user, linked_at=now
    )
    identity.save(force_insert=True, using=database())
    logger.info("User %s is linked to an identity at %s.", user.pk, claims.issuer)
    return identity


def _user_by_email(claims: IdClaims) -> Any:
    """Return the one user with the provider's verified address whom nobody is linked to yet."""
    if not (conf.SESSIONMGR_LINK_BY_EMAIL and claims.email and claims.email_verified):
        return None
    field = get_user_model().get_email_field_name()
    users = get_user_model()._default_manager.filter(**{f"{field}__iexact": claims.email})
    found = list(users[:2])
    if len(found) != 1:
        return None
    linked = FederatedIdentity.objects.using(database()).filter(
        user=found[0], issuer=claims.issuer
    )
    return None if linked.exists() else found[0]


def _new_user(claims: IdClaims, profile: Mapping[str, Any]) -> Any:
    model: Any = get_user_model()
    user = model()
    name_field = model._meta.get_field(model.USERNAME_FIELD)
    setattr(user, name_field.name, _free_name(claims, profile, name_field))
    if claims.email:
        setattr(user, model.get_email_field_name(), BaseUserManager.normalize_email(claims.email))
    for claim, field in (("given_name", "first_name"), ("family_name", "last_name")):
        value = profile.get(claim)
        if isinstance(value, str) and hasattr(user, field):
            setattr(user, field, value[: model._meta.get_field(field).max_length])
    user.set_unusable_password()
    user.save()
    return user


def _free_name(
    claims: IdClaims, profile: Mapping[str, Any], field: "models.Field[Any, Any]"
) -> str:
    """Return a user name that is nobody's: the provider's own where that is free and allowed."""
    for name in _names(claims, profile):
        try:
            field.run_validators(name)
        except ValidationError:
            continue
        if (
            not get_user_model()
            ._default_manager.filter(**{f"{field.name}__iexact": name})
            .exists()
        ):
            return name
    return _own_name(claims)


def _names(claims: IdClaims, profile: Mapping[str, Any]) -> Iterator[str]:
    preferred = profile.get("preferred_username")
    if isinstance(preferred, str) and preferred:
        yield preferred
    if claims.email and claims.email_verified:
        yield claims.email


def _own_name(claims: IdClaims) -> str:
    """Return a name that only this person can have, and that tells nothing of them."""
    digest = hashlib.sha256(f"{claims.issuer}\0{claims.subject}".encode()).hexdigest()
    return f"user-{digest[:24]}"
