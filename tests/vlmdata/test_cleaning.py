"""The steps that tidy a text: what each changes, and that it leaves everything else alone."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.convert.cleaning import STEPS, mojibake, nfc, whitespace
from vlmdata.convert.html_text import html_to_text

HTML = {
    "<p>A</p><p>B &amp; C</p>": "A\nB & C",
    "<div>One</div>two<div>three</div>": "One\ntwo\nthree",
    "one<br>two<br/>three<BR />": "one\ntwo\nthree",
    "one<br><br>two<br><br><br><br>three": "one\n\ntwo\n\nthree",
    "<h2>Care</h2>\n\n<p>Wash by\n hand.</p>": "Care\nWash by hand.",
    "Made of <b>solid</b> <i>oak</i>.": "Made of solid oak.",
    "<ul><li>One</li><li>Two <b>bold</b></li></ul>After": "- One\n- Two bold\nAfter",
    "<ul><li><p>One</p></li><li></li>\n<li> <div>Two</div></li></ul>": "- One\n- Two",
    "<ol><li>a<ul><li>b</li></ul></li></ol>": "- a\n- b",
    "<table><tr><th>Width</th><td>10 cm</td></tr><tr><td>Height</td><td>5</td></tr></table>": "Width 10 cm\nHeight 5",
    "<script>if (a<b) alert('x')</script>Shown<style>p {color: red}</style>": "Shown",
    "a<!-- not shown <b> --> b": "a b",
    "<p>a</p><!-- never ends": "a\n<!-- never ends",
    "<p>a<o:p></o:p></p><p>&nbsp;</p><p></p>": "a",
    "<![CDATA[<p>5 &gt; 3</p>]]>": "5 > 3",
    "<?xml version='1.0'?><!DOCTYPE html><html><head><title>No</title></head><body>Yes</body></html>": "Yes",
    '<a href="https://shop.example/?a=1&b=2" title="x">Link</a>': "Link",
    "&lt;p&gt;A &amp;amp; B&lt;/p&gt;": "A & B",
    "no tag\nbut &uuml;, 5&nbsp;kg, &#8364;3 &#x1F600;": "no tag\nbut ü, 5\u00a0kg, €3 \U0001f600",
    "line one\nline <b>two</b>\n\nline four": "line one\nline two\n\nline four",
    "<pre>a\n  b</pre>": "a\nb",
    "<p>&#xD800;</p>": "\ufffd",
    "": "",
}
LEFT_ALONE = (
    "for widths < 10 cm & heights > 5",
    "a<b and c>d",
    "Jacket by <Marke>, 3 <4",
    "AT&T, Q&A, a=1&copy=2, R&D;",
    "two\n\nlines\t with  spaces",
    "https://shop.example/a.jpg",
    "<p unfinished",
    "a.jpg",
)


@pytest.mark.parametrize("html", HTML)
def test_html_becomes_what_a_reader_sees(html: str) -> None:
    assert html_to_text(html) == HTML[html]


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_a_text_that_is_no_html_stays_as_it_is(text: str) -> None:
    assert html_to_text(text) == text


@given(st.text(st.sampled_from("ab <>/&;p\n'\"!-[]=br#x0"), max_size=60))
def test_any_signs_give_a_text(text: str) -> None:
    html_to_text(text).encode("utf-8")
    html_to_text(f"<p>{text}").encode("utf-8")


@given(st.text(st.characters(exclude_characters="<>&", exclude_categories=["Cc", "Cs"]), max_size=80))
def test_words_between_tags_are_kept(text: str) -> None:
    assert html_to_text(f"<div>{text}</div>").split() == text.split()
    assert html_to_text(text) == text


def test_white_space_is_tidied_and_paragraphs_stay() -> None:
    assert whitespace("  a \u00a0\t b\u2003c \r\n\r\n\r\n\r\nd\re ") == "a b c\n\nd\ne"
    assert whitespace("\u00a0\n ") == ""


@given(st.text())
def test_white_space_loses_no_word_and_is_done_once(text: str) -> None:
    assert whitespace(text).split() == text.split()
    assert whitespace(whitespace(text)) == whitespace(text)


@given(st.text())
def test_nfc_is_unicodes_own(text: str) -> None:
    assert nfc(text) == unicodedata.normalize("NFC", text)


def test_mojibake_is_mended_and_nothing_else_is() -> None:
    assert mojibake("GrÃ¶ÃŸe â€“ schÃ¶n") == "Größe – schön"
    for text in ("Größe", "“quoted” – ﬁne &amp; ｗｉｄｅ", "e\u0301 \u00a0 a\r\nb", "Ã", "naïve café"):
        assert mojibake(text) == text


@pytest.mark.parametrize("step", STEPS)
def test_every_step_leaves_a_plain_text_alone(step: str) -> None:
    assert STEPS[step]("A red mug, 0.3 l.\nFor tea & coffee.") == "A red mug, 0.3 l.\nFor tea & coffee."
