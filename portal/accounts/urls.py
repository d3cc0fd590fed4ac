"""Sign-in, password and two-factor pages: allauth's, but for the ones closed or replaced here."""

from django.urls import include, path
from django.views.generic import RedirectView

from portal.accounts.views import closed, profile

urlpatterns = [
    path("profile/", profile, name="account_profile"),
    # Ahead of allauth's own, which have the same names.
    path("email/", RedirectView.as_view(pattern_name="account_profile"), name="account_email"),
    path("password/set/", RedirectView.as_view(pattern_name="account_change_password"), name="account_set_password"),
    path("confirm-email/", closed, name="account_email_verification_sent"),
    path("confirm-email/<str:key>/", closed, name="account_confirm_email"),
    path("login/code/confirm/", closed, name="account_confirm_login_code"),
    path("", include("allauth.urls")),
]
