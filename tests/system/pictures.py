"""Not a test: `make pictures` takes the pictures of the README and the documents of a living ward."""

from __future__ import annotations

import os

import pytest

from tests.system.conftest import ROOT
from tests.system.visits import SIZES, open_reconstruction

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.timeout(900)]

# What the README and the documents show: the picture's name ends in the size and the scheme that it is taken in.
SHIPPED = {
    "ward-desktop-light": "/",
    "ward-phone-dark": "/",
    "patient-desktop-dark": "{patient}",
    "whatif-desktop-light": "{patient}what-if/",
    "adherence-desktop-light": "{patient}adherence/",
    "energy-desktop-light": "/analytics/energy/",
    "viewer-desktop-dark": "",
}


def test_the_pictures_of_the_documents_are_taken(visit, first_patient: str) -> None:
    for name, path in SHIPPED.items():
        _kind, device, scheme = name.rsplit("-", 2)
        width, height = SIZES[device]
        me = visit("physician", viewport={"width": width, "height": height}, color_scheme=scheme)
        me.page.wait_for_selector("[data-row].open", timeout=180_000)  # a ward in which something happens
        if path:
            me.page.goto(path.format(patient=first_patient))
            me.page.wait_for_timeout(4000)
        else:
            open_reconstruction(me, first_patient)
        me.page.screenshot(path=ROOT / os.environ["MEDTWIN_PICTURES"] / f"{name}.png")
