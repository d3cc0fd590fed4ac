"""All addresses of the portal."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

# One way in: the admin's own form knows no rate limit and no second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="isos:list"), name="home"),
    path("accounts/tokens/", include("portal.api.token_urls")),
    path("accounts/", include("portal.accounts.urls")),
    path("isos/", include("isos.urls")),
    path("uploads/", include("isos.tus_urls")),
    path("activity/", include("isos.record_urls")),
    path("usage/", include("quotas.urls")),
    path("api/", include("portal.api.urls")),
    path("admin/", admin.site.urls),
]
