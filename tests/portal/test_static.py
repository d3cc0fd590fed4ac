"""Static files are collected again only when they changed."""

import os

import pytest

from portal.embedded import static


@pytest.fixture
def folders(settings, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.css").write_text("a { color: red }\n")
    settings.STATICFILES_DIRS = [tmp_path / "source"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }
    return tmp_path / "source", tmp_path / "collected"


def test_once(folders):
    _, collected = folders
    assert static.collect() is True
    assert (collected / "staticfiles.json").exists()
    assert (collected / "a.css").exists()
    assert static.collect() is False


def test_again_when_a_file_changed_came_or_went(folders):
    source, collected = folders
    static.collect()
    (source / "a.css").write_text("a { color: blue }\n")
    assert static.collect() is True
    (source / "b.css").write_text("b { color: red }\n")
    assert static.collect() is True
    (source / "a.css").unlink()
    assert static.collect() is True
    assert not (collected / "a.css").exists()
    os.utime(source / "b.css", (1, 1))
    assert static.collect() is True
    assert static.collect() is False


def test_again_with_another_way_of_storing(folders, settings):
    static.collect()
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    assert static.collect() is True
