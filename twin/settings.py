"""Settings. The environment alone chooses the run mode.

Embedded (no DATABASE_URL): SQLite in WAL mode, telemetry in a file of its own, an embedded Valkey on a Unix socket.
Production: DATABASE_URL, REDIS_URL and secrets from files. Same code, other values.
"""

from __future__ import annotations

import hashlib
import tempfile
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from celery.schedules import crontab
from csp.constants import NONCE, SELF

from twin import env

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = Path(env.text("MEDTWIN_HOME", str(BASE_DIR / "var"))).resolve()
DATABASE_URL = env.address("DATABASE_URL")
EMBEDDED = not DATABASE_URL
DATA_DIR = Path(env.text("MEDTWIN_DATA", str(BASE_DIR.parent / "shared"))).resolve()

DEBUG = env.flag("MEDTWIN_DEBUG", False)
_SECRETS = HOME / "secrets" if EMBEDDED else None
SECRET_KEY = env.secret("SECRET_KEY", _SECRETS)
FIELD_KEY = env.secret("FIELD_KEY", _SECRETS)  # encrypts device keys and other small secrets in the database
FIELD_KEY_OLD = env.address("FIELD_KEY_OLD")  # opens too, while one key is exchanged for another
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if EMBEDDED else "")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
DEMO = env.flag("MEDTWIN_DEMO", EMBEDDED)  # demo sign-ins exist and every page says so

# --- Databases -------------------------------------------------------------------------------------------------------


