"""The sign-in page of an environment: a look of its own, by its name or by its kind."""

from typing import Any

from sessionmgr.views import SignInView
from settings_app.scopes import environment_of


class EnvironmentSignInView(SignInView):
    """The sign-in page that comes along, in the environment's own template where there is one."""

    def get_template_names(self) -> list[str]:
        """Return the environment's own template, its kind's, and the common one."""
        environment = environment_of(self.request)
        own = [] if environment is None else [environment.slug, environment.kind]
        return [*(f"sessionmgr/sign_in_{each}.html" for each in own), self.template_name]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(environment=environment_of(self.request), **kwargs)
