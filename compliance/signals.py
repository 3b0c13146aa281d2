"""Facts that the ground floor announces. Sent inside the transaction that made them true, so that what a receiver
writes (an alert) stands or falls with it; a receiver publishes in `transaction.on_commit`.
"""

from django.dispatch import Signal

# `patient: Patient, dose: ScheduledDose`: a dose's window closed and no intake was seen. Sent once per dose, late or
# not: `dose.closes_at` tells when the window closed. A later `intake_recorded` may name the same dose.
dose_missed = Signal()

# `patient: Patient, intake: Intake, doses: list[ScheduledDose]`: an intake was recorded, by a pillbox or by hand.
# `doses` are those it accounts for (their state is now taken or late); empty for an opening without an intake and for
# an extra dose.
intake_recorded = Signal()

# `patient: Patient, intake: Intake, doses: list[ScheduledDose]`: a person took back what was entered by hand.
intake_withdrawn = Signal()

# `patient: Patient, estimate: RiskEstimate`: the risk of missing the next dose was computed anew.
risk_recomputed = Signal()

# `patient: Patient, order: MedicationOrder`: an order was written, changed (this is the new version) or stopped.
orders_changed = Signal()

# `user_ids: list[int]`: what these people may see has shrunk: a sign-in was ended, a role or a relationship. Open pages
# of theirs ask the policy again at once instead of within seconds.
access_narrowed = Signal()

# `row: Patient, field: str`: a sealed field did not open where it lies.
sealed_field_refused = Signal()

# `notice: Notice`: something happened that the people who run the house must see wherever they are.
notice_raised = Signal()

# `patient: Patient, purpose: Purpose, given: bool`: a patient allowed or refused a use of the record.
consent_changed = Signal()
