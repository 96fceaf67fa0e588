"""A project that has forgotten every page of ours."""

from typing import Any

urlpatterns: list[Any] = []
