"""The Celery application: `celery -A twin.celery worker`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "twin.settings")
app = Celery("medtwin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def one_thread_each(**_: Any) -> None:
    """Keep torch to one thread in each worker: a forked child that inherits a thread pool hangs."""
    import torch

    torch.set_num_threads(1)


def no_wrong_keys(**_: Any) -> None:
    """Start no worker whose keys are not the database's."""
    from compliance.services.house_keys import stop_on_wrong_keys

    stop_on_wrong_keys()


worker_process_init.connect(one_thread_each)
worker_init.connect(no_wrong_keys)
