"""What holds for every page: the content policy, addresses without names, errors that say what to do, the menu."""

from __future__ import annotations

import re

from tests.twin.pages.scene import make_device, raise_alert, store_readings


def test_patient_pages_answer_404_for_a_patient_of_another_ward(sign_in, foreign_patient) -> None:
    client = sign_in("physician")
    page = f"/patients/{foreign_patient.pk}/"
    for url in (
        page,
        page + "history/?keys=heart_rate&from=0&to=9",
        page + "panels/devices/",
        page + "panels/timeline/",
    ):
        assert client.get(url).status_code == 404, url
    assert client.get(f"/ward/rows/{foreign_patient.pk}/").status_code == 404


def test_every_page_of_the_reader_is_in_the_menu_of_a_phone(sign_in, patient) -> None:
    html = sign_in("nurse").get("/").content.decode()
    assert re.search(r'<button[^>]+popovertarget="pages"', html)
    assert re.search(r'<nav[^>]+id="pages"[^>]+popover>', html)


def test_pages_carry_nothing_that_the_content_policy_would_block(sign_in, patient) -> None:
    raise_alert(patient, "high", "SpO2 low")
    store_readings(make_device(patient), "heart_rate", [(1, 70)])
    client = sign_in("physician")
    page = f"/patients/{patient.pk}/"
    for url in ("/", page, page + "panels/devices/", page + "panels/timeline/"):
        html = client.get(url).content.decode()
        assert not re.search(r"<[^>]+\sstyle=", html), url
        assert not re.search(r"<[^>]+\son\w+=", html), url
        scripts = re.findall(r"<script([^>]*)>", html)
        assert all("src=" in tag or "application/json" in tag for tag in scripts), url
        assert "https://" not in html, url


def test_names_and_record_numbers_stay_out_of_addresses(sign_in, patient) -> None:
    html = sign_in("nurse").get("/").content.decode()
    addresses = re.findall(r'(?:href|action|src|hx-\w+)="([^"]+)"', html)
    assert any(str(patient.pk) in address for address in addresses)
    assert not any("byron" in address.lower() or "T-001" in address for address in addresses)


def test_sign_in_page_says_what_was_wrong_and_lets_the_right_password_in(client, cast) -> None:
    page = "/account/login/"
    wrong = client.post(page, {"login": "nurse", "password": "wrong words"})
    assert 'role="alert"' in wrong.content.decode()
    right = client.post(page, {"login": "nurse", "password": "correct horse battery"})
    assert (right.status_code, right["Location"]) == (302, "/account/second-factor/")


def test_error_page_says_what_to_do_next(sign_in, foreign_patient) -> None:
    response = sign_in("nurse").get(f"/patients/{foreign_patient.pk}/", headers={"accept": "text/html"})
    assert response.status_code == 404
    assert "Back to the ward" in response.content.decode()
    assert "not_found" in response.content.decode()


def test_current_page_is_marked_in_the_navigation(sign_in, patient) -> None:
    client = sign_in("nurse")
    for url in ("/", f"/patients/{patient.pk}/"):
        assert re.findall(r'href="([^"]+)" aria-current="page"', client.get(url).content.decode()) == ["/"]
