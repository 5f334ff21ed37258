"""An evaluation's report.html in a real browser: verdict, filters, hostile data, a phone; it asks for nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_report_page import CONTRAST, browser, choose, look, visible  # noqa: F401  (browser is a fixture)
from tests.vlmdata.shop import drawn, encoded
from tests.vlmtrain.answered import a_control, a_row, candidate, references, result
from vlmtrain.page_evaluation import evaluation_page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HOSTILE = '</style></script><script>document.title="owned"</script><img src=x onerror="document.title=1">'
TRAINING = {"training": {"steps": 80, "seconds": 70, "history": [{"step": n, "loss": 3 / n} for n in range(1, 80)]}}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with fixed, broken, changed and equal rows, in several scripts, one of them hostile."""
    rows = [a_row(place, prompt=f"Describe number {place}.") for place in range(60)]
    rows[1]["fields"][1]["value"] = HOSTILE
    rows[2]["messages"][-1]["content"][0]["text"] = "كوب شاي أحمر من الخزف، آمن لغسالة الصحون. Tavi green"
    rows[3]["messages"][-1]["content"][0]["text"] = "静かな朝のための、釉薬をかけた陶器の湯呑み。Tavi grey"
    told = references(rows)
    base = [f"A mug {HOSTILE}" if place % 4 else text for place, text in enumerate(told)]
    tuned: list[str | None] = [text if place % 12 else f"{text[:9]} cup" for place, text in enumerate(told)]
    tuned[5] = None
    first, adapter = candidate("base", rows, base), candidate("adapter", rows, tuned)
    found = result(rows, (first, adapter), (a_control(adapter, rows, looks=1_000),))
    photos = {row["id"]: [encoded(drawn(place % 9, (240, 180)))] for place, row in enumerate(rows)}
    path = tmp_path_factory.mktemp("eval") / "report.html"
    path.write_text(evaluation_page(found, photos=photos.__getitem__, training=TRAINING), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, report: Path) -> Any:  # noqa: F811
    """The page, opened anew at a desktop's width, in a light theme."""
    look(browser, width=1280)
    browser.get(report.as_uri())
    return browser


def test_the_three_answers_stand_in_the_first_screen(page: Any) -> None:
    cards = visible(page, ".tell")
    assert [card.find_element("css selector", ".word").text for card in cards] == [
        "Yes: from 25% to 88%",
        "Better in colour, brand and category mug",
        "Yes",
    ]
    assert all(card.rect["y"] + card.rect["height"] < 800 for card in cards)
    assert all(card.find_elements("css selector", "svg.lane") for card in cards)


def test_hostile_data_stays_text(page: Any) -> None:
    assert page.title == "Evaluation: adapter"
    assert page.execute_script("return document.scripts.length") == 1
    assert page.execute_script("return document.querySelectorAll('img:not([src^=\"data:image/jpeg\"])').length") == 0
    assert HOSTILE in page.find_element("tag name", "body").text


def test_filters_show_the_rows_of_a_kind_and_of_a_slice(page: Any) -> None:
    total = len(visible(page, "#cards > .card"))
    assert page.find_element("id", "shown").text == f"{total} rows"
    choose(page, "kind", "broken")
    broken = visible(page, "#cards > .card")
    assert 0 < len(broken) < total
    assert all("broken" in card.find_element("css selector", ".badges").text for card in broken)
    page.find_element("id", "reset").click()
    choose(page, "tag", "category: lamp")
    lamps = visible(page, "#cards > .card")
    assert 0 < len(lamps) < total
    assert all("category: lamp" in card.text for card in lamps)
    choose(page, "kind", "fixed")
    assert 0 < len(visible(page, "#cards > .card")) < len(lamps)
    page.find_element("id", "reset").click()
    assert len(visible(page, "#cards > .card")) == total


def test_answers_stand_side_by_side_with_their_differences_and_photos(page: Any) -> None:
    (card, *_) = visible(page, "#cards > .card")
    columns = card.find_elements("css selector", ".answer")
    assert [column.find_element("tag name", "h4").text.split("\n")[0] for column in columns] == [
        "reference",
        "base",
        "adapter",
    ]
    assert len({column.rect["y"] for column in columns}) == 1
    assert page.find_elements("css selector", "#cards ins")
    assert page.find_elements("css selector", "#cards .chips .missed")
    page.execute_script("for (const each of document.images) each.loading = 'eager'")
    decoded = "Array.from(document.images).map((each) => each.decode().then(() => each.naturalWidth))"
    widths = page.execute_script(f"return Promise.all({decoded})")
    assert len(widths) > 10
    assert min(widths) >= 150


def test_no_request_leaves_the_page_and_the_console_is_quiet(browser: Any, report: Path) -> None:  # noqa: F811
    browser.get("about:blank")
    for kind in ("performance", "browser"):
        browser.get_log(kind)
    browser.get(report.as_uri())
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert report.as_uri() in asked
    assert [url for url in asked if url != report.as_uri() and not url.startswith("data:")] == []
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(page: Any, theme: str) -> None:
    look(page, width=1280, theme=theme)
    poor, seen = page.execute_script(CONTRAST)
    assert poor == []
    assert seen > 300


def test_a_phone_shows_everything_without_scrolling_sideways(page: Any) -> None:
    look(page, width=390)
    for details in page.find_elements("tag name", "details"):
        page.execute_script("arguments[0].open = true", details)
    assert page.execute_script("return document.documentElement.scrollWidth") == 390
    wide = "(each) => each.getBoundingClientRect().right > 391 && !each.closest('.top, .wide')"
    beyond = page.execute_script(f"return Array.from(document.querySelectorAll('main *')).filter({wide})")
    assert [(each.tag_name, each.text[:40]) for each in beyond] == []
    sideways = "(each) => each.scrollWidth > each.clientWidth + 1"
    tables = page.execute_script(f"return Array.from(document.querySelectorAll('.folding .wide')).filter({sideways})")
    assert [each.get_attribute("aria-label") for each in tables] == []


def test_right_to_left_text_begins_at_the_right(page: Any) -> None:
    arabic = "(each) => each.textContent.includes('كوب')"
    said = page.execute_script(f"return Array.from(document.querySelectorAll('.answer .said')).filter({arabic})")
    assert said
    assert {page.execute_script("return getComputedStyle(arguments[0]).direction", each) for each in said} == {"rtl"}


def test_the_page_is_readable_with_scripts_off(browser: Any, report: Path) -> None:  # noqa: F811
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(report.as_uri())
        body = browser.find_element("tag name", "body").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "Did the adapter help?" in body
    assert "Describe number" in body
    assert "Show all" not in body
