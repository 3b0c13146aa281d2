"""Every figure of the analytics pages opens the rows that were counted for it, with the reader's own rights."""

from __future__ import annotations

import json
import re

import pytest
from plotly.io import to_json

from devices.models import Device
from tests.conftest import sign_in
from tests.twin.dashboard.furnishing import furnish
from tests.twin.dashboard.test_pages import FILL, figures, mount

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(rf, cast, device):
    def fill(page: str, role: str = "physician") -> list[object]:
        request = rf.get("/")
        request.user = cast[role]
        held = mount._request.set(request)
        try:
            return list(FILL[page]("?period=30d", None))[1:]
        finally:
            mount._request.reset(held)

    return fill


def addresses(part: object) -> list[str]:
    """Return where the figures of a part of a page lead."""
    if isinstance(part, figures.go.Figure):
        return [url for trace in part.data for url in trace.meta["evidence"]]
    return re.findall(r"/evidence/[^\"\\]+", json.dumps(part, default=lambda one: one.to_plotly_json()))


@pytest.mark.parametrize("page", FILL)
def test_every_figure_opens_what_was_counted(client, cast, filled, page: str) -> None:
    sign_in(client, cast["physician"])
    tiles, *parts = filled(page)
    numbers = [tile for tile in tiles if "data-number" in tile.children[1].to_plotly_json()["props"]]
    assert len(numbers) == len(tiles), "every tile opens what was counted"
    found = {url for part in [tiles, *parts] for url in addresses(part)}
    assert len(found) >= len(numbers)
    for url in sorted(found):
        answer = client.get(url, headers={"HX-Request": "true"})
        assert answer.status_code == 200, url
        if "/evidence/figure/" in url:
            assert b"Counted" in answer.content


@pytest.mark.parametrize("page", FILL)
def test_every_bar_has_its_rows(filled, page: str) -> None:
    proven = [part for part in filled(page) if isinstance(part, figures.go.Figure) and part.data]
    assert proven
    for part in proven:
        for trace in json.loads(to_json(part))["data"]:
            assert len(trace["meta"]["evidence"]) == len(trace["y"])


def test_the_bars_of_risk_open_as_many_estimates_as_they_count(client, cast, filled) -> None:
    sign_in(client, cast["physician"])
    risk = filled("adherence")[4].data[0]
    for count, url in zip(risk.x, risk.meta["evidence"], strict=True):
        shown = client.get(url).content.decode()
        assert f"{count} estimates" in shown
        assert shown.count("/evidence/risk/") == count
    assert sum(risk.x) == 1


def test_gateways_and_quarantine_open_what_they_count(
    client, cast, filled, device, other_ward, foreign_patient
) -> None:
    Device.objects.filter(label="CGM ours").update(state="quarantined")
    furnish(other_ward, foreign_patient, "theirs", 9.0)
    Device.objects.filter(label="CGM theirs").update(state="quarantined")
    sign_in(client, cast["physician"])
    *_, up, held = (tile.children[1].href for tile in filled("security")[0])
    gateways, devices = client.get(up).content.decode(), client.get(held).content.decode()
    assert "gateway ours" in gateways
    assert "CGM ours" in devices
    assert "1 devices in quarantine" in devices
    assert "theirs" not in gateways + devices


@pytest.mark.parametrize("page", FILL)
def test_rows_of_another_ward_are_neither_counted_nor_shown(client, cast, device, other_ward, foreign_patient, page):
    sign_in(client, cast["physician"])
    before = client.get(f"/evidence/figure/{page}/?period=30d&code=attacks").content.decode()
    furnish(other_ward, foreign_patient, "theirs", 9.0)
    for query in ("", f"&patient={foreign_patient.pk}", f"&ward={other_ward.pk}"):
        shown = client.get(f"/evidence/figure/{page}/?period=30d&code=attacks{query}").content.decode()
        assert "theirs" not in shown
        assert "Somerville" not in shown
        assert query or _counted(shown) == _counted(before)


def _counted(html: str) -> list[str]:
    return re.findall(r"[\d,]+ (?:rows|events|doses)", html)


@pytest.mark.parametrize(
    "query",
    [
        "from=nan",
        "from=1e99&to=x",
        "device=x",
        "device=99999999999999999999",
        "patient=1",
        "risk_from=nan",
        "risk_to=x",
        "hop=x",
        "code=" + "a" * 999,
    ],
)
def test_a_part_that_makes_no_sense_is_no_error(client, cast, device, query: str) -> None:
    sign_in(client, cast["physician"])
    for page in FILL:
        assert client.get(f"/evidence/figure/{page}/?{query}").status_code == 200


def test_a_page_that_is_none_is_not_found(client, cast) -> None:
    sign_in(client, cast["physician"])
    assert client.get("/evidence/figure/nonsense/").status_code == 404
