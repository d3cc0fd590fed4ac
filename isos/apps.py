from django.apps import AppConfig


class IsosConfig(AppConfig):
    name = "isos"
    verbose_name = "ISO images"
