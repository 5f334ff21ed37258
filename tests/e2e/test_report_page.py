"""report.html in a real browser: it renders, filters, keeps hostile data as text, and asks nobody for anything."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vlmdata.shop import drawn, encoded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
HOSTILE = '<script>document.title="owned"</script>'
BROKEN_OUT = '"><img src=x onerror="document.title=1">.png'
RECIPE = """
dataset: {name: 'shop </script><script>document.title="owned"</script>'}
source: {type: csv, path: products.csv, where: "active == '1'"}
id: sku
images: {root: photos, from: photo}
tags: [kind, language]
fields: [title]
conversations: [{user: [images, "Describe: {{ title }}"], assistant: "{{ text }}"}]
split: {train: 0.6, test: 0.4}
max_rejected: 100%
"""
CONTRAST = """
const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
const numbers = (words) => (words.match(/[\\d.]+/g) || []).map(Number);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = numbers(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found;
  }
  return [255, 255, 255];
};
const poor = [];
let seen = 0;
for (const element of document.body.querySelectorAll("*")) {
  const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
  const box = element.getBoundingClientRect();
  if (!own || box.width < 2 || ["SCRIPT", "title"].includes(element.tagName)) continue;
  const style = getComputedStyle(element);
  const ink = numbers(element instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  seen += 1;
  if (ratio < 4.5) poor.push([element.tagName, element.className.baseVal ?? element.className, ratio.toFixed(2)]);
}
return [poor, seen];
"""


def products() -> Iterator[list[str]]:
    yield ["sku", "photo", "title", "kind", "language", "text", "active"]
    for number in range(60):
        row = [f"S{number}", f"{number % 8}.png", f"Mug {number}", ("mug", "lamp", HOSTILE)[number % 3], "en"]
        yield [*row, f"Mug number {number}, for tea. " * (1 + number % 9), "1"]
    yield ["A1", "0.png", HOSTILE, "mug", "ar", "كوب شاي من الخزف (SKU-12)، آمن لغسالة الصحون.", "1"]
    yield ["J1", "1.png", "湯呑み", "mug", "ja", "静かな朝のための、釉薬をかけた陶器の湯呑み。", "1"]
    yield ["L1", "1.png", "long", "mug", "en", "x" * 30_000, "1"]
    yield ["G1", "gone.png", "gone", "mug", "en", "A mug.", "1"]
    yield ["G2", BROKEN_OUT, HOSTILE, "mug", "en", "A mug.", "1"]
    yield ["E1", "2.png", "empty", "lamp", "en", "", "1"]
    yield ["O1", "2.png", "off", "lamp", "en", "A lamp.", "0"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose texts are hostile, built."""
    import vlmdata

    folder = tmp_path_factory.mktemp("shop")
    (folder / "photos").mkdir()
    for number in range(8):
        (folder / "photos" / f"{number}.png").write_bytes(encoded(drawn(number, (120 + 40 * number, 90 + 25 * number))))
    with (folder / "products.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(products())
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return vlmdata.build(vlmdata.load_recipe(folder / "recipe.yaml"), folder / "dataset").path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window, which logs what it asks the network for."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not CHROMIUM or not DRIVER:
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, dataset: Path) -> Any:
    """The report, opened anew at a desktop's width, in a light theme."""
    look(browser, width=1280)
    browser.get((dataset / "report.html").as_uri())
    return browser


def look(browser: Any, *, width: int, theme: str = "light") -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def visible(page: Any, selector: str) -> list[Any]:
    return page.execute_script(
        "return Array.from(document.querySelectorAll(arguments[0])).filter((each) => each.getClientRects().length)",
        selector,
    )


def choose(page: Any, name: str, words: str) -> None:
    from selenium.webdriver.support.select import Select

    Select(page.find_element("id", f"filter-{name}")).select_by_visible_text(words)


def test_the_page_renders_with_its_verdict_charts_and_pictures(page: Any) -> None:
    assert page.find_element("css selector", ".verdict").text == (
        "63 of 67 rows are used; 1 is skipped, as the recipe asks; 3 were rejected, 2 of them for images.missing."
    )
    assert len(visible(page, "svg[role=img]")) == 7
    assert len(visible(page, "svg.sankey")) == 1
    boxes = "Array.from(document.querySelectorAll('.chart svg')).map((each) => each.getBoundingClientRect().toJSON())"
    for box in page.execute_script(f"return {boxes}"):
        assert box["width"] > 200
        assert box["height"] > 100
    broken = "return Array.from(document.images).filter((each) => { each.loading = 'eager'; return !each.src; }).length"
    assert page.execute_script(broken) == 0
    decoded = "Array.from(document.images).map((each) => each.decode().then(() => each.naturalWidth))"
    widths = page.execute_script(f"return Promise.all({decoded})")
    assert len(widths) > 20
    assert min(widths) > 50


def test_hostile_data_stays_text(page: Any) -> None:
    assert page.title == 'shop </script><script>document.title="owned"</script>: report'
    assert page.find_element("tag name", "h1").text == 'shop </script><script>document.title="owned"</script>'
    assert page.execute_script("return document.scripts.length") == 1
    assert page.execute_script("return document.querySelectorAll('img:not([src^=\"data:image/jpeg\"])').length") == 0
    choose(page, "kind", "rejected")
    for details in page.find_elements("css selector", ".findings details, #cards details"):
        page.execute_script("arguments[0].open = true", details)
    body = page.find_element("tag name", "body").text
    assert HOSTILE in body
    assert BROKEN_OUT in body
    assert page.title.endswith(": report")


def test_filters_show_the_rows_of_a_rule_a_split_and_a_tag(page: Any) -> None:
    total = len(visible(page, "#cards > .card"))
    assert page.find_element("id", "shown").text == f"{total} rows"
    page.find_element("css selector", "button.to-rows[data-rule='images.missing']").click()
    assert len(visible(page, "#cards > .card")) == 2
    assert page.find_element("id", "shown").text == f"2 of {total} rows"
    page.find_element("id", "reset").click()
    choose(page, "split", "test")
    of_test = len(visible(page, "#cards > .card"))
    assert 0 < of_test < total
    assert len(visible(page, "#cards > .card[data-split=test]")) == of_test
    choose(page, "tag", f"kind: {HOSTILE}")
    both = visible(page, "#cards > .card")
    assert 0 < len(both) < of_test
    assert all(HOSTILE in card.text for card in both)
    page.find_element("id", "reset").click()
    assert len(visible(page, "#cards > .card")) == total


def test_no_request_leaves_the_page_and_the_console_is_quiet(browser: Any, dataset: Path) -> None:
    browser.get("about:blank")
    for kind in ("performance", "browser"):
        browser.get_log(kind)
    address = (dataset / "report.html").as_uri()
    browser.get(address)
    browser.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert address in asked
    assert [url for url in asked if url != address and not url.startswith("data:")] == []
    assert browser.get_log("browser") == []


def test_the_policy_stops_a_script_and_a_request_that_were_put_in_later(page: Any) -> None:
    blocked = page.execute_async_script(
        """
        const done = arguments[0], seen = [];
        document.addEventListener("securitypolicyviolation", (event) => {
          seen.push(event.effectiveDirective);
          if (seen.length === 2) done(seen.sort());
        });
        const script = document.createElement("script");
        script.textContent = "document.title = 'owned'";
        document.body.append(script);
        new Image().src = "http://127.0.0.1:9/x.png";
        """
    )
    assert blocked == ["img-src", "script-src-elem"]
    assert page.title != "owned"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(page: Any, theme: str) -> None:
    look(page, width=1280, theme=theme)
    poor, seen = page.execute_script(CONTRAST)
    assert poor == []
    assert seen > 300


def test_the_switch_goes_through_the_themes(page: Any) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    light, button = page.execute_script(paper), page.find_element("id", "theme")
    button.click()
    assert (button.text, page.execute_script(paper)) == ("Theme: light", light)
    button.click()
    assert button.text == "Theme: dark"
    assert page.execute_script(paper) != light
    look(page, width=1280, theme="dark")
    button.click()
    assert button.text == "Theme: auto"
    assert page.execute_script(paper) != light


def test_a_phone_shows_everything_without_scrolling_sideways(page: Any) -> None:
    look(page, width=360)
    for details in page.find_elements("tag name", "details"):
        page.execute_script("arguments[0].open = true", details)
    assert page.execute_script("return document.documentElement.scrollWidth") == 360
    wide = "(each) => each.getBoundingClientRect().right > 361 && !each.closest('.wide')"
    beyond = page.execute_script(f"return Array.from(document.querySelectorAll('main *')).filter({wide})")
    assert [each.tag_name for each in beyond] == []
    assert visible(page, "svg.sankey") == []
    assert len(visible(page, ".flow-table td")) > 10


def test_right_to_left_text_begins_at_the_right(page: Any) -> None:
    said = page.execute_script(
        "return Array.from(document.querySelectorAll('.said')).filter((each) => each.textContent.includes('كوب'))"
    )
    for each in said:
        assert each.get_attribute("lang") == "ar"
        assert page.execute_script("return getComputedStyle(arguments[0]).direction", each) == "rtl"
    japanese = page.execute_script("return document.querySelectorAll('.said[lang=ja]').length")
    assert len(said) + japanese > 0


def test_the_page_is_readable_with_scripts_off(browser: Any, dataset: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((dataset / "report.html").as_uri())
        body = browser.find_element("tag name", "body").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "63 of 67 rows are used" in body
    assert "Mug number" in body
    assert "Theme:" not in body
    assert "Show all" not in body


def test_a_validation_result_is_a_page_too(browser: Any, dataset: Path, tmp_path: Path) -> None:
    import vlmdata
    from vlmdata.reports.html import html_page

    path = tmp_path / "out.html"
    path.write_text(html_page(vlmdata.validate(dataset)), encoding="utf-8")
    look(browser, width=360)
    browser.get(path.as_uri())
    assert browser.find_element("tag name", "h1").text in {"Passed", "Failed"}
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