def _postgres(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise env.SettingWrong("DATABASE_URL must look like postgresql://user:password@host:5432/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        # Under ASGI a connection belongs to a request's own thread: kept ones pile up until the server has no more.
        "CONN_MAX_AGE": 0,
    }


_SQLITE: dict[str, object] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": HOME / "medtwin.sqlite3",
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",  # a deferred transaction that turns into a write fails at once when locked
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
    },
    "TEST": {"NAME": HOME / "test.sqlite3"},
}
DATABASES = {"default": _SQLITE if EMBEDDED else _postgres(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Telemetry never shares a SQLite file with the rest: another writer's p99 fell from 86 to 2.4 ms when it moved out.
TELEMETRY_URL = env.address("TELEMETRY_URL", DATABASE_URL or f"sqlite:///{HOME / 'telemetry.sqlite3'}")
SEAL_S = env.integer("MEDTWIN_SEAL_S", 5, 1, 3600)  # how often a root over new frames goes into the log
MEASUREMENT_CIPHERS = env.flag("MEDTWIN_MEASUREMENT_CIPHERS", False)  # ciphers that no standard recommends
FRAMES_KEPT_DAYS = env.integer("MEDTWIN_FRAMES_KEPT_DAYS", 30, 1, 36_500)  # sealed frames; their hashes stay
CERTIFICATE_DAYS = env.integer("MEDTWIN_CERTIFICATE_DAYS", 365, 1, 3650)  # of gateways, devices and the link's own
EPOCH_S = env.integer("MEDTWIN_EPOCH_S", 86_400, 10, 604_800)  # how long a paired gateway seals under one epoch's keys
EPOCH_FRAMES = env.integer("MEDTWIN_EPOCH_FRAMES", 1 << 24, 1, 1 << 40)  # and for how many frames of a device at most
# Who has not said yet what it wants; in a crowd the one that has waited longest makes room (devices/waiting_room.py).
WAITING_CONNECTIONS = env.integer("MEDTWIN_WAITING_CONNECTIONS", 2048, 16, 65_536)
UNPROVEN_GATEWAYS = env.integer("MEDTWIN_UNPROVEN_GATEWAYS", 1024, 16, 65_536)
ENERGY_FLUSH_S = env.integer("MEDTWIN_ENERGY_FLUSH_S", 7, 0, 3600)  # energy is written this often; 0: only when asked

# --- Broker, live hub, MQTT ------------------------------------------------------------------------------------------


def _valkey_socket() -> Path:
    """Return the embedded broker's Unix socket; a path over the kernel's 107 bytes moves to the temporary folder."""
    path = HOME / "run" / "valkey.sock"
    if len(str(path)) <= 100:
        return path
    digest = hashlib.sha256(str(HOME).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"medtwin-{digest}" / "valkey.sock"


VALKEY_SOCKET = _valkey_socket()
REDIS_URL = env.address("REDIS_URL")
if not REDIS_URL and not EMBEDDED:
    raise env.SettingWrong("REDIS_URL is not set: production needs one, such as redis://127.0.0.1:6379/0.")
HUB_URL = REDIS_URL or f"unix://{VALKEY_SOCKET}?db=2"  # live fan-out: publish and subscribe
MQTT_URL = env.address("MQTT_URL")
# Pairs NAME.crt and NAME.key with which we prove ourselves to receivers of HL7 messages.
HL7_CERTIFICATES_DIR = Path(env.text("HL7_CERTIFICATES_DIR", str(HOME / "keys" / "hl7")))

CELERY_BROKER_URL = REDIS_URL or f"redis+socket://{VALKEY_SOCKET}?virtual_host=0"
CELERY_TASK_IGNORE_RESULT = True  # results that matter are rows, not broker keys
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,  # longer than the longest job, or it would run twice
    "unacked_restore_interval": 1,  # with the defaults a killed worker's task was not redelivered within a minute
    "unacked_restore_throttle": 1,
}
CELERY_TASK_DEFAULT_QUEUE = "medtwin"
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # its own format would write line breaks of strangers as they are
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # in memory: all is due within minutes, so no file need outlive beat
CELERY_BEAT_SCHEDULE = {
    "freshness": {"task": "twin.tasks.watch_freshness", "schedule": 5.0, "options": {"expires": 10}},
    "deliver-alerts": {"task": "twin.tasks.deliver_alerts", "schedule": 5.0, "options": {"expires": 10}},
    "pulse": {"task": "twin.tasks.note_pulse", "schedule": 10.0, "options": {"expires": 30}},
    "predictions": {"task": "twin.tasks.refresh_predictions", "schedule": 30.0, "options": {"expires": 60}},
    "dose-windows": {"task": "compliance.tasks.close_dose_windows", "schedule": 15.0, "options": {"expires": 30}},
    "rules": {"task": "compliance.tasks.read_log_by_rules", "schedule": 10.0, "options": {"expires": 20}},
    "log-care": {"task": "compliance.tasks.look_after_log", "schedule": 30.0, "options": {"expires": 60}},
    "rule-trials": {"task": "compliance.tasks.go_on_with_trials", "schedule": 2.0, "options": {"expires": 10}},
    "reports": {"task": "compliance.tasks.make_reports", "schedule": 5.0, "options": {"expires": 10}},
    "risks": {"task": "compliance.tasks.refresh_risks", "schedule": 60.0, "options": {"expires": 120}},
    "erasures": {"task": "compliance.tasks.resume_erasures", "schedule": 60.0, "options": {"expires": 120}},
    "retention": {"task": "compliance.tasks.remove_over_age", "schedule": crontab(hour=3, minute=17)},
    "exports": {"task": "compliance.tasks.resume_exports", "schedule": 15.0, "options": {"expires": 30}},
    "subscriptions": {"task": "compliance.tasks.tell_subscribers", "schedule": 5.0, "options": {"expires": 10}},
    "imaging-jobs": {"task": "imaging.tasks.resume_jobs", "schedule": 15.0, "options": {"expires": 30}},
}

# --- Applications ----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "twin.apps.TwinConfig",
    "imaging.apps.ImagingConfig",
    "devices.apps.DevicesConfig",
    "compliance.apps.ComplianceConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "csp",
    "django_htmx",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "compliance.browser_headers.BrowserHeaders",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",  # inside those above, so that files carry the same headers
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "twin.house_time.HouseTime",
    "compliance.middleware.PolicyCircumstances",
    "compliance.middleware.Presence",
    "compliance.rate_limits.RateLimits",
    "compliance.middleware.SignInRequired",
    "compliance.middleware.DomainErrors",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "twin.urls"
ASGI_APPLICATION = "twin.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["django.templatetags.tz"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "twin.views.context.house",
            ],
        },
    }
]

