"""`make docs`: the pages are made without a warning, every link leads somewhere, none needs a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

pytestmark = [pytest.mark.long, pytest.mark.slow]
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc="https?:|<link\b[^>]*rel="stylesheet"[^>]*href="https?:"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as `make docs` makes them. A link that leads nowhere is a warning, and a warning is an error."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", str(DOCS), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr
    return out


def test_every_page_is_made(site: Path) -> None:
    written = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert [str(page) for page in written if not (site / page).is_file()] == []


def test_no_page_fetches_anything_from_the_network(site: Path) -> None:
    fetching = [page.name for page in site.rglob("*.html") if FETCHED.search(page.read_text(encoding="utf-8"))]
    assert fetching == []


def test_the_api_is_there_with_signatures(site: Path) -> None:
    page = (site / "python-api.html").read_text(encoding="utf-8")
    assert 'id="vlmdata.build"' in page
    assert 'id="vlmtrain.sft"' in page
