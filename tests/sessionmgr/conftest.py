"""sessionmgr is tested on its own: without a settings page, the defaults are in force."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def fixed_policy(settings: Any) -> None:
    settings.SESSIONMGR_POLICY_SOURCE = "sessionmgr.sources.fixed_policy"
