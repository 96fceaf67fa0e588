"""The reference project's pages."""

from django.contrib import admin
from django.urls import include, path

from sessionmgr import views
from settings_app.views import about

urlpatterns = [
    path("session/", include("sessionmgr.urls")),
    path("accounts/sign-in/", views.SignInView.as_view(), name="sign_in"),
    path("about/", about, name="about"),
    path("healthz/", views.healthz, name="healthz"),
    path("readyz/", views.readyz, name="readyz"),
    path("admin/system-settings/", include("settings_app.urls")),
    path("admin/", admin.site.urls),
]
