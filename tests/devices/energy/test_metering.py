"""From committed batches to rows: counted in memory, priced, added up in the database."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from django.db import OperationalError
from django.db.models import Sum

from devices.energy.cost import SEAL_BYTES, message_cost
from devices.energy.links import LINKS
from devices.models import Device, EnergyUsage, Gateway, Hop
from devices.services import energy
from devices.signals import readings_accepted
from devices.telemetry import READING, ReadingBatch
from tests.steps import steps_of

AT = 1_760_000_040.0


@pytest.fixture
def monitor(ward, patient):
    gateway = Gateway.objects.create(name="gw", ward=ward, public_key=b"k" * 32, link="wifi")
    return Device.objects.create(
        serial="m-1",
        kind="vital_signs_monitor",
        label="Monitor",
        gateway=gateway,
        patient=patient,
        key_sealed=b"",
        link="ble",
    )


@pytest.fixture(autouse=True)
def empty_meter():
    energy.meter.take()
    yield
    energy.meter.take()


def batch(device: Device, count: int = 20, at: float = AT) -> ReadingBatch:
    rows = np.zeros(count, READING)
    rows["device"] = device.pk
    return ReadingBatch(rows, received_at=at, gateway_of={device.pk: device.gateway_id})


def test_an_accepted_batch_becomes_one_row_per_hop(monitor, patient, ward):
    readings_accepted.send(sender=None, batch=batch(monitor))
    assert energy.flush(window_s=1.0) == 2
    sent, relayed = EnergyUsage.objects.order_by("hop")
    assert (sent.hop, sent.link, relayed.hop, relayed.link) == (Hop.DEVICE, "ble", Hop.UPLINK, "wifi")
    assert (sent.patient_id, sent.ward_id, sent.starts_at.timestamp()) == (patient.id, ward.id, AT // 60 * 60)
    assert (relayed.messages, relayed.readings, relayed.payload_bytes) == (1, 20, 18 + 240)
    assert (sent.overhead_bytes, relayed.overhead_bytes) == (0, SEAL_BYTES)
    price = message_cost(LINKS["wifi"], 258, sealed=True, gap_s=1.0)
    assert relayed.radio_j == pytest.approx(price.radio_j)
    assert relayed.cpu_j == pytest.approx(price.cpu_j)
    assert relayed.security_j == pytest.approx(price.security_j)


def test_later_flushes_add_to_the_same_minute(monitor):
    for second in range(3):
        energy.meter.count(batch(monitor, at=AT + second))
        energy.flush(window_s=1.0)
    relayed = EnergyUsage.objects.get(hop=Hop.UPLINK)
    assert (relayed.messages, relayed.readings) == (3, 60)
    assert relayed.radio_j == pytest.approx(3 * message_cost(LINKS["wifi"], 258, sealed=True, gap_s=1.0).radio_j)


def test_a_new_minute_is_a_new_row(monitor):
    energy.meter.count(batch(monitor, at=AT))
    energy.meter.count(batch(monitor, at=AT + 60))
    energy.flush(window_s=7.0)
    assert EnergyUsage.objects.filter(hop=Hop.UPLINK).count() == 2


def test_devices_of_one_gateway_share_its_tail(monitor, ward):
    twin = Device.objects.create(serial="m-2", kind="cgm", label="CGM", gateway=monitor.gateway, key_sealed=b"")
    energy.meter.count(batch(monitor))
    energy.meter.count(batch(twin))
    energy.flush(window_s=0.2)
    alone = message_cost(LINKS["wifi"], 258, sealed=True, gap_s=0.2).radio_j
    assert EnergyUsage.objects.get(device=monitor, hop=Hop.UPLINK).radio_j < alone


def test_a_device_without_a_patient_counts_for_its_gateways_ward(monitor, ward):
    Device.objects.filter(pk=monitor.pk).update(patient=None)
    energy.meter.count(batch(monitor))
    energy.flush(window_s=1.0)
    row = EnergyUsage.objects.get(hop=Hop.DEVICE)
    assert (row.patient_id, row.ward_id) == (None, ward.id)


def test_a_link_without_figures_counts_bytes_and_invents_no_joules(monitor):
    Device.objects.filter(pk=monitor.pk).update(link="infrared")
    energy.meter.count(batch(monitor))
    energy.flush(window_s=1.0)
    row = EnergyUsage.objects.get(hop=Hop.DEVICE)
    assert (row.payload_bytes, row.radio_j) == (258, 0.0)


def test_what_left_the_registry_is_dropped(monitor):
    energy.meter.count(batch(monitor))
    monitor.delete()
    assert energy.flush(window_s=1.0) == 0


def test_old_minutes_become_hours_and_nothing_is_lost(monitor):
    start = datetime(2026, 11, 20, 22, 58, tzinfo=UTC).timestamp()
    for minute in range(10):
        energy.meter.count(batch(monitor, at=start + 60 * minute))
    energy.flush(window_s=7.0)
    before = EnergyUsage.objects.aggregate(joules=Sum("radio_j"), messages=Sum("messages"), minutes=Sum("minutes"))
    now = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
    assert energy.condense(now) == 4  # two hours, two hops
    spans = (
        EnergyUsage.objects.filter(hop=Hop.UPLINK).order_by("starts_at").values_list("starts_at", "span_s", "minutes")
    )
    assert [(at.hour, span, minutes) for at, span, minutes in spans] == [(22, 3600, 2), (23, 3600, 8)]
    after = EnergyUsage.objects.aggregate(joules=Sum("radio_j"), messages=Sum("messages"), minutes=Sum("minutes"))
    assert after == {**before, "joules": pytest.approx(before["joules"])}
    assert energy.condense(now) == 0


def test_a_late_minute_is_added_to_its_hour(monitor):
    for _ in range(2):
        energy.meter.count(batch(monitor, at=datetime(2026, 11, 20, 22, 58, tzinfo=UTC).timestamp()))
        energy.flush(window_s=7.0)
        energy.condense(datetime(2026, 11, 21, 1, 30, tzinfo=UTC))
    assert EnergyUsage.objects.get(hop=Hop.UPLINK).messages == 2


def test_the_last_whole_hour_stays_in_minutes(monitor):
    energy.meter.count(batch(monitor, at=datetime(2026, 11, 21, 0, 10, tzinfo=UTC).timestamp()))
    energy.flush(window_s=7.0)
    assert energy.condense(datetime(2026, 11, 21, 1, 30, tzinfo=UTC)) == 0


def test_the_thread_flushes_and_condenses_when_it_is_due(monitor):
    flusher = energy.Flusher(7.0)
    for now_s, hours in ((1000.0, 2), (1000.0 + energy.CONDENSE_EVERY_S - 1, 2), (1000.0 + energy.CONDENSE_EVERY_S, 6)):
        energy.meter.count(batch(monitor, at=AT + (now_s - 1000) * 3600))
        flusher.work(now_s)
        assert EnergyUsage.objects.filter(span_s=3600).count() == hours
    assert energy.meter.take() == {}


def test_a_failed_flush_is_logged_and_the_thread_goes_on(monitor, monkeypatch, caplog):
    def locked(_rows):
        raise OperationalError("database is locked")

    monkeypatch.setattr(energy, "store", locked)
    energy.meter.count(batch(monitor))
    energy.Flusher(7.0).work(0.0)
    assert "energy figures of the last 7.0 s are lost" in caplog.text


def test_counting_is_cheap_enough_for_the_writer(monitor):
    """It costs something for each device of a group, and nothing for each of its readings."""

    def steps(each: int) -> int:
        rows = np.zeros(100 * each, READING)
        rows["device"] = np.repeat(np.arange(1, 101), each)
        group = ReadingBatch(rows, received_at=AT, gateway_of=dict.fromkeys(range(1, 101), 1))
        return steps_of(lambda: energy.meter.count(group))

    steps(1)  # the devices are counted for the first time
    assert steps(200) == steps(2)
