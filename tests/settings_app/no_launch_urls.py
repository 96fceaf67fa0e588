"""A project that has included the Admin Center, but not the page where tickets arrive."""

from sessionmgr.project.urls import urlpatterns as pages

urlpatterns = [each for each in pages if getattr(each, "name", "") != "launch"]
