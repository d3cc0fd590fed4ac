"""Settings. The environment is read here, once; a bad value stops the start with a sentence.

Every variable may also be given as NAME_FILE, the path of a file that holds the value.
The table of all of them is in docs/operations.md.
"""

from __future__ import annotations

from fractions import Fraction
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environ import Env
from moneyed import CURRENCIES

from portal.environment import BASE_DIR, data_dir, environment

env = Env()
env.ENVIRON = environment

# --- where things are -----------------------------------------------------------------

DATA_DIR: Path = data_dir()  # PORTAL_DATA_DIR
BIND = env.str("PORTAL_BIND", default="127.0.0.1:8000")
# One web process; each thread serves one request, and an upload in progress is a request.
WEB_THREADS = env.int("WEB_THREADS", default=16)


def _secret_key() -> str:
    """From the environment, else the file that `manage.py up` generates at the first start."""
    if key := environment.get("SECRET_KEY"):  # as it is: env.str() would follow a leading $
        return key
    try:
        return (DATA_DIR / "secret_key").read_text().strip()
    except OSError:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Set SECRET_KEY or SECRET_KEY_FILE, or start the portal once with `make run`,"
            f" which generates one in {DATA_DIR}."
        ) from None


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
# Zone secrets are encrypted with keys derived from SECRET_KEY and these salts; the first one writes.
SALT_KEY = env.list("ZONE_SECRETS_SALTS", default=["iso-portal-zone-secrets"])
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])

# --- apps -----------------------------------------------------------------------------

INSTALLED_APPS = [
    "portal",
    "portal.accounts",
    "zones",
    "quotas",
    "isos",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "whitenoise.runserver_nostatic",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "portal.health.HealthMiddleware",  # first: probes come by address, without TLS and without a known Host
    "portal.api.middleware.ApiMiddleware",  # before all that may answer with a page of its own
    "portal.middleware.SlowBodyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.accounts.bearer.BearerMiddleware",  # before what reads cookies
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.SignedOutMiddleware",
    "portal.middleware.PortalErrorMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- database -------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'portal.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # WAL lets readers go on beside the writer. IMMEDIATE takes the write lock at BEGIN, so that
    # a read-then-write transaction waits its turn instead of failing half-way.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# --- cache ----------------------------------------------------------------------------

# Counts sign-in attempts, so it must be one for all processes and outlast a restart: a table of
# the database (a migration makes it), or CACHE_URL, for example redis://cache:6379/1.
CACHES = {"default": env.cache_url("CACHE_URL", default="dbcache://portal_cache")}
if CACHES["default"]["BACKEND"].endswith("DatabaseCache"):
    # Above this many entries the oldest go; at Django's 300 an attacker could flush the counters.
    CACHES["default"]["OPTIONS"] = {"MAX_ENTRIES": 50_000}

# --- background work ------------------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://localhost")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # no results, so no daily task that cleans them up
CELERY_TASK_DEFAULT_QUEUE = "portal"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
# What is quick (deletes, clean-ups, the sweep) has queues of its own, so that it never waits behind copies.
LIGHT_QUEUE = f"{CELERY_TASK_DEFAULT_QUEUE}.light"
# Whether each zone's work goes to its own queues (`zone.<slug>`, `zone.<slug>.light`), for workers that
# stand beside its storage. Off, all work goes to the queues `portal` and `portal.light` and any worker does it.
ZONE_QUEUES = env.bool("ZONE_QUEUES", default=False)
WORKER_CONCURRENCY = CELERY_WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", default=2)
if CELERY_BROKER_URL.startswith("filesystem:"):
    # A broker without a server: messages are files. At its default of 1 s polling crawls.
    _BROKER_DIR = DATA_DIR / "broker"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "data_folder_in": str(_BROKER_DIR / "messages"),
        "data_folder_out": str(_BROKER_DIR / "messages"),
        "control_folder": str(_BROKER_DIR / "control"),
        "polling_interval": 0.05,
    }
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False  # one more folder to poll, and nobody sends commands
else:
    # Longer than any lease; the database row, not the broker, decides who runs what.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}

