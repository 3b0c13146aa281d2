"""The monthly report: what it says, that an outsider can check it, and that every change to it is found."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compliance.models import ComplianceReport, EventCategory, LogEntry
from compliance.report.document import signed
from compliance.services.events import record_event
from compliance.services.log import sequence
from compliance.services.log_erasure import erase_subject
from compliance.services.log_keys import log_signer
from compliance.services.reports import make_waiting_reports, request_report
from compliance.services.rules import evaluate_rules
from compliance.verify.__main__ import main
from compliance.verify.checks import Trust
from compliance.verify.outcome import Outcome
from compliance.verify.report import report_in
from compliance.verify.report_checks import check_report
from compliance.verify.strict import Unreadable, strict_json
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db


def wrong_in(document: str, pdf: bytes | None = None) -> set[str]:
    """Return the codes of what an outsider with the log's key finds wrong; no witness runs here."""
    try:
        lines = check_report(report_in(strict_json(document)), Trust((log_signer().verifier,), ()), pdf=pdf, quorum=0)
    except Unreadable:
        return {"unreadable"}
    return {line.code for line in lines if line.outcome is Outcome.BROKEN}


def dose(patient, **detail) -> None:
    record_event(
        category=EventCategory.CLINICAL,
        code="dose_given",
        message="A dose was given.",
        patient=patient,
        detail={"atc": "B01AB05", "amount": 40.0, "unit": "mg", "high_alert": True, "entry": "first", **detail},
    )


@pytest.fixture
def month_with_violations(patient, foreign_patient):
    dose(patient)
    dose(foreign_patient)
    dose(patient, high_alert=False)
    sequence()
    evaluate_rules()
    sequence()
    return timezone.now().date()


@pytest.fixture
def report(month_with_violations, ward, cast):
    asked = request_report(ward=ward, month=month_with_violations, user=cast["physician"])
    assert make_waiting_reports() == 1
    return ComplianceReport.objects.get(pk=asked.pk)


def test_the_report_counts_its_ward_and_holds_for_an_outsider(report, patient):
    assert wrong_in(report.document, bytes(report.pdf)) == set()
    content = json.loads(report.document)["report"]
    assert content["totals"] == {"judged": 3, "violations": 3, "open": 3, "settled": 0}
    rates = {rule["id"]: rule["share_met"] for rule in content["rules"]}
    assert rates["dose-within-order"] == 0.0
    assert rates["alarm-answered"] is None
    assert {violation["patient"] for violation in content["violations"]} == {str(patient.pk)}
    assert sum(content["by_day"]) == 3
    assert content["complete"] is False


def test_no_name_of_a_patient_is_in_it(report):
    assert not {"Byron", "Ada", "T-001", "Somerville"} & set(report.document.replace('"', " ").split())
    assert "Byron" not in report.document


def test_the_pages_say_the_digest_and_are_the_same_each_time(report):
    from compliance.report.pdf import as_pdf

    pdf = bytes(report.pdf)
    assert pdf.startswith(b"%PDF")
    assert pdf == as_pdf(json.loads(report.document)["report"], report.digest)


TAMPERED = [
    ("number of a rule", lambda r: r["report"]["rules"][0].update(judged=99)),
    ("a violation left out", lambda r: r["report"]["violations"].pop()),
    ("another month", lambda r: r["report"].update(month="2020-01")),
    ("another signature", lambda r: r.update(signature=r["report"]["log"]["checkpoint"])),
    ("no signature", lambda r: r.pop("signature")),
    ("nothing", lambda r: r.clear()),
]


@pytest.mark.parametrize("tamper", [change for _, change in TAMPERED], ids=[name for name, _ in TAMPERED])
def test_a_changed_report_is_refused(report, tamper):
    changed = json.loads(report.document)
    tamper(changed)
    assert wrong_in(json.dumps(changed))


