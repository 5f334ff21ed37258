"""What the tests of descriptions share."""

from tests.vlmdata.description.catalog import catalog, fast, key

__all__ = ["catalog", "fast", "key"]
