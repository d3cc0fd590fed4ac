"""All addresses of the portal."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="isos:list"), name="home"),
    path("accounts/", include("allauth.urls")),
    path("isos/", include("isos.urls")),
    path("uploads/", include("isos.tus_urls")),
    path("admin/", admin.site.urls),
]
