"""Whatever is posted to a Dash page, what its page does not ask is refused by name, and nothing breaks."""

from __future__ import annotations

import json

import pytest

from tests.twin.dashboard.test_access import BACKEND, address, question
from twin.dashboard.pages import PAGES
from twin.dashboard.question import LONGEST_BODY

pytestmark = pytest.mark.django_db


def _with(**changed) -> str:
    return json.dumps({**question("energy"), **changed})


def _asking(search, intervals=None) -> str:
    searched = {"id": "url", "property": "search", "value": search}
    return _with(inputs=[searched, {"id": "refresh", "property": "n_intervals", "value": intervals}])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[",
        "[" * 20_000,
        "[]",
        "null",
        "{}",
        _with(output="..other.children.."),
        _with(output=1),
        _with(outputs=[]),
        _with(outputs=[{"id": "url", "property": "search"}]),
        _with(inputs=[]),
        _with(inputs=[{"id": "url", "property": "search"}] * 2),
        _with(changedPropIds=7),
        _asking(5),
        _asking({"a": 1}),
        _asking(1e308),
        _asking("", "now"),
        _asking("x" * LONGEST_BODY),
    ],
    ids=range(18),
)
def test_what_the_page_does_not_ask_is_refused(client, cast, body):
    client.force_login(cast["nurse"], backend=BACKEND)
    answer = client.post(
        address("energy", "_dash-update-component"), body, "application/json", headers={"accept": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "question_refused")


@pytest.mark.parametrize("page", PAGES)
def test_what_its_callback_does_not_know_is_not_passed_on(client, cast, page):
    client.force_login(cast["nurse"], backend=BACKEND)
    body = {**question(page, "?ward=\0&period=7d"), "state": 5, "background": {"x": 1}}
    assert client.post(address(page, "_dash-update-component"), body, "application/json").status_code == 200
