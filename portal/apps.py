from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        from portal import checks  # noqa: F401  registers the checks
        from portal.celery import app  # noqa: F401  makes it the app that shared_task sends with