# --- sign-in --------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "isos:list"
ACCOUNT_ADAPTER = "portal.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_FORMS = {
    "login": "portal.accounts.forms.LoginForm",
    "reset_password": "portal.accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "portal.accounts.forms.ResetPasswordKeyForm",
    "change_password": "portal.accounts.forms.ChangePasswordForm",
    "reauthenticate": "portal.accounts.forms.ReauthenticateForm",
}
MFA_ADAPTER = "portal.accounts.adapter.MfaAdapter"
MFA_FORMS = {
    "authenticate": "portal.accounts.forms.AuthenticateForm",
    "reauthenticate": "portal.accounts.forms.ReauthenticateCodeForm",
    "activate_totp": "portal.accounts.forms.ActivateTOTPForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "ISO portal"
MFA_TOTP_TOLERANCE = 1  # clocks may differ by one step of 30 s (RFC 6238, section 5.2)

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="ISO portal <portal@localhost>")
# Whether mail reaches anybody: without EMAIL_URL it goes to the terminal, and no notices are sent.
MAIL_WORKS = not EMAIL_CONFIG["EMAIL_BACKEND"].rpartition(".")[0].endswith((".console", ".dummy"))
MAIL_AFTER_SECONDS = env.int("MAIL_AFTER_SECONDS", default=300)

# --- security -------------------------------------------------------------------------

BEHIND_TLS = env.bool("BEHIND_TLS", default=False)
# How many proxies stand before the portal, each appending to X-Forwarded-For. The client's address
# for rate limits is taken that far from the end; at 0 the header, which anyone can send, is ignored.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=1 if BEHIND_TLS else 0)
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if BEHIND_TLS else "http"
# What links in mail that no request asked for begin with.
_HOME = f"https://{ALLOWED_HOSTS[0]}" if BEHIND_TLS else f"http://{BIND}"
PORTAL_URL = env.str("PORTAL_URL", default=_HOME).rstrip("/")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- static files ---------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
ASSETS_DIR = DATA_DIR / "assets"  # front-end parts from the npm registry, see portal/assets.py
STATICFILES_DIRS = [BASE_DIR / "static", ASSETS_DIR]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "portal.staticfiles.StaticFilesStorage"},
}

# --- language and time ----------------------------------------------------------------

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- the library ----------------------------------------------------------------------


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ImproperlyConfigured(f"CURRENCY is {code}. Write the code of a currency such as USD or EUR.")
    return code


GB = 1_000_000_000
QUOTA_DEFAULTS = {
    "max_isos": env.int("QUOTA_MAX_ISOS", default=10),
    "max_bytes": env.int("QUOTA_MAX_BYTES", default=100 * GB),
    "max_iso_bytes": env.int("QUOTA_MAX_ISO_BYTES", default=32 * GB),
    "max_uploads": env.int("QUOTA_MAX_UPLOADS", default=5),
}
CURRENCY = _currency(env.str("CURRENCY", default="USD"))  # of all prices
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=300)  # of one account; 0 means any number
UPLOAD_EXPIRES_SECONDS = env.int("UPLOAD_EXPIRES_SECONDS", default=24 * 3600)
# Downloads that pass through the web process at the same time, each in a thread of its own.
DOWNLOAD_STREAMS = env.int("DOWNLOAD_STREAMS", default=max(1, WEB_THREADS // 2))
# Where nginx finds the zones' folders: `<prefix><slug>/` of each. Empty: the portal sends files itself.
DOWNLOAD_ACCEL_PREFIX = env.str("DOWNLOAD_ACCEL_PREFIX", default="")
UPLOAD_LOCK_SECONDS = 10  # an upload's writer that was silent this long may be replaced
UPLOAD_READ_TIMEOUT_SECONDS = 30  # a browser that sends nothing this long is cut off; it resumes
OPERATION_LEASE_SECONDS = env.int("OPERATION_LEASE_SECONDS", default=15)
OPERATION_MAX_ATTEMPTS = env.int("OPERATION_MAX_ATTEMPTS", default=5)
ZONE_MAX_OPERATIONS = env.int("ZONE_MAX_OPERATIONS", default=4)
SWEEP_SECONDS = env.int("SWEEP_SECONDS", default=5)
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep": {
        "task": "isos.sweep",
        "schedule": SWEEP_SECONDS,
        "options": {"expires": SWEEP_SECONDS, "queue": LIGHT_QUEUE},
    }
}


