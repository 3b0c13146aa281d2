"""What the kill test of subscriptions needs inside other processes (tests/forks.py): alerts that wait for a subscriber,
a worker that works until nothing waits, and the end of a killed worker's lease."""

from __future__ import annotations

import time
from datetime import timedelta

from tests.forks import serve

ALERTS = 60


def _prepare(url: str) -> None:
    from django.utils import timezone

    from compliance.models import CareRelationship, Patient, Subscription, User, Ward
    from compliance.services.tokens import issue_personal
    from twin.models import Alert

    ward, then = Ward.objects.create(name="Ward"), timezone.now() - timedelta(minutes=5)
    owner = User.objects.create(username="physician", role="physician")
    CareRelationship.objects.create(user=owner, ward=ward, starts_at=then)
    patient = Patient.objects.create(
        medical_record_number="K-1", given_name="A", family_name="B", birth_date="1960-01-01", ward=ward
    )
    token = issue_personal(
        user=owner, label="kill", scopes="user/*.cruds", lasts=timedelta(days=1), now=timezone.now()
    ).token
    Subscription.objects.create(
        owner=owner, token=token, scopes=token.scopes, base="http://testserver/fhir", type="DetectedIssue",
        criteria="DetectedIssue", reason="kill", endpoint=url, payload="full-resource", starts_at=then,
        collected_to=then,
    )  # fmt: skip
    for n in range(ALERTS):
        at = then + timedelta(seconds=n + 1)
        Alert.objects.create(
            patient=patient, rule=f"rule{n}", priority="low", message="x", raised_at=at, opened_at=at, event_time=at,
            last_seen_at=at,
        )  # fmt: skip


def _work() -> None:
    from compliance.fhir.hooks.delivering import work_on
    from compliance.models import Subscription, SubscriptionNotice

    while True:
        work_on(Subscription.objects.get().pk)
        if not SubscriptionNotice.objects.exclude(state="sent").exists():
            return
        time.sleep(0.05)


def _state() -> dict[str, object]:
    from compliance.models import Subscription, SubscriptionNotice
    from twin.models import Alert

    return {
        "alerts": [f"DetectedIssue/{pk}" for pk in Alert.objects.order_by("pk").values_list("pk", flat=True)],
        "states": sorted(set(SubscriptionNotice.objects.values_list("state", flat=True))),
        "state": Subscription.objects.get().state,
    }


def _expire() -> None:
    from compliance.models import Subscription

    Subscription.objects.update(lease=None, lease_until=None, retry_at=None)


if __name__ == "__main__":
    serve({"prepare": _prepare, "work": _work, "expire": _expire, "state": _state})
