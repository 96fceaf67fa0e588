"""The app's place in Django: connects the receivers, the checks, and the identity provider."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from sessionmgr.core.reasons import Outcome

if TYPE_CHECKING:
    from sessionmgr.bearers import Verdict
    from sessionmgr.enforcement import Judgement


class SessionmgrConfig(AppConfig):
    name = "sessionmgr"
    verbose_name = _("Session management")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sessionmgr import bearers, checks, leases, receivers

        checks.register_all()
        receivers.connect()
        if find_spec("mozilla_django_oidc") is not None:
            leases.connect(ask_provider)
            bearers.connect(judge_bearer)


def ask_provider(session_id: int) -> Outcome:
    """Have the provider confirm a session; its packages are loaded by the first question."""
    from sessionmgr.identity.renewal import on_request

    return on_request(session_id)


def judge_bearer(token: str, audience: str, judged: "Judgement") -> "Verdict":
    """Have the provider tell whose an access token is; see ask_provider()."""
    from sessionmgr.identity.bearer import judge

    return judge(token, audience, judged)
