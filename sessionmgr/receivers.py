"""What happens elsewhere in Django and concerns sessions."""

from typing import Any

from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.signals import user_logged_in
from django.db.models import Q
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.http import HttpRequest

from sessionmgr import clock
from sessionmgr.backends.people import may_authenticate
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end
from sessionmgr.memberships import members_of, memberships
from sessionmgr.models import UserSession, database
from sessionmgr.sources import current_policy
from sessionmgr.sweep import live_scopes, sweep_scope


def connect() -> None:
    """Connect the receivers, once."""
    user_logged_in.connect(start_clocks_anew, dispatch_uid="sessionmgr.start_clocks_anew")
    # The door refuses them on the next request anyhow; this shows it in the lists at once.
    model = get_user_model()
    post_save.connect(end_if_disabled, sender=model, dispatch_uid="sessionmgr.end_if_disabled")
    post_delete.connect(end_of_deleted, sender=model, dispatch_uid="sessionmgr.end_of_deleted")

    if (table := memberships()) is not None:
        # Else who leaves a group could go on past the limit that it has set them.
        m2m_changed.connect(
            end_before_leaving, sender=table.model, dispatch_uid="sessionmgr.end_before_leaving"
        )


def start_clocks_anew(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """Give a session whose user has signed in again a new key and a new start (ASVS 7.2.4)."""
    if authenticated_again := getattr(request.session, "authenticated_again", None):
        authenticated_again()


def end_if_disabled(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
    """End the sessions of a user who has just been made inactive."""
    if not created and not any(may_authenticate(backend, instance) for backend in get_backends()):
        _end_all_of(instance.pk)


def end_of_deleted(sender: Any, instance: Any, **kwargs: Any) -> None:
    """End the sessions of a user who is no more."""
    _end_all_of(instance.pk)


def _end_all_of(user_id: Any) -> None:
    using = database()
    live = UserSession.objects.using(using).live().filter(user_id=user_id)
    for session_id in live.values_list("pk", flat=True):
        end(session_id, EndReason.ACCOUNT_DISABLED, using=using)


def end_before_leaving(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: Any, **kwargs: Any
) -> None:
    """End what is stale by a group's limits before a member leaves: it must not revive (I4)."""
    if action not in ("pre_remove", "pre_clear"):
        return
    users = pk_set if reverse else {instance.pk}
    only = members_of(instance.pk) if users is None else Q(user_id__in=users)
    using = database()
    for scope in live_scopes(using):
        policy = current_policy(scope)
        if policy.groups:
            sweep_scope(scope, policy, now=clock.now(using), using=using, only=only)
