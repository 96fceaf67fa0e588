"""The endpoints of contract §3; a host includes them under ``session/``."""

from django.urls import URLPattern

app_name = "sessionmgr"

urlpatterns: list[URLPattern] = []
