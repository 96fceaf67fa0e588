"""The endpoints of OpenID Connect (contract §3); a host includes them under ``oidc/``.

The names are mozilla-django-oidc's, so that links and settings made for it go on working.
"""

from django.urls import path

from sessionmgr.identity import logout_views, views
from sessionmgr.identity.client_sessions import client_session

urlpatterns = [
    path("authenticate/", views.AuthenticateView.as_view(), name="oidc_authentication_init"),
    path("callback/", views.CallbackView.as_view(), name="oidc_authentication_callback"),
    path("logout/", logout_views.LogoutView.as_view(), name="oidc_logout"),
    path("backchannel-logout/", logout_views.backchannel, name="oidc_backchannel_logout"),
    path("frontchannel-logout/", logout_views.frontchannel, name="oidc_frontchannel_logout"),
    path("client-session/", client_session, name="oidc_client_session"),
]
