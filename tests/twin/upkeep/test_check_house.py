"""What `manage.py check_house` says of a house that is in order, and of one that is not."""

from __future__ import annotations

import io
import json
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import redis
from django.conf import settings as house
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from compliance.models import Notice, NoticePriority, Witness
from compliance.services.log import append
from devices.models import HL7Destination, HL7Message, MessageState
from devices.services.telemetry import store
from devices.telemetry.frames import ENTRY, FrameGroup, StoredGroup
from twin.tasks import note_pulse
from twin.upkeep import duties, ground
from twin.upkeep.findings import Standing

pytestmark = pytest.mark.django_db
NOWHERE = "redis://127.0.0.1:1/0"
WITNESS = "w1.example+3961c297+BAS6rxKqNVN/y0PXPDu6unTNUQvSMFExBf+q/Aaua0uB"


def _worst(found) -> Standing:
    return max(line.standing for line in found)


def _said(*options: str) -> tuple[int, str]:
    """Return the exit status of the command, and what it printed."""
    out = io.StringIO()
    try:
        call_command("check_house", *options, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def _refuse(*_: object) -> None:
    raise OperationalError("gone")


def test_settings_of_a_demonstration_are_refused_in_production(settings) -> None:
    settings.EMBEDDED, settings.DEMO, settings.BEHIND_TLS, settings.DEBUG = False, False, True, False
    settings.ALLOWED_HOSTS = ["medtwin.example"]
    for number, name in enumerate(ground.SECRETS):
        setattr(settings, name, str(number) * 48)
    assert _worst(ground.check_settings()) is Standing.WELL
    settings.DEMO = True
    assert _worst(ground.check_settings()) is Standing.BROKEN
    settings.DEMO, settings.BEHIND_TLS = False, False
    assert _worst(ground.check_settings()) is Standing.LOOK
    settings.BEHIND_TLS, settings.LOG_KEY = True, settings.FIELD_KEY
    assert _worst(ground.check_settings()) is Standing.BROKEN


def test_a_key_that_others_may_read_or_that_is_gone_is_named_without_its_text(tmp_path: Path, monkeypatch) -> None:
    for name in ground.SECRETS:
        monkeypatch.delenv(name, raising=False)
    key = tmp_path / "field"
    key.write_text("very-secret")
    monkeypatch.setenv("FIELD_KEY_FILE", str(key))
    key.chmod(0o640)
    assert _worst(ground.check_key_files()) is Standing.WELL
    key.chmod(0o644)
    (found,) = ground.check_key_files()
    assert found.standing is Standing.BROKEN
    assert "FIELD_KEY_FILE" in found.said
    key.unlink()
    (found,) = ground.check_key_files()
    assert (found.standing, "not there" in found.said) == (Standing.BROKEN, True)


def test_database_migrations_and_disk_are_in_order_here() -> None:
    for check in (ground.check_database, ground.check_migrations, ground.check_disk):
        assert _worst(check()) <= Standing.LOOK, check.__name__


def test_pages_without_their_style_are_told(settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    assert _worst(ground.check_static()) is Standing.BROKEN
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "tokens.css").touch()
    assert _worst(ground.check_static()) is Standing.WELL


def test_a_migration_that_waits_is_told() -> None:
    loader = MigrationExecutor(connection).loader
    (newest,) = loader.graph.leaf_nodes("twin")
    MigrationRecorder(connection).record_unapplied(*newest)
    (found,) = ground.check_migrations()
    assert (found.standing, found.advice) == (Standing.BROKEN, "python manage.py migrate")


def test_worker_and_beat_are_told_by_the_last_task_that_ran(valkey) -> None:
    with redis.Redis.from_url(house.HUB_URL) as client:
        client.delete(duties.PULSE_KEY)
        assert _worst(duties.check_tasks()) is Standing.BROKEN
        note_pulse()
        assert _worst(duties.check_tasks()) is Standing.WELL
        client.set(duties.PULSE_KEY, repr(time.time() - 60))
        assert _worst(duties.check_tasks()) is Standing.LOOK
        client.set(duties.PULSE_KEY, repr(time.time() - 600))
        assert _worst(duties.check_tasks()) is Standing.BROKEN
        client.delete(duties.PULSE_KEY)
    assert _worst(ground.check_redis()) is Standing.WELL


def test_entries_that_wait_for_their_place_are_told(settings) -> None:
    settings.LOG_WITNESSES = [f"http://w1.example={WITNESS}", f"http://w1.example={WITNESS}"]
    entry = append(kind="test", record={"a": 1})
    lines = {line.subject: line for line in duties.check_log() if line.subject == "transparency log"}
    assert lines["transparency log"].standing is Standing.WELL
    type(entry).objects.filter(pk=entry.pk).update(at=timezone.now() - timedelta(minutes=6))
    lines = {line.subject: line for line in duties.check_log() if line.subject == "transparency log"}
    assert lines["transparency log"].standing is Standing.BROKEN
    assert "run_log" in lines["transparency log"].advice


def test_a_witness_that_never_signed_or_refuses_is_told(settings) -> None:
    settings.LOG_WITNESSES = [f"http://w1.example={WITNESS}"]
    said = [(line.standing, line.said) for line in duties.check_log() if line.subject == "witnesses"]
    assert said == [(Standing.LOOK, "1 are named"), (Standing.BROKEN, "w1.example never signed")]
    Witness.objects.create(name="w1.example", key=WITNESS, signed_at=timezone.now(), trouble="refused: 422")
    said = [(line.standing, line.said) for line in duties.check_log() if line.subject == "witnesses"]
    assert said[1] == (Standing.LOOK, "w1.example: refused: 422")
    settings.LOG_WITNESSES = ["nonsense"]
    assert _worst(duties.check_log()) is Standing.BROKEN


def test_messages_that_no_receiver_takes_are_told(patient) -> None:
    receiver = HL7Destination.objects.create(name="record", host="127.0.0.1", metrics=["glucose"])
    message = HL7Message.objects.create(
        destination=receiver, patient=patient, control_id="1", content_sealed=b"", observations=1
    )
    assert _worst(duties.check_hl7()) is Standing.WELL
    HL7Message.objects.filter(pk=message.pk).update(made_at=timezone.now() - timedelta(hours=1))
    assert _worst(duties.check_hl7()) is Standing.LOOK
    HL7Message.objects.filter(pk=message.pk).update(made_at=timezone.now(), state=MessageState.PARKED)
    assert [line.said for line in duties.check_hl7() if line.standing] == ["1 set aside: the receiver refused them"]


def test_open_notices_and_a_house_without_an_administrator_are_told(cast) -> None:
    assert {line.subject: line.standing for line in duties.check_people()} == {
        "administrators": Standing.LOOK,
        "notices": Standing.WELL,
    }
    notice = Notice.objects.create(code="x", subject="y", message="Look.", priority=NoticePriority.HIGH)
    assert _worst(duties.check_people()) is Standing.LOOK
    Notice.objects.filter(pk=notice.pk).update(priority=NoticePriority.CRITICAL)
    assert _worst(duties.check_people()) is Standing.BROKEN
    Notice.objects.all().delete()
    cast["administrator"].authenticator_set.all().delete()
    assert _worst(duties.check_people()) is Standing.BROKEN


def test_redis_and_database_that_do_not_answer_are_findings_and_stop_no_other_check(settings) -> None:
    settings.HUB_URL = settings.REDIS_URL = NOWHERE
    with connection.execute_wrapper(_refuse):
        status, said = _said()
    assert status == Standing.BROKEN
    for subject in ("database", "Redis", "worker and beat", "transparency log", "notices"):
        assert f"BROKEN {subject}" in said or "BROKEN administrators and notices" in said
    assert "disk:" in said


def test_the_command_ends_with_the_worst_standing_and_speaks_to_programs(settings) -> None:
    settings.HUB_URL = settings.REDIS_URL = NOWHERE
    status, said = _said("--json", "--quiet")
    told = json.loads(said)
    assert status == Standing.BROKEN
    assert told["standing"] == "broken"
    assert {"standing", "subject", "said", "advice"} == set(told["findings"][0])
    assert "well" not in {line["standing"] for line in told["findings"]}


def test_a_gateway_that_is_not_heard_is_told(patient) -> None:
    from devices.models import Gateway

    gateway = Gateway.objects.create(name="North", ward=patient.ward, public_key=bytes(32))
    assert _worst(duties.check_gateways()) is Standing.LOOK
    Gateway.objects.filter(pk=gateway.pk).update(last_seen_at=timezone.now())
    assert _worst(duties.check_gateways()) is Standing.WELL


@pytest.mark.parametrize(("waited_s", "standing"), [(1, Standing.WELL), (90, Standing.LOOK), (900, Standing.BROKEN)])
@pytest.mark.django_db(transaction=True)
def test_frames_that_no_root_commits_to_are_told(waited_s: int, standing: Standing, monkeypatch) -> None:
    received = time.time() - waited_s
    group = StoredGroup(1, received, None, FrameGroup(np.zeros(0, ENTRY), b"", b"", b""))
    monkeypatch.setattr(type(store()), "unsealed_groups", lambda _self, _limit: [group])
    assert _worst(duties.check_sealing()) is standing


def test_health_says_alive_without_asking_anybody(client, settings) -> None:
    settings.HUB_URL = NOWHERE
    with connection.execute_wrapper(_refuse):
        response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_ready_names_what_does_not_answer(client, settings, valkey) -> None:
    assert client.get("/healthz/ready").json() == {"status": "ready", "without": []}
    settings.HUB_URL = NOWHERE
    response = client.get("/healthz/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "without": ["redis"]})
    with connection.execute_wrapper(_refuse):
        response = client.get("/healthz/ready")
    assert (response.status_code, response.json()["without"]) == (503, ["database", "redis"])


def test_health_is_asked_by_plain_http_behind_the_proxy(client, settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
    assert client.get("/healthz/ready").status_code in {200, 503}
    assert client.get("/people/").status_code == 301
