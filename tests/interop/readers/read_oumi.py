"""Run by oumi's Python in the export's folder: `read_oumi.py FILE`. Its own dataset class and image reader."""

from __future__ import annotations

import sys

from oumi.datasets import VLJsonlinesDataset
from oumi.utils.conversation_utils import load_pil_image_from_content_item
from seen import pixels, tell

dataset = VLJsonlinesDataset(dataset_path=sys.argv[1], return_conversations=True)
conversations = [dataset.conversation(index) for index in range(len(dataset))]
tell(
    [
        {
            "id": conversation.conversation_id,
            "turns": [
                [
                    message.role.value,
                    "".join("<image>" if item.is_image() else item.content for item in message.content_items),
                ]
                for message in conversation.messages
            ],
            "images": [
                pixels(load_pil_image_from_content_item(item))
                for message in conversation.messages
                for item in message.image_content_items
            ],
        }
        for conversation in conversations
    ]
)
