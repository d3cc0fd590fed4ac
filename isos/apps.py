from django.apps import AppConfig


class IsosConfig(AppConfig):
    name = "isos"
    verbose_name = "ISO images"

    def ready(self) -> None:
        from isos import (
            checks,  # noqa: F401 - registers them
            dependants,
            links,
        )

        dependants.register(links.uses)
