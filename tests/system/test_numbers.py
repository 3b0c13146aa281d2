"""Every number that a page marks as one leads to its evidence, and the evidence opens for whoever sees the number."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.test import Client

from tests.conftest import sign_in
from tests.system.objects import objects_of

pytestmark = pytest.mark.django_db
EVIDENCE = re.compile(r"/(evidence|log|me/evidence)/")
# Pages on which numbers about people stand, each with the least count that it shows of the furnished patient.
PAGES = {
    "/": 1,
    "/patients/{patient_id}/": 1,
    "/patients/{patient_id}/panels/medication/": 0,
    "/patients/{patient_id}/panels/alerts/": 0,
    "/patients/{patient_id}/adherence/": 5,
    "/patients/{patient_id}/orders/": 1,
    "/devices/": 0,
    "/devices/{device_id}/": 1,
    "/imaging/": 1,
    "/imaging/studies/{study_id}/": 2,
}


# The patient's own pages; nothing but a time of day stands on them as a figure that opens nothing.
OWN_PAGES = {"/me/": 25, "/me/copies/": 0, "/me/requests/": 0, "/me/corrections/": 0}


class Numbers(HTMLParser):
    """Collects what is marked as a number, and large figures that are not."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[dict[str, str | None]] = []
        self.unmarked: list[dict[str, str | None]] = []
        self.figures: list[str] = []  # what is set as a figure and opens nothing; moments are no figures

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if "data-number" in found:
            self.marked.append(found | {"tag": tag})
        elif "value" in (found.get("class") or "").split() and (tag != "a" or found.get("href")):
            self.unmarked.append(found | {"tag": tag})
        if "number" in (found.get("class") or "").split() and tag != "time" and "data-number" not in found:
            self.figures.append(self.get_starttag_text() or tag)


@pytest.mark.parametrize("role", ["nurse", "physician"])
def test_every_number_of_every_page_opens_its_evidence(client: Client, cast, patient, role: str) -> None:
    values = {"patient_id": patient.pk, **objects_of(patient)}
    sign_in(client, cast[role])
    opened: set[str] = set()
    for template, least in PAGES.items():
        url = template.format(**values)
        answer = client.get(url)
        assert answer.status_code == 200, url
        numbers = Numbers()
        numbers.feed(answer.content.decode())
        assert len(numbers.marked) >= least, url
        assert numbers.unmarked == [], url
        for number in numbers.marked:
            assert number["tag"] == "a", (url, number)
            assert "data-evidence" in number, (url, number)
            assert EVIDENCE.match(number["href"] or ""), (url, number)
            opened.add(number["href"] or "")
    assert len(opened) >= 3
    for link in sorted(opened):
        assert client.get(link, headers={"HX-Request": "true"}).status_code == 200, link


def test_every_number_of_a_patients_own_pages_opens_its_evidence(client: Client, cast, patient) -> None:
    objects_of(patient)
    sign_in(client, cast["nurse"]).get(f"/patients/{patient.pk}/")  # somebody looks
    sign_in(client, cast["patient"], fresh=True)
    opened: set[str] = set()
    for url, least in OWN_PAGES.items():
        answer = client.get(url)
        assert answer.status_code == 200, url
        numbers = Numbers()
        numbers.feed(answer.content.decode())
        assert numbers.unmarked == [], url
        assert numbers.figures == [], url
        assert len(numbers.marked) >= least, url
        for number in numbers.marked:
            assert (number["tag"], "data-evidence" in number) == ("a", True), (url, number)
            assert (number["href"] or "").startswith("/me/evidence/"), (url, number)
            opened.add(number["href"] or "")
    assert {link.split("/")[3] for link in opened} >= {"reading", "dose", "alert", "look", "counted"}
    for link in sorted(opened):
        assert client.get(link, headers={"HX-Request": "true"}).status_code == 200, link