def _share(text: str) -> Fraction:
    """A part of the whole, `1/30` or `0.05`; 0 means none."""
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        share = Fraction(-1)
    if not 0 <= share <= 1:
        raise ImproperlyConfigured(f"VERIFY_SHARE is {text}. Write a part of the whole such as 1/30, or 0 for none.")
    return share


def _hour(hour: int) -> int:
    if not 0 <= hour <= 23:
        raise ImproperlyConfigured(f"VERIFY_HOUR is {hour}. Write an hour of the day in UTC, from 0 to 23.")
    return hour


VERIFY_SHARE = _share(env.str("VERIFY_SHARE", default="1/30"))
VERIFY_HOUR = _hour(env.int("VERIFY_HOUR", default=2))
VERIFY_BYTES_PER_SECOND = env.int("VERIFY_BYTES_PER_SECOND", default=100_000_000)
if VERIFY_SHARE:
    CELERY_BEAT_SCHEDULE["verify"] = {
        "task": "isos.verify_isos",
        "schedule": crontab(minute="0", hour=str(VERIFY_HOUR)),
        "options": {"expires": 6 * 3600, "queue": LIGHT_QUEUE},
    }

# --- import from URL ------------------------------------------------------------------


def _stripped(entries: list[str]) -> list[str]:
    """Operators write a space after the comma, or a comma after the last entry."""
    return [entry.strip() for entry in entries if entry.strip()]


def _ports(texts: list[str]) -> list[int]:
    for text in texts:
        if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
            raise ImproperlyConfigured(f"IMPORT_PORTS holds {text}, which is no port. Ports go from 1 to 65535.")
    return [int(text) for text in texts]


def _networks(networks: list[str]) -> list[str]:
    """IP networks in CIDR notation. All of them at once would be no guard at all."""
    for network in networks:
        try:
            if ip_network(network).prefixlen == 0:
                raise ImproperlyConfigured(
                    f"IMPORT_ALLOWED_NETWORKS holds {network}, which is every address. List private ranges."
                )
        except ValueError as error:
            raise ImproperlyConfigured(
                f"IMPORT_ALLOWED_NETWORKS holds {network}, which is no IP network: {error}."
            ) from None
    return networks


IMPORT_ALLOWED_NETWORKS = _networks(_stripped(env.list("IMPORT_ALLOWED_NETWORKS", default=[])))
IMPORT_PORTS = _ports(_stripped(env.list("IMPORT_PORTS", default=[])))
IMPORT_DENIED_HOSTS = _stripped(env.list("IMPORT_DENIED_HOSTS", default=[]))
IMPORT_PROXY = env.str("IMPORT_PROXY", default="")
IMPORT_CA_FILE = env.str("IMPORT_CA_FILE", default="")
IMPORT_CONNECTIONS = env.int("IMPORT_CONNECTIONS", default=4)
IMPORT_CONNECT_SECONDS = env.float("IMPORT_CONNECT_SECONDS", default=10)
IMPORT_READ_SECONDS = env.float("IMPORT_READ_SECONDS", default=30)
IMPORT_SLOW_SECONDS = env.float("IMPORT_SLOW_SECONDS", default=60)
IMPORT_SLOW_BYTES_PER_SECOND = env.int("IMPORT_SLOW_BYTES_PER_SECOND", default=10_000)
IMPORT_CHECKS_PER_MINUTE = env.int("IMPORT_CHECKS_PER_MINUTE", default=30)
IMPORT_CHECK_SECONDS = env.float("IMPORT_CHECK_SECONDS", default=15)
IMPORT_CHECKSUM_SECONDS = env.float("IMPORT_CHECKSUM_SECONDS", default=8)

# --- logging --------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
# Celery says something of every task, and the sweep is one every few seconds.
_CELERY_LEVEL = "DEBUG" if LOG_LEVEL == "DEBUG" else "WARNING"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {name: {"level": _CELERY_LEVEL} for name in ("celery", "kombu")}
    | {"urllib3": {"level": "ERROR"}},  # it logs addresses whole, and what signs them is a credential
}
