"""Every route that shows somebody's data notes who looked, found from the URL configuration itself."""

from __future__ import annotations

import time

import pytest
from django.db import transaction

from compliance.models import AccessRecord
from tests.conftest import sign_in
from tests.system.objects import objects_of
from tests.system.routes import BELOW_DASH, Route, private_routes

pytestmark = pytest.mark.django_db
ROLES = ("physician", "administrator", "nurse", "caregiver", "patient")

# Routes that show nobody's data, each with why that is so. One that begins to note an access has to leave this list.
SHOWS_NOBODY = {
    "patients/admit/": "a form; who is admitted is an event of their own timeline",
    "privacy/accounting/file/": "an account in which nobody looked names nobody; see test_accounting",
    "subscriptions/": "programs and how their deliveries stand",
    "subscriptions/<uuid:subscription_id>/": "a program and how its deliveries stand",
    "subscriptions/<uuid:subscription_id>/off/": "ends a subscription and leads back",
    "subscriptions/notices/<int:parked_id>/again/": "queues a notice and leads back",
    "analytics/adherence/": "the frame alone; its callback notes",
    "analytics/energy/": "the frame alone; its callback notes",
    "analytics/security/": "the frame alone; its callback notes",
    "analytics/adherence/<path:rest>": "what is fetched here is the layout; the callback is tested by itself",
    "analytics/energy/<path:rest>": "what is fetched here is the layout; the callback is tested by itself",
    "analytics/security/<path:rest>": "what is fetched here is the layout; the callback is tested by itself",
    "analytics/assets/<str:package>/<path:name>": "scripts of the charts",
    "devices/gateways/<int:gateway_id>/": "labels of devices; whose signals they carry is not there",
    "devices/gateways/new/": "a form",
    "devices/new/": "a form; whoever is to wear the device is chosen on a page that is noted",
    "devices/import/": "a form; a sheet of devices names no patient",
    "devices/certificates/<int:certificate_id>/revoke/": "of a gateway; a device's is noted",
    "devices/gateways/<int:gateway_id>/approve/": "a question about a gateway; no patient is on it",
    "devices/gateways/<int:gateway_id>/pairing/": "a question about a gateway; no patient is on it",
    "devices/pairings/<int:pairing_id>/": "how a gateway's pairing stands; a device's is noted",
    "devices/gateways/<int:gateway_id>/state/<slug:state>/": "a question about a gateway; no patient is on it",
    "emergency/": "a form; opening a record is an event of its own, and its pages are noted as they are opened",
    "exports/": "the exports that one asked for, by type and ward; who is in them is noted when they are made",
    "exports/research/": "starts a job, which notes whom it took along",
    "exports/start/": "starts a job, which notes whom it took along",
    "fhir/$export": "starts a job, which notes whom it took along",
    "fhir/Group/<str:group_id>/$export": "starts a job, which notes whom it took along",
    "fhir/Patient/$export": "starts a job, which notes whom it took along",
    "hl7/": "receivers and counts",
    "hl7/<int:destination_id>/<slug:act>/": "pauses a receiver and leads back",
    "hl7/<int:destination_id>/edit/": "an address and measurements",
    "hl7/messages/<int:message_id>/resend/": "queues a message and leads back; its page is noted",
    "hl7/new/": "a form",
    "me/erasure/": "asks for the password first; what comes then is noted, and tested where it is at home",
    "me/uses/<slug:purpose>/": "the patient's own decision, which is an event of its own",
    "notices/": "notices name no patient",
    "notices/<int:notice_id>/take/": "notices name no patient",
    "people/": "members of staff",
    "people/add/": "a form",
    "people/<int:person>/account/": "changes an account and leads back",
    "people/<int:person>/links/": "changes a link and leads back; the page with the names is noted",
    "people/<int:person>/role/": "changes a role and leads back",
    "people/<int:person>/shifts/": "changes a shift and leads back",
    "people/links/<int:relationship>/end/": "ends a link and leads back",
    "people/shifts/<int:shift>/remove/": "changes a shift and leads back",
    "policy/": "an empty question; whose thing is asked about is noted, see test_named",
    "policy/find/": "nothing was searched for; whoever is found is noted, see test_named",
    "policy/compare/": "one version beside itself; whose records turn is noted, see test_compare_pages",
    "policy/compare/file/": "one version beside itself; whose records turn is noted, see test_compare_pages",
    "policy/draft/": "rules, and people of the house who gain or lose a right",
    "policy/versions/<int:number>/": "rules",
    "privacy/find/": "leads to a page that is noted, or says that there is none",
    "privacy/retention/": "rules and counts",
    "reports/": "reports hold no names of patients",
    "reports/<int:report_id>/": "reports hold no names of patients",
    "reports/<int:report_id>/<slug:form>/": "reports hold no names of patients",
    "rules/<slug:rule>/<int:version>/": "the text of a rule",
    "rules/draft/": "a form; what a draft finds is told by place in the log",
    "tokens/": "one's own tokens",
    "tokens/clients/": "programs and their scopes",
    "tokens/clients/<uuid:client_id>/revoke/": "revokes and leads back",
    "ward/strip/": "counts of alarms and gateways",
    "log/events/<int:event_id>/": "leads to the entry, which is noted",
}


