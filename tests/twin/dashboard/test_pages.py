"""What the callbacks answer: figures with values, words where there is nothing, and a sentence when reading fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from compliance.models import Event
from devices.energy.measured import NONE, REPLAY, Cell, Measured, Spread, in_words, measured
from twin.dashboard import adherence, energy, figures, mount, security, words
from twin.dashboard.lab import lab_card
from twin.selectors.analytics import PERIODS, Filters

pytestmark = pytest.mark.django_db
ONE = Spread(1.0, 1.0, 1.0)
FILL = {"energy": energy.fill, "security": security.fill, "adherence": adherence.fill}


@pytest.fixture
def on_behalf_of(rf):
    """Run callbacks as a person, as the view does."""
    held = []

    def act(user):
        request = rf.get("/")
        request.user = user
        held.append(mount._request.set(request))

    yield act
    for token in reversed(held):
        mount._request.reset(token)


@pytest.mark.parametrize("page", FILL)
def test_a_page_without_data_says_so(cast, on_behalf_of, page):
    on_behalf_of(cast["nurse"])
    problem, *parts = FILL[page]("", None)
    assert problem is None
    empty = [part for part in parts if isinstance(part, figures.go.Figure)]
    assert empty
    assert all(figure.layout.annotations[0].text.startswith("No") and not figure.data for figure in empty)


def test_the_energy_page_shows_the_sums(cast, on_behalf_of, device):
    on_behalf_of(cast["nurse"])
    _, tiles, over_time, _seal, per_message, per_patient, by_line, ways, _ = energy.fill("?period=30d", None)
    assert tiles[0].children[1].children[0] == "4"
    assert sum(sum(bar.y) for bar in over_time.data) == pytest.approx(4.0)
    assert list(per_message.data[0].x) == pytest.approx([200.0, 200.0])
    assert list(per_patient.data[0].customdata) == ["Ada Byron"]
    joules = dict(zip(by_line.data[0].customdata, by_line.data[0].x, strict=True))
    assert len(joules) == 12
    for line in ("WebSocket", "MQTT 5", "CoAP"):
        assert joules[f"{line}, unprotected"] < joules[f"{line}, Ascon-AEAD128"]
    assert "Measured: what each line writes" in str(ways)
    assert str(ways).count("hop=uplink") == 12  # each day's joules open the frames that were counted for them


def test_the_energy_page_says_what_security_costs_in_time_and_what_it_keeps():
    said = str(energy.page.layout)
    run = measured()
    for sentence in in_words(run):
        assert sentence in said
    assert "Measured in the lab, synthetic traffic" in said
    assert "the greeting of paired gateways, which agrees on new keys, is not in it" in said
    assert run.command in said
    assert run.machine in said
    assert said.count("'never'") >= len(run.attacks), "whoever believes everybody never names an attack"
    for act in ("Pairing", "Greeting"):
        assert act in said


def test_a_difference_that_may_be_noise_is_called_so_beside_the_figure():
    calm, other = Spread(10.0, 8.0, 12.0), Spread(11.0, 9.0, 13.0)
    cells = [
        Cell(attack, secured, latency, None, ONE, ONE, ONE, ONE, None)
        for attack, latencies in ((NONE, (calm, other)), (REPLAY, (calm, Spread(30.0, 20.0, 40.0))))
        for secured, latency in zip((True, False), latencies, strict=True)
    ]
    said = str(lab_card(Measured("c", "m", 1, 3, 8.0, 6, 1500, 1024, tuple(cells))))
    assert said.count("within the noise") == 1 + str(
        in_words(Measured("c", "m", 1, 3, 8.0, 6, 1500, 1024, tuple(cells)))
    ).count("within the noise")
    assert "10 ms (8–12)" in said


def test_the_security_page_shows_the_events(cast, on_behalf_of, device):
    on_behalf_of(cast["nurse"])
    _, tiles, over_time, codes, _gateways, newest = security.fill("?period=30d", None)
    assert tiles[0].children[1].children == ["3"]
    assert sum(sum(bar.y) for bar in over_time.data) == 4
    assert dict(zip(codes.data[0].customdata, codes.data[0].x, strict=True)) == {
        "frame forged": 3,
        "reading not finite": 1,
    }
    assert "Refused at ours" in str(newest)


def test_the_adherence_page_says_that_its_risk_is_synthetic(cast, on_behalf_of, device):
    on_behalf_of(cast["nurse"])
    _, _tiles, pdc, _on_time, _missed, risk, table = adherence.fill("?period=30d", None)
    assert list(pdc.data[0].x) == pytest.approx([200 / 3])
    assert list(risk.data[0].x) == [0, 0, 0, 1, 0]
    assert "synthetic training data" in str(adherence.page.layout).lower()
    assert "synthetic training data" in str(table)


def test_a_database_that_cannot_be_read_is_said_and_figures_stay(cast, on_behalf_of, monkeypatch):
    def broken(*_):
        raise OperationalError("database is locked")

    monkeypatch.setattr(energy, "energy_summary", broken)
    on_behalf_of(cast["nurse"])
    problem, *parts = energy.fill("", None)
    assert "could not be read" in problem.children
    assert {type(part).__name__ for part in parts} == {"NoUpdate"}


def test_long_names_are_cut_on_the_axis_and_whole_in_the_label():
    figure = figures.bars(["x" * 40], [1.0], "J", ["1 J"])
    assert len(figure.layout.yaxis.ticktext[0]) == 22
    assert figure.data[0].customdata[0] == "x" * 40


def test_no_series_wears_an_alarm_colour_or_the_violet_of_simulation():
    tokens = {"#b3121d", "#c8141f", "#7d5700", "#f2b807", "#00667f", "#22b8d6", "#6d3fc0", "#b79bf2"}
    assert not tokens & {tone.lower() for tone in figures.TONES}
    assert len(set(figures.TONES)) == len(figures.TONES)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0 J"), (3.2e-8, "32 nJ"), (4.5e-5, "45 µJ"), (0.0382, "38.2 mJ"), (1.5, "1.5 J"), (1234.0, "1.23 kJ")],
)
def test_energies_are_said_with_a_readable_prefix(value, said):
    assert words.energy(value) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"), [(1, 4, "25.0 %"), (1, 5000, "0.02 %"), (0, 3, "0.0 %"), (1, 0, "–")]
)
def test_shares_keep_what_is_small_visible(part, whole, said):
    assert words.share(part, whole) == said


def test_the_filters_of_a_callback_come_from_the_url(cast, on_behalf_of, monkeypatch):
    seen = []
    monkeypatch.setattr(energy, "energy_summary", lambda _user, filters: seen.append(filters) or _nothing())
    on_behalf_of(cast["nurse"])
    energy.fill("?period=7d&kind=cgm", None)
    assert seen == [Filters(PERIODS["7d"], None, "cgm")]


def _nothing():
    from twin.selectors.energy import EnergySummary, Sums

    return EnergySummary(Sums(), Sums(), {}, {}, {}, [])


def test_a_dash_application_is_not_called_by_templates():
    from django.template import engines

    page = energy.page
    rendered = engines["django"].from_string("{{ holder.page.title }}").render({"holder": SimpleNamespace(page=page)})
    assert rendered == "Energy"


def test_events_that_say_the_same_are_one_row_with_their_number(cast, on_behalf_of, device, ward):
    on_behalf_of(cast["nurse"])
    for _ in range(3):
        Event.objects.create(
            category="operation", code="device_registered", message="A device was registered.", ward_id=ward.pk
        )
    newest = str(security.fill("", None)[-1])
    assert newest.count("A device was registered.") == 1
    assert " and 2 more" in newest


NOON, HOUR = datetime(2026, 11, 21, 12, tzinfo=UTC), timedelta(hours=1)


def test_a_single_bar_keeps_its_width_and_its_place_at_the_end():
    figure = figures.stacked([NOON], [figures.Series("one", [3.0])], "events", HOUR)
    first, end = figure.layout.xaxis.range
    assert end == NOON + HOUR
    assert end - first == figures.LEAST_BUCKETS * HOUR
    assert figure.data[0].width == pytest.approx(3_600_000 * figures.BAR_SHARE)


def test_bands_too_thin_to_see_share_one_bar():
    series = [figures.Series("thick", [99.0, 99.0]), figures.Series("a", [0.1, 0.2]), figures.Series("b", [0.3, 0.1])]
    figure = figures.stacked([NOON, NOON + HOUR], series, "J", HOUR)
    assert [bar.name for bar in figure.data] == ["thick", "others"]
    assert list(figure.data[1].y) == pytest.approx([0.4, 0.3])
