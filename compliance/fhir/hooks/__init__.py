"""Subscriptions with the rest-hook channel: from a change to a request at the receiver's address.

Source: FHIR R4, section 2.46; the payload's content from the Subscriptions R5 Backport guide.
"""
