"""The endpoints of contract §3; a host includes them under ``session/``."""

from django.urls import path

from sessionmgr import client_context, views

app_name = "sessionmgr"

urlpatterns = [
    path("status/", views.status, name="status"),
    path("touch/", views.touch, name="touch"),
    path("resumed/", views.resumed, name="resumed"),
    path("client-context.js", client_context.script, name="client_context"),
    path("widget/", client_context.widget, name="widget"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("signed-out/", views.signed_out, name="signed_out"),
    path("held/<slug:held_id>/", views.held_form, name="held"),
    path("sign-in/", views.SignInView.as_view(), name="sign_in"),
]
