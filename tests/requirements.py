"""What a test needs of the machine: without it the test is skipped, or fails under REQUIRE=all."""

import os
import shutil

import pytest


def require(condition: object, hint: str) -> None:
    """Go on if ``condition`` holds; else skip with ``hint``, or fail where all is required."""
    if condition:
        return
    if os.environ.get("REQUIRE") == "all":
        pytest.fail(hint, pytrace=False)
    pytest.skip(hint)


def require_program(name: str, hint: str) -> str:
    """Return where the program ``name`` is; ``hint`` says how to get it."""
    found = shutil.which(name)
    require(found, f"{name} is not installed: {hint}")
    assert found is not None
    return found
