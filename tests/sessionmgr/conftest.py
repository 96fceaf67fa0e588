"""sessionmgr is tested on its own: without a settings page, the defaults are in force."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def fixed_policy(settings: Any) -> None:
    settings.SESSIONMGR_POLICY_SOURCE = "sessionmgr.sources.fixed_policy"
    settings.SESSIONMGR_SCOPE_SOURCE = "sessionmgr.sources.single_scope"
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "settings_app" not in path]