# --- People ----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "compliance.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "compliance.backends.PolicyBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "compliance.adapters.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
# django-axes counts failures, in the database; compliance.rate_limits counts attempts, and keeps an event of a refusal.
ACCOUNT_RATE_LIMITS = {"login": False, "login_failed": False}
MFA_ADAPTER = "compliance.adapters.SealedFactors"
MFA_SUPPORTED_TYPES = ["totp", "webauthn"]  # recovery codes are our own: allauth keeps a seed that gives them back
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # a passkey is two factors in one only if the person unlocked it
MFA_FORMS = {
    "authenticate": "compliance.forms.SignInCodeForm",
    "authenticate_webauthn": "compliance.forms.SignInPasskeyForm",
}
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=10)
AXES_LOCKOUT_PARAMETERS = "compliance.services.guessing.lockout_parameters"
AXES_LOCKOUT_TEMPLATE = "account/locked.html"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "login", "code", "credential"]  # kept as asterisks
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
IDLE_FOR = timedelta(minutes=env.integer("MEDTWIN_IDLE_MINUTES", 15, 1, 240))  # then a person counts as away
SIGNED_IN_FOR = timedelta(hours=env.integer("MEDTWIN_SESSION_HOURS", 12, 1, 24))  # one shift, whatever happens in it
SESSION_COOKIE_AGE = int(SIGNED_IN_FOR.total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

# --- Transport security ----------------------------------------------------------------------------------------------
BEHIND_TLS = env.flag("MEDTWIN_TLS", not EMBEDDED)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
# The prefix makes browsers refuse the cookie from a neighbour's host or from http; without TLS it cannot be set.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (
    ("__Host-sessionid", "__Host-csrftoken") if BEHIND_TLS else ("sessionid", "csrftoken")
)
CSRF_FAILURE_VIEW = "compliance.views.form_refused.form_refused"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # the default writes them into a cookie
SECURE_REDIRECT_EXEMPT = [r"^healthz(/ready)?$"]  # a load balancer asks by plain http, behind the proxy
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
X_FRAME_OPTIONS = "DENY"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024  # of any request; a piece of a study has a little over 1 MiB
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 0  # no form takes a file: studies come sealed, through the gateways' door

# --- Bulk exports: sealed files, one folder for all web processes and workers -----------------------------------------
EXPORTS_DIR = Path(env.text("EXPORTS_DIR", str(HOME / "exports")))

# --- Retention: how long what is kept ---------------------------------------------------------------------------------
RETENTION_FILE = env.text("RETENTION_FILE")  # a changed copy of compliance/privacy/retention.toml

# --- FHIR subscriptions: hosts of this house that may be told although their addresses are private ------------------
FHIR_HOOK_HOSTS = [host.lower() for host in env.words("FHIR_HOOK_HOSTS")]

# --- Imaging keys: workers alone hold the opening key ----------------------------------------------------------------
IMAGING_DIR = Path(env.text("IMAGING_DIR", str(HOME / "imaging")))
IMAGING_OPENING_KEY_FILE = env.text("IMAGING_OPENING_KEY_FILE")  # set for Celery workers only
IMAGING_HOSPITAL_PUBLIC_KEY_FILE = Path(
    env.text("IMAGING_HOSPITAL_PUBLIC_KEY_FILE", str(HOME / "keys" / "hospital.pub"))
)
ARCHIVE_KEY = env.secret("ARCHIVE_KEY", _SECRETS)  # wraps the per-study keys of the archive
ARCHIVE_KEY_OLD = env.address("ARCHIVE_KEY_OLD")

# --- The transparency log --------------------------------------------------------------------------------------------
# The log's name in every checkpoint: it must never change, or witnesses take it for another log.
LOG_ORIGIN = env.text("LOG_ORIGIN", "medtwin.example/demo" if EMBEDDED else f"{(ALLOWED_HOSTS or ['medtwin'])[0]}/log")
LOG_KEY = env.secret("LOG_KEY", _SECRETS)  # signs checkpoints
LOG_WITNESSES = env.words("LOG_WITNESSES")  # url=name+id+key, at least two for a head to count as witnessed
LOG_WITNESS_WITHIN_MIN = env.integer("LOG_WITNESS_WITHIN_MIN", 10, 1, 1440)  # then people are told
LOG_WITNESS_FOLDER = HOME / "witnesses"  # where those that the demo starts leave their addresses

# --- Words, time, static files ---------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
HOUSE_TIME_ZONE = env.zone("HOUSE_TIME_ZONE")  # what pages and forms mean by a time
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = None if EMBEDDED else HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = EMBEDDED  # nothing to collect on a laptop
WHITENOISE_MAX_AGE = 60 if EMBEDDED else 3600

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "twin.log_lines.OneLine", "format": "%(asctime)s %(levelname)s %(name)s %(message)s"}
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("MEDTWIN_LOG", "INFO")},
    "loggers": {
        "daphne.http_protocol": {"level": "WARNING"},
        "django.channels.server": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "fido2": {"level": "WARNING"},
    },
}
