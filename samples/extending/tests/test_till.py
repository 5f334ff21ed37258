"""The till's export is a source: no line of it is lost, whatever stands in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from shop_plugins.till import open_till

from vlmdata.errors import SourceError
from vlmdata.recipe import SourceConfig
from vlmdata.testing import conforms_source

SHOP = Path(__file__).parent.parent / "shop"


def test_the_shops_export_conforms() -> None:
    config = SourceConfig(type="shop_plugins.till:open_till", path=SHOP / "products.till")
    conforms_source(open_till, config, rows=3, rejected=1)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# a note\n\nsku: A\n", "sku: A\n\n\n\nsku: B\r\ntitle: x: y\n", "no colon"]
)
def test_odd_exports_conform(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.till").write_text(text, encoding="utf-8")
    conforms_source(open_till, SourceConfig(type="till", path=tmp_path / "odd.till"))


def test_a_key_that_is_misspelt_is_refused() -> None:
    with pytest.raises(SourceError, match="did you mean 'encoding'"):
        open_till(SourceConfig(type="till", path=SHOP / "products.till", options={"encodin": "cp1252"}))
