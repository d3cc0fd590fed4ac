"""Addresses of the API. A second version gets an address beside v1."""

from django.urls import path

from portal.api.api import api
from portal.api.docs import docs

urlpatterns = [
    path("v1/docs", docs, name="api_docs"),
    path("v1/", api.urls),
]
