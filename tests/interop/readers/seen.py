"""What a loader saw of a row, in the same words for every project: roles, texts, and the pixels of its images."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any


def pixels(image: Any) -> str:
    """The size and the sha256 of a PIL image's pixels in RGB."""
    shown = image.convert("RGB")
    return f"{shown.width}x{shown.height}:{hashlib.sha256(shown.tobytes()).hexdigest()}"


def tell(rows: list[dict[str, Any]]) -> None:
    """Print the rows after a line that parts them from what the project itself prints."""
    sys.stdout.flush()
    print(f"\nSEEN {json.dumps(rows)}", flush=True)
