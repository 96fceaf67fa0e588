"""The reference project's pages."""

from django.contrib import admin
from django.urls import include, path

from sessionmgr import views

urlpatterns = [
    path("session/", include("sessionmgr.urls")),
    path("accounts/sign-in/", views.SignInView.as_view(), name="sign_in"),
    path("healthz/", views.healthz, name="healthz"),
    path("readyz/", views.readyz, name="readyz"),
    path("admin/", admin.site.urls),
]
