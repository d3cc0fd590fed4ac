"""Addresses of the account's usage."""

from django.urls import path

from quotas import views

app_name = "usage"
urlpatterns = [
    path("", views.usage, name="month"),
    path("usage.csv", views.usage_file, name="file"),
]
