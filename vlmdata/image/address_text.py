"""What is made of an address as text: how a message may print it, and the file name that its image gets."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

PORT = re.compile(r"[^:]*(:[0-9]*)?|\[[^\]]*\](:[0-9]*)?")
LONGEST_SHOWN = 160
LONGEST_NAME_BYTES = 120
UNSAFE_IN_NAMES = re.compile(r'[/\\:*?"<>|]')
RESERVED_NAMES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
"""Names that Windows takes for a device, with any extension."""


def shown(url: str) -> str:
    """An address as a message may print it: without query, fragment, user and password, which may hold secrets."""
    kept = re.split(r"[?#]", url, maxsplit=1)[0]
    cut = "?…" if "?" in url else ""
    scheme, separator, rest = kept.partition("://")
    if separator:
        authority, slash, path = rest.partition("/")
        if "@" in authority:
            authority = f"…@{authority.rpartition('@')[2]}"
        if not PORT.fullmatch(authority):
            return f"{scheme}://…"
        kept = f"{scheme}://{authority}{slash}{path}"
    elif re.search("[,@]", kept):  # a data URI, or something that is no address at all
        kept, cut = re.split("[:,@]" if "@" in kept else ",", kept, maxsplit=1)[0], "…"
    if len(kept) > LONGEST_SHOWN:
        kept, cut = kept[:LONGEST_SHOWN], "…"
    return kept + cut


def name_of(url: str) -> str:
    """A bare file name for the image at an address: its path's last part, safe to create on any system.

    Empty where the path has none.
    """
    path = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")[2].partition("/")[2]
    last = unquote(path.rstrip("/").rpartition("/")[2], errors="replace")
    readable = unicodedata.normalize("NFC", last.encode("utf-8", "replace").decode("utf-8"))
    plain = "".join("_" if unicodedata.category(sign).startswith("C") else sign for sign in readable)
    name = _shortened(UNSAFE_IN_NAMES.sub("_", plain).strip(" ."))
    return f"_{name}" if RESERVED_NAMES.match(name) else name


def _shortened(name: str) -> str:
    """A name within the bound on its bytes, its extension kept."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 8:
        stem, dot, extension = name, "", ""
    room = LONGEST_NAME_BYTES - len(f"{dot}{extension}".encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + dot + extension