def _places(value, path=()):
    """Yield the path of every value in a report, objects and lists too."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from _places(item, (*path, key))


def _mutants(value):
    """Yield other values in the place of one: changed a little, of another kind, and gone."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, -1, str(value))
    elif isinstance(value, str):
        yield from (value + "x", value[:-1] if value else " ", value.swapcase() if value.swapcase() != value else "y")
    elif value is None:
        yield from (0.5, "somebody", [])
    elif isinstance(value, list):
        yield from ([*value, *value[-1:]] if value else [7], value[:-1] if value else {})
    yield from ({"other": 1}, float("nan"))


def test_every_change_of_every_field_is_caught(report):
    source = json.loads(report.document)
    tried = 0
    for path in _places(source):
        for mutant in [*_mutants(_at(source, path)), ...]:
            changed = json.loads(report.document)
            holder = _at(changed, path[:-1])
            if mutant is ...:
                del holder[path[-1]]
            else:
                holder[path[-1]] = mutant
            assert wrong_in(json.dumps(changed)), (path, mutant)
            tried += 1
    assert tried > 500


def _at(value, path):
    for step in path:
        value = value[step]
    return value


def _resigned(report, change) -> str:
    """Change the content as somebody with the house's key could, and sign it anew: the log still tells."""
    content = json.loads(report.document)["report"]
    change(content)
    return json.dumps(signed(content, bytes(report.pdf), log_signer()))


def _first_leaf(content) -> dict[str, object]:
    return next(iter(content["log"]["leaves"].values()))


def _first(content) -> dict[str, object]:
    return content["violations"][0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: _first_leaf(c).update(record=_first_leaf(c)["record"].replace("40", "41")), "commitment"),
        (lambda c: _first_leaf(c).update(salt="AAAA"), "unreadable"),
        (lambda c: _first_leaf(c).update(proof=_first_leaf(c)["proof"][1:]), "proof"),
        (lambda c: c["log"]["leaves"].clear(), "leaf_missing"),
        (lambda c: c["log"].update(checkpoint=c["log"]["checkpoint"].replace("\n", "\n1", 1)), "log_signature"),
        (lambda c: c["log"].update(size=c["log"]["size"] + 1), "head"),
        (lambda c: c["violations"].pop(), "sum"),
        (lambda c: c["violations"].append(c["violations"][0]), "violation_twice"),
        (lambda c: c["totals"].update(open=0, settled=3), "sum"),
        (lambda c: c["rules"][0].update(judged=99), "sum"),
        (lambda c: c["rules"].append(c["rules"][0]), "sum"),
        (lambda c: c["by_day"].reverse(), "sum"),
        (lambda c: c["by_day"].pop(), "sum"),
        (lambda c: c.update(complete=True), "sum"),
        (lambda c: c.update(month="2020-01"), "violation"),
        (lambda c: _first(c).update(at="2020-01-01T00:00:00+00:00"), "violation"),
        (lambda c: _first(c).update(patient="6f1d1f6e-0000-4000-8000-000000000001"), "violation"),
        (lambda c: _first(c).update(state="closed"), "violation"),
        (lambda c: _first(c).update(leaves=[]), "violation"),
        (lambda c: _first(c).update(rule="alarm-answered"), "sum"),
        (lambda c: _first(c).update(rule="unheard-of"), "sum"),
    ],
)
def test_even_a_house_that_signs_anew_cannot_change_what_the_log_holds(report, change, told):
    assert told in wrong_in(_resigned(report, change))


def test_an_erased_record_leaves_proof_and_no_word(month_with_violations, ward, patient):
    erase_subject(patient.pk)
    request_report(ward=ward, month=month_with_violations, user=None)
    make_waiting_reports()
    document = ComplianceReport.objects.get().document
    assert wrong_in(document) == set()
    leaves = json.loads(document)["report"]["log"]["leaves"]
    assert leaves
    assert all(leaf["record"] is None and leaf["salt"] is None for leaf in leaves.values())


