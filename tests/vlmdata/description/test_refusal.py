"""What a refusal becomes: kinds, waiting times, and words without the key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmdata.description.provider import Secret
from vlmdata.description.refusal import Refusal, google_refusal, kind_of, retry_after, shown

KEY = Secret("AIza/Key+With=Signs")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (307, "model"),
        (400, "invalid"),
        (401, "key"),
        (402, "quota"),
        (403, "key"),
        (404, "model"),
        (408, "timeout"),
        (413, "invalid"),
        (429, "rate_limit"),
        (500, "server"),
        (502, "server"),
        (504, "timeout"),
        (529, "server"),
    ],
)
def test_a_status_has_one_meaning(status: int, kind: str) -> None:
    assert kind_of(status) == kind
    assert Refusal(status=status, message="").fault(KEY).kind == kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_how_long_to_wait_is_read_in_every_form_and_never_made_up(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers) == seconds


def test_a_date_to_wait_for_is_seconds_from_now() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < (retry_after({"retry-after": until}) or 0) <= 90


def test_the_longest_of_two_waits_is_taken() -> None:
    body = {"error": {"details": [{"retryDelay": "12.5s"}, {"retryDelay": "odd"}, "odd"]}}
    assert google_refusal(429, body, {"retry-after": "3"}).retry_after == 12.5


@pytest.mark.parametrize("body", [None, [], "text", {"error": "text"}, {"error": {"details": 5}}, {"error": None}])
def test_an_error_in_no_known_form_is_still_a_fault(body: object) -> None:
    assert google_refusal(503, body, {}).fault(KEY).kind == "server"


@given(before=st.text(), after=st.text())
def test_no_text_around_a_key_makes_it_show(before: str, after: str) -> None:
    assert KEY.reveal() not in shown(before + KEY.reveal() + after, KEY)


def test_a_key_in_an_address_is_not_shown_either() -> None:
    assert shown("GET /v1?key=AIza%2FKey%2BWith%3DSigns failed", KEY) == "GET /v1?key=*** failed"


def test_a_masked_key_shows_nothing_of_its_ends() -> None:
    assert shown("Incorrect API key provided: sk-ab***********yz. You", KEY) == "Incorrect API key provided: ***. You"


def test_words_are_shown_on_one_line_and_cut() -> None:
    assert shown("two\n lines\x1b[31m", KEY) == "two lines [31m"
    assert shown("x" * 1000, KEY).endswith("... (1,000 characters)")
