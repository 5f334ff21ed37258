"""The dataset in others' formats, one a file, each a class that writes rows and says what it can't hold."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from vlmdata.errors import ConfigError
from vlmdata.settings import nearest

if TYPE_CHECKING:
    from vlmdata.exports.protocol import Exporter

BUILT_IN = {
    "trl": "vlmdata.exports.trl:Trl",
    "trl-prompt-completion": "vlmdata.exports.trl:TrlPromptCompletion",
    "llamafactory": "vlmdata.exports.llamafactory:LlamaFactory",
    "ms-swift": "vlmdata.exports.ms_swift:MsSwift",
    "llava": "vlmdata.exports.llava:Llava",
    "openai": "vlmdata.exports.openai:OpenAI",
    "gemini": "vlmdata.exports.gemini:Gemini",
    "oumi": "vlmdata.exports.oumi:Oumi",
    "imagefolder": "vlmdata.exports.imagefolder:ImageFolder",
    "webdataset": "vlmdata.exports.webdataset:WebDataset",
    "parquet": "vlmdata.exports.parquet:Parquet",
    "vlmevalkit": "vlmdata.exports.vlmevalkit:VlmEvalKit",
}
"""For each format, the class that writes it."""

OTHER_NAMES = {
    **dict.fromkeys(("llama-factory", "llama_factory", "sharegpt"), "llamafactory"),
    **dict.fromkeys(("swift", "ms_swift", "msswift"), "ms-swift"),
    **dict.fromkeys(("prompt-completion", "trl_prompt_completion"), "trl-prompt-completion"),
    **dict.fromkeys(("vertex", "google"), "gemini"),
    **dict.fromkeys(("wds",), "webdataset"),
    **dict.fromkeys(("image-folder", "image_folder"), "imagefolder"),
    **dict.fromkeys(("hub",), "parquet"),
    **dict.fromkeys(("tsv",), "vlmevalkit"),
}
"""Names that people use for a format."""


def format_named(name: str) -> str:
    """A format by any of its names. Raises ConfigError for one that is unknown."""
    known = name.strip().lower()
    known = OTHER_NAMES.get(known, known)
    if known not in BUILT_IN:
        hint = nearest(known, [*BUILT_IN, *OTHER_NAMES]) or f"the formats are {', '.join(BUILT_IN)}"
        raise ConfigError(f"--to {name}: there is no such format; {hint}")
    return known


def exporter_of(name: str) -> type[Exporter]:
    """The class that writes a format."""
    module, _, attribute = BUILT_IN[name].partition(":")
    return cast("type[Exporter]", getattr(import_module(module), attribute))
