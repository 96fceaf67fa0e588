"""mozilla-django-oidc's addresses, beside the pages that our views lead to."""

from mozilla_django_oidc.urls import urlpatterns as upstream

from sessionmgr.project.urls import urlpatterns as project

urlpatterns = [*project, *upstream]
