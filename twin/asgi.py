"""The ASGI entry point: HTTP to Django, sockets to their consumers."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "twin.settings")

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import re_path

http = get_asgi_application()  # loads the apps; the routing below needs them

from django.conf import settings  # noqa: E402

from devices.routing import gateway_routes  # noqa: E402
from twin.body_limit import BodyLimit  # noqa: E402
from twin.routing import browser_routes  # noqa: E402

# Gateways send no Origin and no cookie: they sign a challenge. Browsers must come from our own pages, signed in.
browsers = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(browser_routes)))
sockets = URLRouter([*gateway_routes, re_path(r"", browsers)])
application = ProtocolTypeRouter({"http": BodyLimit(http, settings.DATA_UPLOAD_MAX_MEMORY_SIZE), "websocket": sockets})
