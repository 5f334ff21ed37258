"""Run by ms-swift's Python: `read_swift.py FILE`, with ROOT_IMAGE_DIR set. Its own loader and image reader."""

from __future__ import annotations

import sys

from seen import pixels, tell
from swift.dataset import load_dataset
from swift.template.vision_utils import load_image

dataset, _ = load_dataset([sys.argv[1]], strict=True, load_from_cache_file=False)
tell(
    [
        {
            "turns": [[turn["role"], turn["content"]] for turn in row["messages"]],
            "images": [pixels(load_image(image["bytes"] or image["path"])) for image in row.get("images") or ()],
        }
        for row in dataset
    ]
)