def test_the_stand_alone_verifier_says_what_holds(report, tmp_path, capsys):
    file, keys, pages = tmp_path / "report.json", tmp_path / "keys", tmp_path / "report.pdf"
    file.write_text(report.document, encoding="utf-8")
    keys.write_text(log_signer().verifier.encoded())
    pages.write_bytes(bytes(report.pdf))
    options = ["--keys", str(keys), "--quorum", "0"]
    assert main([str(file), *options, "--pdf", str(pages)]) == 0
    out = capsys.readouterr().out
    assert report.digest in out
    assert "The pages are the ones" in out
    assert main([str(file), "--keys", str(keys)]) == 1  # two witnesses are wanted unless one says otherwise
    pages.write_bytes(bytes(report.pdf).replace(b"obj", b"0bj", 1))
    assert main([str(file), *options, "--pdf", str(pages)]) == 1
    assert main([str(file), *options, "--pdf", str(tmp_path / "absent")]) == 2
    assert main([str(file), *options, "--old", str(keys)]) == 2
    file.write_text(report.document.replace("Nobody else", "Somebody else"), encoding="utf-8")
    assert main([str(file), *options]) == 1
    file.write_text(report.document.replace("compliance-report/2", "compliance-report/1"), encoding="utf-8")
    assert main([str(file), *options]) == 2


def test_a_killed_workers_report_is_made_by_the_next(month_with_violations, ward):
    asked = request_report(ward=ward, month=month_with_violations, user=None)
    long_ago = timezone.now().replace(year=2020)
    ComplianceReport.objects.filter(pk=asked.pk).update(state="running", started_at=long_ago)
    assert make_waiting_reports() == 1
    assert ComplianceReport.objects.get().state == "done"
    assert make_waiting_reports() == 0


def test_without_a_signed_head_there_is_no_report(ward):
    request_report(ward=ward, month=timezone.now().date(), user=None)
    assert not LogEntry.objects.filter(leaf_index__isnull=False).exists()
    make_waiting_reports()
    assert ComplianceReport.objects.get().state == "failed"


def test_the_pages_ask_follow_and_take_away(cast, ward, month_with_violations):
    client, url = sign_in(Client(), cast["physician"], fresh=True), reverse("compliance:reports")
    assert client.post(url, {"ward": ward.pk, "month": "2026-13"}).status_code == 400
    assert client.post(url, {"ward": 0, "month": f"{month_with_violations:%Y-%m}"}).status_code == 400
    assert client.post(url, {"ward": ward.pk, "month": "9999-01"}).status_code == 400
    assert client.post(url, {"ward": ward.pk, "month": f"{month_with_violations:%Y-%m}"})["Location"] == url
    asked = ComplianceReport.objects.get()
    take = reverse("compliance:report_download", args=[asked.pk, "json"])
    assert "waiting for a worker" in client.get(url).content.decode()
    assert client.get(take).status_code == 409
    make_waiting_reports()
    assert "JSON with proofs" in client.get(reverse("compliance:report_row", args=[asked.pk])).content.decode()
    assert wrong_in(client.get(take).content.decode()) == set()
    assert client.get(reverse("compliance:report_download", args=[asked.pk, "exe"])).status_code == 404
    stale = sign_in(Client(), cast["physician"])
    assert stale.get(take)["Location"].startswith("/account/step-up/")


def test_a_report_of_another_ward_is_not_there(cast, other_ward):
    foreign = ComplianceReport.objects.create(ward=other_ward, month=timezone.now().date())
    client = sign_in(Client(), cast["physician"], fresh=True)
    assert client.get(reverse("compliance:report_row", args=[foreign.pk])).status_code == 404
    assert client.get(reverse("compliance:report_download", args=[foreign.pk, "pdf"])).status_code == 404


def test_the_command_writes_both_files_and_says_how_to_check(month_with_violations, ward, tmp_path):
    words = StringIO()
    month = f"{month_with_violations:%Y-%m}"
    call_command("compliance_report", month=month, ward=ward.name, to=str(tmp_path), stdout=words)
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".pdf", ".keys"}
    assert "python -m compliance.verify" in words.getvalue()
    with pytest.raises(CommandError):
        call_command("compliance_report", month="nonsense", ward=ward.name)
    with pytest.raises(CommandError):
        call_command("compliance_report", month=month, ward="No such ward")
