"""Try a draft of a rule on the past, as a job: read in batches by workers, followed on a page, and stopped there."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from compliance.errors import RuleRefused
from compliance.models import RuleTrial, TrialState, User
from compliance.rulebook.engine import Engine, Finding
from compliance.selectors.log import newest_checkpoint, records_since
from compliance.selectors.rules import fact_of
from compliance.services.rules import read_draft

BATCH = 1000
MOST_A_TURN = 20_000  # records for each trial and turn: a turn of the worker stays short, the next one goes on
KEPT_FINDINGS = 50
KEPT_TRIALS = 10
MOST_DAYS = 366
UNDER_WAY = (TrialState.WAITING, TrialState.RUNNING)


@transaction.atomic
def start_trial(*, text: str, days: int, user: User) -> RuleTrial:
    """Store the wish to try a draft on the records of the last `days`. Raises RuleRefused with what is wrong.

    Somebody who tries another one gives the one before up; the oldest of theirs are forgotten.
    """
    read_draft(text)
    if not 1 <= days <= MOST_DAYS:
        raise RuleRefused(f"Choose between 1 and {MOST_DAYS} days.")
    User.objects.select_for_update().get(pk=user.pk)  # two at once: one trial of a person is under way
    now, head = timezone.now(), newest_checkpoint()
    mine = RuleTrial.objects.filter(user=user)
    mine.filter(state__in=UNDER_WAY).update(state=TrialState.CANCELLED, ended_at=now)
    mine.filter(pk__in=mine.order_by("-pk").values_list("pk", flat=True)[KEPT_TRIALS - 1 :]).delete()
    return RuleTrial.objects.create(
        text=text, days=days, since=now - timedelta(days=days), user=user, size=head.size if head else 0
    )


def cancel_trial(trial: RuleTrial) -> None:
    """Stop reading; what was found stays. A trial that has ended stays as it is."""
    RuleTrial.objects.filter(pk=trial.pk, state__in=UNDER_WAY).update(
        state=TrialState.CANCELLED, ended_at=timezone.now()
    )


def go_on_with_trials() -> int:
    """Read on with every trial under way; return how many were read to their end. Safe to run twice, and at once."""
    ended = 0
    for pk in RuleTrial.objects.filter(state__in=UNDER_WAY).order_by("pk").values_list("pk", flat=True):
        for _ in range(MOST_A_TURN // BATCH):
            if not _read_on(pk):
                break
        ended += RuleTrial.objects.filter(pk=pk, state=TrialState.DONE).exists()
    return ended


@transaction.atomic
def _read_on(pk: int) -> bool:
    """Read one batch; tell whether there is more. False too while another worker reads, or when it was cancelled."""
    trial = RuleTrial.objects.select_for_update(skip_locked=True).filter(pk=pk, state__in=UNDER_WAY).first()
    if trial is None:
        return False
    engine = Engine(read_draft(trial.text))
    if trial.engine is not None:
        engine.load(trial.engine)
    entries = records_since(trial.next_index, min(BATCH, trial.size - trial.next_index))
    facts = [fact_of(entry) for entry in entries]
    since_s = trial.since.timestamp()
    found = [finding for finding in engine.feed(facts) if finding.at_s >= since_s]
    trial.judged += sum(fact.at_s >= since_s and engine.rule.on.takes(fact) for fact in facts)
    trial.broken += len({(finding.index, finding.demand) for finding in found})
    trial.findings += [_written(finding) for finding in found[: KEPT_FINDINGS - len(trial.findings)]]
    trial.next_index += len(entries)
    more = bool(entries) and trial.next_index < trial.size
    trial.engine = engine.dump() if more else None
    trial.state = TrialState.RUNNING if more else TrialState.DONE
    trial.ended_at = None if more else timezone.now()
    trial.save()
    return more


def _written(finding: Finding) -> dict[str, object]:
    return {"sentence": finding.sentence, "index": finding.index, "indexes": list(finding.indexes)}
