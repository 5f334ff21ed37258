"""Names of images: which are refused, which are nearly the same, in what order, and what is stored of them."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

from vlmdata.image.address_text import shown
from vlmdata.recipe import NameDifference

ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://|(file):/|data:", re.IGNORECASE)
ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
"""The endings that a format's files have, the usual one first."""

SUFFIXES = frozenset(ending for endings in ENDINGS.values() for ending in endings)
"""The endings of image files, in lower case."""

OF_THE_WEB = frozenset({"http", "https"})
BUCKETS = frozenset({"s3", "s3a", "gs", "az", "abfs", "abfss", "oss", "r2"})
DO_WITH_BUCKET = "copy the bucket with the provider's own tool and give paths below the image root"
DO_WITH_FILE = "give the path below the image root, without 'file://'"
LONGEST_NAME = 255


class ImageReferenceError(ValueError):
    """A reference that names no file we read: `rule` is the rule's name, `hint` what to do."""

    def __init__(self, rule: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.hint = hint


def has_scheme(reference: str) -> bool:
    """Whether a reference is an address, and no path."""
    return ":" in reference and ADDRESS.match(reference) is not None


def refuse_shape(reference: str) -> None:
    """Raise ImageReferenceError for a reference that no listing of a root could hold."""
    if "\0" in reference:
        raise ImageReferenceError("images.outside", f"{reference!r} holds a NUL character")
    if address := ADDRESS.match(reference):
        raise _address_refused(reference, (address[1] or address[2] or "data").lower())
    if reference.startswith(("/", "\\")) or ".." in reference or ":" in reference:
        windows = PureWindowsPath(reference)
        if reference.startswith(("/", "\\")) or windows.drive or ".." in windows.parts:
            message = f"{reference!r} leads out of the image root"
            raise ImageReferenceError("images.outside", message, "give a path below the image root, without '..'")
    try:
        raw = reference.encode()
    except UnicodeEncodeError:
        hint = "rename the file so that its name is UTF-8"
        raise ImageReferenceError("images.missing", f"{reference!r} is no file name in UTF-8", hint) from None
    if len(raw) > LONGEST_NAME and (len(reference) > 4000 or any(len(part) > LONGEST_NAME for part in raw.split(b"/"))):
        raise ImageReferenceError("images.missing", f"{reference[:120]!r} … is too long for a file name")


def _address_refused(reference: str, scheme: str) -> ImageReferenceError:
    """Why an address names no image, and what to do: `network` helps with addresses of the web alone."""
    message = f"{shown(reference)!r} is an address, and nothing is downloaded"
    if scheme == "file" or scheme in BUCKETS:
        return ImageReferenceError("images.url", message, DO_WITH_FILE if scheme == "file" else DO_WITH_BUCKET)
    hint = "download the file and give its path below the image root"
    if scheme in OF_THE_WEB:
        return ImageReferenceError("images.url", message, f"list its host under `network`, or {hint}")
    if scheme == "data":
        return ImageReferenceError("images.url", message, hint)
    return ImageReferenceError("network.scheme", f"{shown(reference)!r} is no http or https address", hint)


def plain(reference: str) -> str:
    """A path without `.` steps and needless slashes, which mean nothing."""
    if "//" not in reference and "./" not in reference and not reference.endswith("/"):
        return reference
    return PurePosixPath(reference).as_posix()


def folded(name: str) -> str:
    """A file name without its case and Unicode form, and without its ending where that is an image's.

    Two names that are equal so differ by what a recipe may accept alone.
    """
    stem, dot, ending = name.rpartition(".")
    kept = stem if dot and f".{ending.lower()}" in SUFFIXES else name
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", kept).casefold())


def folded_path(path: str) -> str:
    """A whole path folded, with forward slashes: every folder's name without case and Unicode form."""
    *folders, name = path.replace("\\", "/").split("/")
    return "/".join([*(unicodedata.normalize("NFC", folder).casefold() for folder in folders), folded(name)])


def differences(wanted: str, found: str) -> frozenset[NameDifference]:
    """In what ways two paths differ whose folded forms are equal."""
    ways: set[NameDifference] = set()
    if ("\\" in wanted) != ("\\" in found):
        ways.add("backslash")
    wanted, found = plain(wanted.replace("\\", "/")), plain(found.replace("\\", "/"))
    stems, endings = zip(*(_stem_and_ending(path) for path in (wanted, found)), strict=True)
    if endings[0].lower() != endings[1].lower():
        ways.add("extension")
    elif endings[0] != endings[1]:
        ways.add("case")
    if stems[0] != stems[1]:
        if unicodedata.normalize("NFC", stems[0]) != unicodedata.normalize("NFC", stems[1]):
            ways.add("case")
        if stems[0].casefold() != stems[1].casefold():
            ways.add("unicode")
    return frozenset(ways)


def _stem_and_ending(path: str) -> tuple[str, str]:
    stem, dot, ending = path.rpartition(".")
    return (stem, f".{ending}") if dot and f".{ending.lower()}" in SUFFIXES else (path, "")


def is_image_name(name: str) -> bool:
    """Whether a bare name is that of an image file, and not of a hidden one."""
    return not name.startswith(".") and f".{name.rpartition('.')[2].lower()}" in SUFFIXES and "." in name


def natural_order(path: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A key that sorts `img2` before `img10`, folder by folder; the path itself decides between equals."""
    pieces = re.split(r"([0-9]+|/)", path)
    key = tuple(
        (0, 0, "") if piece == "/" else (1, int(piece), "") if piece.isdecimal() else (2, 0, piece.casefold())
        for piece in pieces
        if piece
    )
    return key, path


def bare_name(name: str, image_format: str) -> str:
    """What is stored as an image's file name: its last part, printable, with the ending of its format if it has none.

    An ending of another image format is left, as the source named it.
    """
    kept = re.split(r"[/\\]", name)[-1]
    if not kept.isprintable():
        kept = "".join(character for character in kept if character.isprintable())
    kept = kept.strip().lstrip(":")
    if kept in {"", ".", ".."}:
        kept = f"image{ENDINGS.get(image_format, ('',))[0]}"
    while len(kept.encode("utf-8", "replace")) > LONGEST_NAME:
        kept = kept[1:]
    return kept


def renamed(name: str, image_format: str) -> str:
    """A bare name with an ending that its format has."""
    path = PurePosixPath(name)
    endings = ENDINGS[image_format]
    if path.suffix.lower() in endings:
        return name
    return f"{path.stem if path.suffix.lower() in SUFFIXES else name}{endings[0]}"
