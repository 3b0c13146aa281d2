"""Security and data-quality events, counted in the database, and which gateways are up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min, Q, QuerySet, Sum
from django.utils import timezone

from compliance.models import Event, EventCategory, User
from compliance.selectors import scope_for, within_scope
from devices.models import Device, DeviceState, Gateway, GatewayState
from devices.selectors import is_up
from twin.selectors.analytics import BUCKETS, Bucket, Filters, bucket_start

NEWEST = 30  # rows of the table
ATTACKS = ("frame_forged", "frame_replayed")
SIGN_IN = ("sign_in_failed", "sign_in_locked")


@dataclass(frozen=True, slots=True)
class SecuritySummary:
    """Everything the security page shows. series: (bucket start, category) -> events; codes: code -> events."""

    series: dict[tuple[datetime, str], int]
    codes: dict[tuple[str, str], int]
    newest: list[Event]
    gateways: list[Gateway]
    devices_held: int  # quarantined devices in sight
    device_names: dict[int, str]
    bucket: timedelta  # of the series

    def total(self, *codes: str) -> int:
        """Return how many events had one of these codes."""
        return sum(count for (_, code), count in self.codes.items() if code in codes)

    @property
    def frames_refused(self) -> int:
        """Every refused frame and reading, whatever was wrong with it."""
        return sum(count for (_, code), count in self.codes.items() if code.startswith(("frame_", "reading_")))

    @property
    def gateways_down(self) -> list[Gateway]:
        """Gateways that were heard and are no longer; one that never connected carries nobody's signals."""
        return [g for g in self.gateways if g.last_seen_at is not None and not is_up(g, timezone.now())]


def events_for(user: User, filters: Filters) -> QuerySet[Event]:
    """Return the security, data-quality and operation events that `user` may see.

    What belongs to no patient and no ward, such as a failed sign-in, is for those who look after devices and accounts.
    """
    scope = scope_for(user, "twin.view_analytics")
    since = filters.since()
    found = Event.objects.filter(at__gte=since).exclude(category=EventCategory.CLINICAL)
    visible = within_scope(found, scope, "patient", "ward_id")
    if filters.ward_id is None and not filters.kind and user.has_perm("devices.configure_device"):
        visible = visible | found.filter(patient__isnull=True, ward_id__isnull=True)
    if filters.ward_id is not None:
        visible = visible.filter(Q(ward_id=filters.ward_id) | Q(patient__ward_id=filters.ward_id))
    if filters.kind:
        visible = visible.filter(device_id__in=Device.objects.filter(kind=filters.kind).values("pk"))
    return visible


def gateways_for(user: User, filters: Filters) -> QuerySet[Gateway]:
    """Return the gateways that ought to be up on the wards that `user` may see."""
    scope = scope_for(user, "twin.view_analytics")
    found = Gateway.objects.filter(ward_id__in=scope.ward_ids, state=GatewayState.ACTIVE).select_related("ward")
    return found.filter(ward_id=filters.ward_id) if filters.ward_id is not None else found


def held_for(user: User) -> QuerySet[Device]:
    """Return the devices in quarantine that `user` may see."""
    held = Device.objects.filter(state=DeviceState.QUARANTINED)
    return within_scope(held, scope_for(user, "twin.view_analytics"), "patient", "gateway__ward_id")


def security_summary(user: User, filters: Filters) -> SecuritySummary:
    """Return the events of the period by time, category and code, the newest ones, and the gateways."""
    events = events_for(user, filters).order_by()
    digits = filters.digits(events.aggregate(first=Min("at"))["first"])
    series = events.annotate(bucket=Bucket("at", digits)).values("bucket", "category").annotate(events=Sum("count"))
    codes = events.values("category", "code").annotate(events=Sum("count"))
    newest = list(events.select_related("patient", "user").order_by("-at")[:NEWEST])
    named = Device.objects.in_bulk({event.device_id for event in newest if event.device_id})
    return SecuritySummary(
        bucket=BUCKETS[digits],
        series={(bucket_start(row["bucket"]), row["category"]): row["events"] for row in series},
        codes={(row["category"], row["code"]): row["events"] for row in codes},
        newest=newest,
        gateways=list(gateways_for(user, filters)),
        devices_held=held_for(user).count(),
        device_names={key: device.label for key, device in named.items()},
    )
