"""The sample of written texts in report.html."""

from __future__ import annotations

from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.description.catalog import Catalog, described
from tests.vlmdata.description.servers.gemini import GeminiServer


@pytest.mark.usefixtures("key", "fast")
def test_the_report_shows_written_texts_with_their_photos_to_a_person(catalog: Catalog, tmp_path: Path) -> None:
    catalog.write(40, texts=dict.fromkeys(range(35), "A chair that a person has described with care."))
    recipe = catalog.recipe()
    with GeminiServer() as server:
        described(recipe, server)
    vlmdata.build(recipe, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count('<span class="badge">written by a model</span>') == 5
    assert page.count("gemini-test-001") == 5
    for text in catalog.texts().values():
        assert text in page
