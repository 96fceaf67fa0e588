"""What happens elsewhere in Django and concerns sessions."""

from typing import Any

from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest

from sessionmgr.backends.people import may_authenticate
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end
from sessionmgr.models import UserSession, database


def connect() -> None:
    """Connect the receivers, once."""
    user_logged_in.connect(start_clocks_anew, dispatch_uid="sessionmgr.start_clocks_anew")
    # The door refuses them on the next request anyhow; this shows it in the lists at once.
    model = get_user_model()
    post_save.connect(end_if_disabled, sender=model, dispatch_uid="sessionmgr.end_if_disabled")
    post_delete.connect(end_of_deleted, sender=model, dispatch_uid="sessionmgr.end_of_deleted")


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
