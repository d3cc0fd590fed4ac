"""Our scripts import each other under the names under which pages load them: one copy of each."""

import re

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.test import override_settings

from portal.settings import BASE_DIR, STORAGES
from tests.services import missing


@pytest.fixture
def collected(tmp_path, settings):
    if not (settings.ASSETS_DIR / "tus.js").exists():
        missing("The front-end parts are not installed; `python -m portal.assets --dev` does it.")
    settings.STATIC_ROOT = tmp_path
    settings.STATICFILES_DIRS = [BASE_DIR / "static", settings.ASSETS_DIR]
    with override_settings(STORAGES=settings.STORAGES | {"staticfiles": STORAGES["staticfiles"]}):
        call_command("collectstatic", "--no-input", verbosity=0)
        yield tmp_path


def test_every_import_is_the_hashed_file(collected):
    imports = 0
    for source in (BASE_DIR / "static").rglob("*.js"):
        name = source.relative_to(BASE_DIR / "static").as_posix()
        served = collected / staticfiles_storage.stored_name(name)
        assert re.search(r"\.[0-9a-f]{12}\.js$", served.name)
        for address in re.findall(r"^import .* from \"(.+)\";$", served.read_text(), re.MULTILINE):
            assert re.search(r"\.[0-9a-f]{12}\.js$", address), f"{name} imports {address}"
            assert (served.parent / address).resolve().exists(), f"{name} imports {address}"
            imports += 1
    assert imports >= 10
