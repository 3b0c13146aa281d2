"""Learning: people are split and never moments, the data's traps are known, and unseen people are forecast better."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from twin.forecast import azt1d
from twin.forecast.model import Rows
from twin.forecast.training import Moments, gather, held_out, train

HEAD = (
    "subject,EventDateTime,DeviceMode,BolusType,Basal,CorrectionDelivered,TotalBolusInsulinDelivered,"
    "FoodDelivered,CarbSize,CGM,Readings (CGM / BGM)"
)


def made_up(people=10, each=60, strange=None):
    """Return moments whose change is 0.8 times the last change; one person's may be nonsense."""
    rng = np.random.default_rng(0)
    count = people * each
    person = np.repeat(np.arange(people), each)
    sensor = rng.normal(0.0, 10.0, (count, 5))
    level = np.full(count, 150.0)
    truth = level[:, None] + 0.8 * sensor[:, [1]] + rng.normal(0.0, 3.0, (count, 12))
    if strange is not None:
        truth[person == strange] = level[person == strange, None] - 9.0 * sensor[person == strange][:, [1]]
    rows = Rows(level, sensor, rng.normal(0.0, 5.0, (count, 12)))
    return Moments(person, person % 2 == 0, rows, rows, truth)


def test_a_known_law_is_found_with_a_band_that_fits_its_noise():
    model = train(made_up(), "made up")
    assert model.with_pump.weights[:, 2] == pytest.approx(np.full(12, 0.8), abs=0.05)
    assert model.sensor_alone.high == pytest.approx(np.full(12, 3.0 * 1.645), rel=0.15)


def test_a_twin_that_is_wrong_counts_for_nothing_instead_of_less():
    data = made_up()
    data.truth[:] = 150.0 - data.rows.twin
    assert (train(data, "").with_pump.weights[:, -1] == 0.0).all()


def test_a_person_s_own_moments_teach_nothing_about_that_person():
    """Were one moment of the strange person in the training, their own forecast would change."""
    usual, strange = held_out(made_up()), held_out(made_up(strange=3))
    theirs = made_up().person == 3
    assert strange.middle[theirs] == pytest.approx(usual.middle[theirs])
    assert strange.low[theirs] == pytest.approx(usual.low[theirs])
    others = ~theirs & ~made_up().pump
    assert np.abs(strange.middle[others] - usual.middle[others]).max() > 1.0


@pytest.fixture
def recorded(tmp_path):
    path = tmp_path / "azt1d.csv.gz"
    rows = [HEAD]
    for index in range(80):
        clock = f"2024-01-01 {index * 5 // 60:02d}:{index * 5 % 60:02d}:00"
        basal = "4127" if index == 3 else "0.5"
        rows.append(f"14,{clock},0,,{basal},,,,,,{100 + index}")
    rows.append("14,2024-01-01 06:35:00,,,0.5,,,,,,199")  # that moment stands twice
    with gzip.open(path, "wt") as file:
        file.write("\n".join(rows))
    return path


def test_the_traps_of_the_recordings_are_known(recorded):
    (wearer,) = azt1d.read(recorded)
    assert wearer.t.size == 80
    assert wearer.glucose_mg_dl[-1] == (179 + 199) / 2
    assert wearer.basal_u_per_h.max() == 0.5
    known, truth = azt1d.moments(wearer, 500, np.random.default_rng(0))
    assert known
    for observed, came in zip(known, truth, strict=True):
        assert observed.glucose_t[-1] == observed.at
        assert came[0] == pytest.approx(observed.glucose_mg_dl[-1] + 1.0, abs=10.0)


def test_unseen_people_are_forecast_better_than_by_the_last_value(data_dir):
    path = data_dir / azt1d.FILE
    if not path.is_file():
        pytest.skip(f"needs {path}")
    data = gather(azt1d.read(path), each=30)
    found = held_out(data)
    for column in (5, 11):
        errors = [
            np.sqrt(np.mean((data.truth[:, column] - guess) ** 2))
            for guess in (found.middle[:, column], data.rows.level)
        ]
        assert errors[0] < 0.97 * errors[1]
    held = (found.low <= data.truth) & (data.truth <= found.high)
    assert 0.85 < held.mean() < 0.95
