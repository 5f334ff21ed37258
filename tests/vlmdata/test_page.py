"""The frame of HTML pages: escaping, policy, charts, thumbnails."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from tests.vlmdata.pages import taken
from tests.vlmdata.shop import drawn, encoded
from vlmdata.page import HIDDEN, asset, document, shortened, size_words, table, text
from vlmdata.page.charts import Chart, Mark, histogram, scatter, ticks
from vlmdata.page.gallery import Card, Picture, card_html, conversation, filters, pairs, thumbnail
from vlmdata.reports.html_counts import Best, Distribution, Sizes, Tags, shared

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)> & \u2028 \u202e x"


@given(st.text())
def test_any_text_comes_back_from_a_page_as_it_was(value: str) -> None:
    plain = HIDDEN.sub("", value)
    assert html.unescape(text(plain)) == plain
    assert not set('<>"') & set(text(value))
    text(value).encode()


def test_characters_that_steer_are_shown_by_their_number() -> None:
    assert text("a\u202eb\x00c\ud800") == "a[U+202E]b[U+0000]c[U+D800]"
    assert text("line\r\nnext\ttab") == "line\n\nnext\ttab"
    assert text("\u200f\u0627\u0644 \u200d 日本語") == "\u200f\u0627\u0644 \u200d 日本語"


def test_a_text_is_cut_with_the_number_of_what_is_left_out() -> None:
    assert shortened("x" * 12_345, 345) == f"{'x' * 345} … (12,000 more characters)"
    assert shortened("short", 5) == "short"


def test_the_policy_forbids_every_request_and_knows_the_style_and_script_by_their_hashes() -> None:
    page = document(title=HOSTILE, body="<p>x</p>", links={"a": HOSTILE})
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:; ")
    for name, kind in (("page.css", "style"), ("page.js", "script")):
        body = re.search(rf"<{kind}>(.*?)</{kind}>", page, re.S)
        assert body is not None
        assert body[1] == asset(name)
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]
    assert "unsafe" not in policy[1]
    assert taken(page).tags["script"] == 1


def test_what_comes_from_data_stays_text_in_every_part_of_a_page() -> None:
    card = Card(
        title=HOSTILE,
        where=HOSTILE,
        kinds=("random",),
        split=HOSTILE,
        rules=(HOSTILE,),
        tags={HOSTILE: HOSTILE},
        body=conversation(
            [{"role": HOSTILE, "content": [{"type": "text", "text": HOSTILE}, {"type": "image", "text": None}]}],
            [Picture(uri="data:image/jpeg;base64,AAAA", shown=(4, 4), width=4, height=4, name=HOSTILE)],
            language='en" onclick="x',
        )
        + pairs(HOSTILE, {HOSTILE: HOSTILE}),
    )
    chart = Chart(title=HOSTILE, said=HOSTILE, unit=HOSTILE, words=lambda _: HOSTILE)
    counted = Distribution()
    counted.add(np.array([1, 2, 2]))
    numbers = {(HOSTILE, HOSTILE): 0}
    body = (
        filters([card], numbers)
        + card_html(card, numbers)
        + histogram(chart, counted.bins(), counted=HOSTILE)
        + scatter(chart, [Mark(x=3, y=4, count=2)], counted=HOSTILE)
        + table([HOSTILE], [["x"]], caption=HOSTILE)
    )
    found = taken(document(title=HOSTILE, body=body, links={}))
    assert found.tags["script"] == 1
    assert found.tags["img"] == 1
    assert found.text.count("<script>alert(1)</script>") >= 8
    assert "lang" not in re.findall(r'<p class="said"[^>]*>', body)[0]


def test_pictures_stand_in_their_place_in_the_text_and_those_left_out_are_named() -> None:
    content = [
        {"type": "text", "text": "first"},
        {"type": "image", "text": None},
        {"type": "text", "text": "between"},
        {"type": "image", "text": None},
    ]
    shown = conversation([{"role": "user", "content": content}], [thumbnail(encoded(drawn()), "mug.png")], "ar")
    order = [
        shown.index(word) for word in ("first", 'alt="image 1, 40 x 30, mug.png"', "between", "image 2: not shown")
    ]
    assert order == sorted(order)
    assert '<p class="said" dir="auto" lang="ar">' in shown


def test_a_conversation_without_end_is_cut_with_its_counts() -> None:
    long = [{"role": "user", "content": [{"type": "text", "text": "x" * 5_000}] * 500}] * 100
    shown = conversation(long, [])
    assert len(shown) < 60_000
    assert "4,300 more characters" in shown
    assert "476 more parts" in shown
    assert "88 more messages" in shown


def photo_with_secrets(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "SECRET"
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0)}
    options: dict[str, object] = {"exif": exif, "icc_profile": b"SECRET profile"}
    if kind == "JPEG":
        options |= {"comment": b"SECRET", "xmp": b"<x>SECRET</x>"}
    if kind == "PNG":
        information = PngImagePlugin.PngInfo()
        information.add_text("Comment", "SECRET")
        options["pnginfo"] = information
    return encoded(drawn(3, (400, 300)), kind, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_thumbnail_holds_nothing_of_the_file_but_its_pixels(kind: str) -> None:
    data = photo_with_secrets(kind)
    assert b"SECRET" in data
    made = thumbnail(data, "photo")
    assert (made.width, made.height, made.shown) == (400, 300, (224, 168))
    small = base64.b64decode(made.uri.removeprefix("data:image/jpeg;base64,"))
    assert b"SECRET" not in small
    assert b"Exif" not in small
    opened = Image.open(io.BytesIO(small))
    assert opened.size == (224, 168)
    assert not {"exif", "icc_profile", "comment", "xmp"} & set(opened.info)


def test_a_thumbnail_stands_upright_and_a_small_picture_stays_as_large_as_it_is() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made = thumbnail(encoded(drawn(1, (400, 300)), "JPEG", exif=exif))
    assert (made.width, made.height, made.shown) == (300, 400, (168, 224))
    assert thumbnail(encoded(drawn())).shown == (40, 30)


@pytest.mark.parametrize("data", [b"", b"<html>", encoded(drawn(0, (300, 300)), "JPEG")[:700]])
def test_bytes_that_are_no_picture_say_why(data: bytes) -> None:
    made = thumbnail(data, "x.jpg")
    assert made.uri == ""
    assert made.missing


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60))
def test_bins_hold_every_number_once_and_quantiles_are_right_to_three_digits(values: list[int]) -> None:
    counted = Distribution()
    for half in (values[::2], values[1::2]):
        counted.add(np.array(half, np.int64))
    assert counted.count == len(values)
    assert (counted.total, counted.largest) == (sum(values), max(values))
    bins = counted.bins()
    assert sum(one.count for one in bins) == len(values)
    assert all(one.high == following.low for one, following in pairwise(bins))
    ordered = sorted(values)
    middle = ordered[(len(ordered) + 1) // 2 - 1]
    assert abs(counted.quantile(0.5) - middle) <= middle * 0.006


def test_a_histogram_says_its_content_in_words_and_counts() -> None:
    counted = Distribution()
    counted.add(np.array([1, 1, 3]))
    shown = histogram(Chart(title="Images", said="median 1"), counted.bins(), counted="rows")
    assert 'aria-label="Images: median 1"' in shown
    assert [int(n) for n in re.findall(r"<title>\d+: (\d+) rows</title>", shown)] == [2, 0, 1]


def test_sizes_are_drawn_with_all_their_counts_however_many_there_are() -> None:
    sizes, random = Sizes(), np.random.default_rng(1)
    for _ in range(30):
        sizes.add(random.integers(1, 6000, 2_000), random.integers(1, 6000, 2_000))
    marks = sizes.marks()
    assert len(marks) <= 300
    assert sum(mark.count for mark in marks) == 60_000
    assert len(sizes.seen) < 40_000


def test_axes_have_round_numbers() -> None:
    assert ticks(90, 2100) == [100, 200, 500, 1000, 2000]
    assert ticks(3.1, 3.2) == [3]


def test_thousands_of_values_of_a_tag_are_counted_and_the_rest_said_to_be_more() -> None:
    import pyarrow as pa

    tags = Tags()
    for start in range(0, 20_000, 1_000):
        values = [f"v{number}" for number in range(start, start + 1_000)] + ["often"] * 50
        tags.add("train", pa.array(["kind"] * len(values)), pa.array(values))
    found = tags.names["kind"]
    assert found.top(1) == [("often", 1_000)]
    assert len(found.known) == 5_000
    assert found.others["train"] == 15_001
    for number in range(100):
        tags.add("train", pa.array([f"name{number}"]), pa.array([None], pa.string()))
    assert (len(tags.names), len(tags.further)) == (60, 41)


def test_the_best_rows_do_not_depend_on_how_the_rows_come_in() -> None:
    scores = np.random.default_rng(2).integers(0, 9, 500).astype(float)
    whole, pieces = Best(7), Best(7)
    whole.add(scores, 0)
    for start in range(0, 500, 33):
        pieces.add(scores[start : start + 33], start)
    assert whole.listed() == pieces.listed() == np.lexsort((np.arange(500), scores))[:7].tolist()


def test_what_sets_share_is_counted_once() -> None:
    sets = [[np.array([1, 2, 2], np.uint64)], [np.array([2], np.uint64), np.array([3], np.uint64)], []]
    assert shared(sets) == 1


def test_bytes_are_said_as_people_say_them() -> None:
    assert [size_words(size) for size in (12, 4_000, 2_500_000, 3 * 10**9)] == [
        "12 bytes",
        "4.0 kB",
        "2.5 MB",
        "3.0 GB",
    ]
