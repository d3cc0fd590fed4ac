"""The tus endpoint, /uploads/."""

from django.urls import path

from isos.views import tus

app_name = "tus"
urlpatterns = [
    path("", tus.collection, name="collection"),
    path("<uuid:public_id>", tus.upload, name="upload"),
]
