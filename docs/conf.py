"""How Sphinx makes the pages: `make docs`. The Markdown reads well on GitHub too, so no page needs it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.util import logging

from vlmdata.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent
LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
SECTION = re.compile(r"^## (?P<title>.+)\n(?P<body>(?:(?!^## ).*\n?)*)", re.MULTILINE)
logger = logging.getLogger(__name__)

project = "vlmdata and vlmtrain"
author = "the vlmdata authors"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["images/*.md"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # printed text with brackets is no code of any language
highlight_language = "text"
default_role = "code"  # what stands between single back quotes in a docstring

autodoc_default_options = {"members": True, "show-inheritance": False, "undoc-members": False}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_title = "vlmdata and vlmtrain"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True, "source_edit_link": ""}


def toctrees(_app: Sphinx, name: str, source: list[str]) -> None:
    """The lists of links on the first page are the tables of contents: one list, read here and on GitHub."""
    if name != "index":
        return
    for section in SECTION.finditer(source[0]):
        links = [link for link in LINK.finditer(section["body"]) if link[2].endswith(".md")]
        listed = "\n".join(f"{link[1]} <{link[2].removesuffix('.md')}>" for link in links)
        if listed:
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {section['title']}\n\n{listed}\n```\n"


def rule_pages(_app: Sphinx, name: str, source: list[str]) -> None:
    """Their list leads to the pages of rules; 250 lines more in the navigation of every page would help nobody."""
    if name.startswith("rules/") and name != "rules/README":
        source[0] = f"---\norphan: true\n---\n{source[0]}"


def links_out(_app: Sphinx, name: str, source: list[str]) -> None:
    """A link to a file of the repository is its name here, where the repository is not. A missing file warns."""
    folder = (DOCS / name).parent

    def told(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link[2]))
        if target.is_relative_to(DOCS) and not target.is_dir():
            return link[0]
        if not target.exists():
            logger.warning("%s: there is no file %s", name, link[2], type="links", subtype="out")
        words = link[1].strip("`")
        path = os.path.relpath(target, DOCS.parent)
        return f"`{path}`" if words == path else f"{link[1]} (`{path}`)"

    source[0] = LINK.sub(told, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """What is done to each page before it is read."""
    app.connect("source-read", links_out)
    app.connect("source-read", toctrees)
    app.connect("source-read", rule_pages)
    return {"parallel_read_safe": True}
