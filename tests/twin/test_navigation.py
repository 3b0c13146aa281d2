"""The pages that a person is offered."""

from __future__ import annotations

from twin.views.navigation import PAGES, Drawer, Link, navigation


def test_who_may_nothing_is_offered_nothing() -> None:
    assert navigation(lambda _right: False, "/") == []


def test_who_may_everything_is_offered_every_page_once() -> None:
    found = navigation(lambda _right: True, "/")
    urls = [link.url for one in found for link in (one.links if isinstance(one, Drawer) else (one,))]
    assert sorted(urls) == sorted(url for _name, pages in PAGES for _title, url, _right in pages)


def test_a_drawer_with_one_page_is_that_page() -> None:
    assert navigation(lambda right: right == "compliance.view_log", "/") == [Link("Log", "/log/", False)]


def test_the_drawer_of_the_open_page_is_marked_and_no_other() -> None:
    found = navigation(lambda _right: True, "/log/entries/3/")
    assert [one.name for one in found if one.current] == ["Records"]


def test_a_patient_belongs_to_the_ward() -> None:
    assert [one.name for one in navigation(lambda _right: True, "/patients/7/timeline/") if one.current] == ["Ward"]
