"""The reference project's pages."""

from django.contrib import admin
from django.urls import include, path

from sessionmgr import client_context, views
from sessionmgr.project.demo import views as demo
from settings_app.launch import launch
from settings_app.sign_in import EnvironmentSignInView
from settings_app.views import about

urlpatterns = [
    path("", demo.home, name="home"),
    path("demo/form/", demo.form, name="demo_form"),
    path("demo/polling/", demo.polling, name="demo_polling"),
    path("demo/polling/news/", demo.news, name="demo_news"),
    path("public/", demo.public, name="public"),
    path("about/", about, name="about"),
    path("launch/", launch, name="launch"),
    path("accounts/sign-in/", EnvironmentSignInView.as_view(), name="sign_in"),
    path("oidc/", include("sessionmgr.identity.urls")),
    path("session/", include("sessionmgr.urls")),
    # The name that pages written for the vendor's platform include.
    path(
        "WebResources/ClientGlobalContext.js.aspx",
        client_context.script,
        name="client_global_context",
    ),
    path("healthz/", views.healthz, name="healthz"),
    path("readyz/", views.readyz, name="readyz"),
    # Before the admin, which answers every address below its own.
    path("admin/admin-center/", include("settings_app.admin_center_urls")),
    path("admin/system-settings/", include("settings_app.urls")),
    path("admin/", admin.site.urls),
]