# Routes that answered nobody here, each with why; what they do is tested where they are at home.
REACHED_BY_NOBODY = {
    "copies/<uuid:export_id>/remove/": "the one who asked alone; removes and leads back",
    "copies/<uuid:export_id>/take/": "the one who asked alone; noted as it is taken, see test_copies",
    "alerts/<int:alert_id>/resolve/": "wants a reason; the card that it answers is the one that its neighbours note",
    "devices/import/list/": "wants what was brought in; whoever wears it is noted, see test_import_pages",
    "emergency/<uuid:access_id>/end/": "one's own access alone; leads to the ward board",
    "exports/<uuid:export_id>/remove/": "the owner alone; removes and leads back",
    "me/evidence/event/<int:event_id>/proof/": "nothing has a place in this log yet",
    "me/evidence/look/<int:look_id>/": "every look is taken away before it is asked for",
    "fhir/": "takes a Bundle, whose reads are noted one by one",
    "fhir/$export-status/<uuid:export_id>": "the owner alone; progress and addresses",
    "fhir/$export-status/<uuid:export_id>/<uuid:file_id>.ndjson": "the owner alone; noted when the file was made",
    "fhir/<path:rest>": "there is nothing",
    "fhir/introspect": "a program asks about its own token",
    "fhir/<str:type_name>/_search": "a search by POST, noted as one by GET is",
    "log/entries/<int:entry_id>/proof/": "nothing has a place in this log yet",
    "log/proofs/": "nothing has a place in this log yet",
    "rules/draft/<int:trial_id>/": "one's own trial alone; what it finds is told by place in the log",
    "rules/draft/<int:trial_id>/end/": "one's own trial alone; stops it and leads back",
    "tokens/<int:token_id>/revoke/": "the owner alone; revokes and leads back",
}

# What a route has to be asked besides its address before it shows anything.
ASKED = {
    "ward/sparks/": "?patient={patient_id}",
    "ward/whole/": "?patient={patient_id}",
    "evidence/near/<uuid:patient_id>/": "?metric=glucose&t={now}",
    "patients/<uuid:patient_id>/history/": "?keys=glucose&from={hour_ago}&to={now}",
    "patients/<uuid:patient_id>/timeline/picture/": "?from={hour_ago}&to={now}",
    "devices/<int:device_id>/timeline/picture/": "?from={hour_ago}&to={now}",
}


def _asked(client, route: Route, values: dict[str, object]) -> tuple[bool, bool, bool]:
    """Return whether the route let this role in, noted an access, and named the patient; undo whatever it did."""
    url = route.filled(values) + ASKED.get(route.template, "").format(**values)
    with transaction.atomic():
        AccessRecord.objects.all().delete()
        response = client.get(url)
        if response.status_code == 405:
            response = client.post(url)
        noted = AccessRecord.objects.exists()
        transaction.set_rollback(True)
    body = b"" if response.streaming else response.content
    return response.status_code < 400, noted, b"Byron" in body


def test_every_route_that_shows_a_patient_notes_who_looked(client, cast, patient) -> None:
    values = {
        "patient_id": patient.pk,
        "now": time.time(),
        "hour_ago": time.time() - 3600,
        **BELOW_DASH,
        **objects_of(patient),
    }
    silent, noting = set(), set()
    for role in ROLES:
        sign_in(client, cast[role], fresh=True)
        for route in private_routes():
            let_in, noted, named = _asked(client, route, values)
            assert noted or not named, (role, route.template, "names a patient and notes nobody")
            (noting if noted else silent).update({route.template} if let_in or noted else ())
    silent -= noting
    assert silent - SHOWS_NOBODY.keys() == set(), "these show something and note nothing"
    assert SHOWS_NOBODY.keys() & noting == set(), "these note an access: take them off the list"
    unreached = {route.template for route in private_routes()} - silent - noting - SHOWS_NOBODY.keys()
    assert unreached == REACHED_BY_NOBODY.keys()
    assert len(noting) > 40, "most routes are about somebody"
