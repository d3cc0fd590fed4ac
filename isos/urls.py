from django.urls import URLPattern

app_name = "isos"
urlpatterns: list[URLPattern] = []
