"""Why a person is erased, and why the law keeps nothing back: codes, so that no free text outlives the person."""

from __future__ import annotations

GROUNDS = {  # GDPR Art. 17(1)
    "not_needed": "No longer needed for what it was collected for (Art. 17(1)(a))",
    "withdrawn": "Consent was withdrawn and nothing else allows it (Art. 17(1)(b))",
    "objected": "The person objected and nothing overrides it (Art. 17(1)(c))",
    "unlawful": "It should not have been recorded (Art. 17(1)(d))",
    "obliged": "A law demands the erasure (Art. 17(1)(e))",
    "child": "Collected from a child online (Art. 17(1)(f))",
}
UNBOUND = {  # why no rule of the retention schedule holds anything back
    "": "The law applies: keep what the schedule names until its time is over",
    "no_treatment": "Nobody was treated, such as a test or a registration by mistake",
    "elsewhere": "The records were handed over to whoever has to keep them now",
    "ordered": "A court or the supervisory authority ordered it",
}
