"""Addresses of what is kept of what happened: the activity of an account, and notices to its users."""

from django.urls import path

from isos.views import notices, trail

app_name = "record"
urlpatterns = [
    path("", trail.activity, name="list"),
    path("csv/", trail.activity_csv, name="csv"),
    path("notices/", notices.notice_list, name="notices"),
    path("notices/bell/", notices.bell, name="bell"),
    path("notices/choice/", notices.choose, name="choice"),
]
