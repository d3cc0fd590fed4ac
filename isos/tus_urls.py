from django.urls import URLPattern

app_name = "tus"
urlpatterns: list[URLPattern] = []
