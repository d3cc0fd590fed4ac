"""The portal's settings as the tests run them: the real ones, with a place of their own."""

import os
import tempfile
from pathlib import Path

_ROOT = Path(os.environ.get("PORTAL_TEST_DIR") or tempfile.mkdtemp(prefix="iso-portal-test-"))
os.environ["PORTAL_TEST_DIR"] = str(_ROOT)  # the same for every worker process of one run
os.environ["PORTAL_DATA_DIR"] = str(_ROOT / "data")
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)
if url := os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = url

from portal.environment import BASE_DIR  # noqa: E402
from portal.settings import *  # noqa: E402, F403
from portal.settings import DATA_DIR, DATABASES, STATIC_ROOT, STORAGES  # noqa: E402

DATA_DIR.mkdir(parents=True, exist_ok=True)
ASSETS_DIR = BASE_DIR / "var" / "assets"
STATICFILES_DIRS = [BASE_DIR / "static", ASSETS_DIR]
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns when it is absent
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_BROKER_URL = "memory://"  # messages go nowhere; tests with workers start real processes
CELERY_BROKER_TRANSPORT_OPTIONS = {}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, so that threads and other processes see the same rows.
    DATABASES["default"]["TEST"] = {"NAME": str(_ROOT / "test.sqlite3")}
else:
    # A name of this run, so that two runs may share one server.
    DATABASES["default"]["TEST"] = {"NAME": _ROOT.name.replace("-", "_").lower()}
