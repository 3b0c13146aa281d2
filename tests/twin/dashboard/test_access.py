"""Every address of every Dash page asks the policy, checks CSRF, and stays inside the house."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from compliance.models import AccessRecord
from twin.dashboard.pages import PAGES

pytestmark = pytest.mark.django_db
READS = ["", "_dash-layout", "_dash-dependencies"]
VIEWERS = {"energy": {"nurse", "physician", "caregiver", "administrator", "trainer"}}
VIEWERS["security"] = VIEWERS["energy"]
VIEWERS["adherence"] = VIEWERS["energy"] - {"administrator"}
EVERYBODY = [*sorted(VIEWERS["energy"]), "outsider"]
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
PLOTLY = "/analytics/assets/plotly/package_data/plotly.min.js"


def address(page: str, rest: str = "") -> str:
    return f"/analytics/{page}/{rest}"


def question(page: str, search: str = "") -> dict[str, object]:
    """The body that Dash's renderer posts for the page's only callback."""
    (entry,) = PAGES[page]._callback_list or [None]
    outputs = [part.split(".") for part in entry["output"].strip(".").split("...")]
    return {
        "output": entry["output"],
        "outputs": [{"id": name, "property": prop} for name, prop in outputs],
        "inputs": [
            {"id": "url", "property": "search", "value": search},
            {"id": "refresh", "property": "n_intervals", "value": None},
        ],
        "changedPropIds": [],
    }


@pytest.fixture
def ask(client):
    def post(page, search=""):
        client.get(address(page, "_dash-dependencies"))
        return client.post(address(page, "_dash-update-component"), question(page, search), "application/json")

    return post


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("who", EVERYBODY)
def test_each_address_answers_those_who_may_and_refuses_the_rest(client, cast, page, who):
    client.force_login(cast[who], backend=BACKEND)
    wanted = 200 if who in VIEWERS[page] else 403
    assert {client.get(address(page, rest)).status_code for rest in READS} == {wanted}
    body = question(page)
    assert client.post(address(page, "_dash-update-component"), body, "application/json").status_code == wanted


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("rest", [*READS, "_dash-update-component"])
def test_anonymous_people_are_sent_to_sign_in(client, page, rest):
    send = client.post if rest == "_dash-update-component" else client.get
    answer = send(address(page, rest))
    assert (answer.status_code, answer.url.split("?")[0]) == (302, "/account/login/")


@pytest.mark.parametrize("page", PAGES)
def test_a_callback_without_a_csrf_token_is_refused(cast, page):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(cast["nurse"], backend=BACKEND)
    strict.get(address(page))
    to, body = address(page, "_dash-update-component"), question(page)
    assert strict.post(to, body, "application/json").status_code == 403
    token = {"X-CSRFToken": strict.cookies["csrftoken"].value}
    assert strict.post(to, body, "application/json", headers=token).status_code == 200


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("rest", ["_reload-hash", "_favicon.ico", "_dash-component-suites/dash/x.js", "anything"])
def test_nothing_else_of_dash_is_reachable(client, cast, page, rest):
    client.force_login(cast["nurse"], backend=BACKEND)
    assert client.get(address(page, rest)).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_a_callback_cannot_be_asked_with_get(client, cast, page):
    client.force_login(cast["nurse"], backend=BACKEND)
    assert client.get(address(page, "_dash-update-component")).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(client, cast, page):
    client.force_login(cast["nurse"], backend=BACKEND)
    answer = client.get(address(page))
    text = answer.content.decode()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]+', text)
    assert "cdn" not in text
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    assert "unsafe" not in answer["Content-Security-Policy"]
    (inline,) = re.findall(r"<script id=\"_dash-renderer\"[^>]*>(.*?)</script>", text, re.DOTALL)
    assert inline == "var renderer = new DashRenderer();"
    assert PAGES[page].csp_hashes()[-1] in policy["script-src"]


def scripts_allowed(answer):
    (sources,) = re.findall(r"script-src ([^;]+)", answer["Content-Security-Policy"])
    return {source for source in sources.split() if not source.startswith("'nonce-")}


@pytest.mark.parametrize("page", PAGES)
def test_a_dash_page_adds_hashes_to_the_policy_of_every_other_page_and_nothing_else(client, cast, page):
    client.force_login(cast["nurse"], backend=BACKEND)
    added = scripts_allowed(client.get(address(page))) - scripts_allowed(client.get("/devices/"))
    assert added == set(PAGES[page].csp_hashes())


@pytest.mark.parametrize("page", PAGES)
def test_every_script_that_a_page_names_is_served(client, cast, page):
    client.force_login(cast["nurse"], backend=BACKEND)
    scripts = re.findall(r'src="(/analytics/assets/[^"]+)"', client.get(address(page)).content.decode())
    assert any("package_data/plotly." in script for script in scripts)
    assert {client.get(script).status_code for script in scripts} == {200}


def test_plotly_is_sent_compressed_and_kept(client, cast):
    client.force_login(cast["nurse"], backend=BACKEND)
    page = client.get(address("energy")).content.decode()
    (name,) = re.findall(r'src="(/analytics/assets/plotly/[^"]+)"', page)
    answer = client.get(name, headers={"Accept-Encoding": "gzip, br"})
    assert answer["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer["Vary"]
    assert "immutable" in answer["Cache-Control"]
    assert len(answer.content) < 1_600_000 < 4_000_000 < len(client.get(name).content)


def test_the_scripts_are_not_for_outsiders(client, cast):
    client.force_login(cast["outsider"], backend=BACKEND)
    assert client.get(PLOTLY).status_code == 403


@pytest.mark.parametrize("name", ["dash/dash.py", "plotly/../dash/dash.py", "os/path.py", "dash/dcc/../dash.py"])
def test_only_files_that_dash_registered_are_served(client, cast, name):
    client.force_login(cast["nurse"], backend=BACKEND)
    assert client.get(f"/analytics/assets/{name}").status_code == 404


def test_an_answer_never_names_what_another_ward_holds(ask, client, cast, device, foreign_device):
    client.force_login(cast["nurse"], backend=BACKEND)
    for page in PAGES:
        text = ask(page, "?period=30d").content.decode()
        assert "Somerville" not in text
        assert "theirs" not in text
    assert "CGM ours" in ask("energy").content.decode()


def test_asking_for_a_ward_out_of_sight_shows_nothing(ask, client, cast, device, foreign_device, other_ward):
    client.force_login(cast["nurse"], backend=BACKEND)
    text = ask("energy", f"?ward={other_ward.pk}").content.decode()
    assert "No device sent anything" in text
    assert "theirs" not in text


def test_a_caregiver_sees_the_linked_patient_alone(ask, client, cast, device, foreign_device, ward):
    client.force_login(cast["caregiver"], backend=BACKEND)
    text = ask("adherence", "?period=30d").content.decode()
    assert "Ada Byron" in text
    assert "Somerville" not in text


@pytest.mark.parametrize("page", PAGES)
def test_a_callback_notes_whom_its_figures_name(client, ask, cast, patient, device, foreign_device, page):
    client.force_login(cast["nurse"], backend=BACKEND)
    assert ask(page).status_code == 200
    assert list(AccessRecord.objects.values_list("patient", "what")) == [(patient.pk, f"analytics_{page}")]
