"""Forms of orders and of entries about doses. They read and clean; what may be ordered or given the domain decides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError

from compliance.models import MedicationOrder, Outcome, OutcomeReason
from compliance.orders.formulary import Drug
from compliance.orders.prescription import Prescription
from compliance.services.administrations import CORRECTIONS, NOT_GIVEN, Entry

WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MOMENT = "%Y-%m-%dT%H:%M"


class ClockTimes(forms.CharField):
    """Clock times such as "08:00, 20:00"."""

    def to_python(self, value: Any) -> Any:
        """Return the times in order of writing; raises ValidationError with an example."""
        words = str(super().to_python(value) or "").replace(",", " ").replace(";", " ").split()
        try:
            return tuple(time.fromisoformat(word.zfill(5)) for word in words)
        except ValueError as error:
            raise ValidationError("Write times like 08:00, 20:00.") from error

    def prepare_value(self, value: Any) -> Any:
        """Show a list as it is written."""
        return value if isinstance(value, str) or value is None else ", ".join(value)


class OrderForm(forms.Form):
    """A prescription of one drug; amounts are in the drug's unit."""

    dose = forms.FloatField(label="Dose", min_value=0)
    times = ClockTimes(label="Times of day", max_length=120, help_text="On the patient's clock: 08:00, 20:00")
    weekdays = forms.TypedMultipleChoiceField(
        label="Days",
        choices=list(enumerate(WEEKDAYS)),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    early_minutes = forms.IntegerField(label="Window opens, minutes before", min_value=1, max_value=720)
    late_minutes = forms.IntegerField(label="Window closes, minutes after", min_value=1, max_value=720)
    starts_on = forms.DateField(label="First day", widget=forms.DateInput(attrs={"type": "date"}))
    ends_on = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Empty: until stopped",
    )
    max_single = forms.FloatField(label="Most for one dose", min_value=0)
    max_daily = forms.FloatField(label="Most in any 24 hours", min_value=0)
    in_pillbox = forms.BooleanField(label="Lies in the smart pillbox", required=False)

    def __init__(self, drug: Drug, today: date, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        initial = {
            "weekdays": list(range(7)),
            "early_minutes": 60,
            "late_minutes": 60,
            "starts_on": today,
            "max_single": f"{drug.max_single:g}",
            "max_daily": f"{drug.max_daily:g}",
            **options.pop("initial", {}),
        }
        super().__init__(data, initial=initial, **options)
        self.drug, self.today = drug, today
        if drug.weight_g is None:
            del self.fields["in_pillbox"]
        for name in ("dose", "max_single", "max_daily"):
            self.fields[name].widget.attrs["step"] = "any"

    def clean_starts_on(self) -> date:
        """Refuse a first day in the past: doses are planned, not invented."""
        day: date = self.cleaned_data["starts_on"]
        if day < self.today:
            raise ValidationError("An order cannot begin in the past.")
        return day

    def prescription(self) -> Prescription:
        """Return what was written."""
        entered = self.cleaned_data
        days = frozenset(entered["weekdays"])
        return Prescription(
            drug=self.drug,
            dose=entered["dose"],
            times=entered["times"],
            max_single=entered["max_single"],
            max_daily=entered["max_daily"],
            starts_on=entered["starts_on"],
            ends_on=entered["ends_on"],
            weekdays=None if len(days) == 7 else days,
            early_minutes=entered["early_minutes"],
            late_minutes=entered["late_minutes"],
            in_pillbox=bool(entered.get("in_pillbox")),
        )

    def refuse(self, faults: Mapping[str, str]) -> None:
        """Show what the domain refused beside its field."""
        for field, sentence in faults.items():
            self.add_error(field if field in self.fields else None, sentence)


def initial_of(order: MedicationOrder) -> dict[str, Any]:
    """Return the form's values for the next version of `order`."""
    regimen = order.regimen
    return {
        "dose": f"{order.dose:g}",
        "times": regimen.times,
        "weekdays": list(range(7)) if regimen.weekdays is None else regimen.weekdays,
        "early_minutes": regimen.early_minutes,
        "late_minutes": regimen.late_minutes,
        "ends_on": regimen.ends_on,
        "max_single": f"{order.max_single:g}",
        "max_daily": f"{order.max_daily:g}",
        "in_pillbox": regimen.in_pillbox,
    }


def _reasons(*groups: tuple[OutcomeReason, ...]) -> list[tuple[str, str]]:
    ordered = dict.fromkeys(reason for group in groups for reason in group)
    return [("", "Choose a reason"), *((reason.value, str(reason.label).capitalize()) for reason in ordered)]


class EntryForm(forms.Form):
    """What became of a dose. With `correcting`, what should stand in place of an entry."""

    outcome = forms.ChoiceField(label="What happened", widget=forms.RadioSelect)
    amount = forms.FloatField(label="Amount given", min_value=0, required=False)
    at = forms.DateTimeField(
        label="When",
        input_formats=[MOMENT],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT),
    )
    reason = forms.ChoiceField(label="Reason", required=False)

    def __init__(
        self,
        zone: ZoneInfo,
        now: datetime,
        data: Mapping[str, Any] | None = None,
        *,
        correcting: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        self.zone, self.now = zone, now
        self.fields["at"].initial = now.astimezone(zone).replace(tzinfo=None)
        self.fields["amount"].widget.attrs["step"] = "any"
        outcomes = [Outcome.GIVEN, Outcome.WITHHELD, Outcome.REFUSED]
        if correcting:
            outcomes.append(Outcome.VOID)
        words = {Outcome.VOID: "Nothing of the kind"} if correcting else {}
        self.fields["outcome"].choices = [  # type: ignore[attr-defined]
            (outcome.value, words.get(outcome, str(outcome.label).capitalize())) for outcome in outcomes
        ]
        self.fields["reason"].choices = _reasons(CORRECTIONS) if correcting else _reasons(*NOT_GIVEN.values())  # type: ignore[attr-defined]
        self.correcting = correcting

    def clean_at(self) -> datetime:
        """Return the moment on the patient's clock; what was entered for this minute is now."""
        entered: datetime = self.cleaned_data["at"].replace(tzinfo=self.zone)
        this_minute = self.now.replace(second=0, microsecond=0)
        return self.now if entered == this_minute else entered

    def clean(self) -> dict[str, Any]:
        """Ask for an amount where something was given and for a reason where not."""
        entered = super().clean() or {}
        outcome = entered.get("outcome")
        if outcome == Outcome.GIVEN and not entered.get("amount"):
            self.add_error("amount", "Enter how much was given.")
        if not entered.get("reason") and (self.correcting or outcome in (Outcome.WITHHELD, Outcome.REFUSED)):
            self.add_error("reason", "Choose a reason from the list.")
        return entered

    def entry(self) -> Entry:
        """Return what was entered."""
        entered = self.cleaned_data
        outcome = Outcome(entered["outcome"])
        return Entry(outcome, entered["at"], entered["amount"] or 0.0, entered["reason"])
