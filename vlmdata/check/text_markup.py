"""HTML in a text, and what an answer should not name: files, links, telephone numbers."""

from __future__ import annotations

import re

from vlmdata.check.text_rule import ANGLE, Text, TextRule, around, times

TAGS = (
    "a|abbr|b|blockquote|body|br|button|center|code|dd|del|div|dl|dt|em|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins"
    "|label|li|link|meta|nobr|ol|option|p|pre|s|script|section|select|small|span|strike|strong|style|sub|sup|svg|table|tbody|td|th|thead|tr|tt|u|ul|video"
)
TAG = re.compile(
    rf"</(?:{TAGS})\s*>|<(?:{TAGS})(?:\s*/?>|\s+[A-Za-z-]+\s*=\s*[\"'\w#][^<>]*>)|<!--|<!DOCTYPE|<!\[CDATA",
    re.IGNORECASE,
)
OTHER = re.compile(
    r"\[/(?:b|i|u|s|url|img|quote|color|size|center|caption|gallery|[a-z]+_[a-z_]+)\]"
    r"|\[(?:url|img|color|size|font)=[^\]\n]+\]"
    r"|\[[a-z_]+ [a-z_]+=[\"'][^\]\n]*\]|\{(?:\s*[a-z-]{4,}\s*:\s*[^{}:;\n]+;)[^{}]*\}",
)
"""Forums' and shop systems' tags, and style sheets."""
OTHER_SCREEN = r"\[/?[a-z_]+[\]= ]|\{\s*[a-z-]{4,}\s*:"
ENTITY = re.compile(
    r"&(?:amp|nbsp|lt|gt|quot|apos|copy|reg|trade|euro|pound|hellip|[mn]dash|[lr][sda]quo|bull|middot|deg|shy|times"
    r"|frac1[24]|sup[123]|szlig"
    r"|[AEIOUYaeiouyNnCc](?:uml|acute|grave|circ|tilde|ring|cedil|slash)|aelig|#[0-9]{1,6}|#[xX][0-9a-fA-F]{1,6});"
)
ENTITY_SCREEN = r"&(?:#|[A-Za-z]{2,6}[0-9]{0,2};)"
PAGE = re.compile(r"```|<!DOCTYPE|<html[\s>]", re.IGNORECASE)
"""Marks of a text that means to be code."""

FILE = re.compile(r"[\w-]+\.(?:jpe?g|png|webp|gif|bmp|tiff?|heic|avif)(?![\w])", re.IGNORECASE)
FILE_SCREEN = r"(?i:\.(?:jpe?g|png|webp|gif|bmp|tiff?|heic|avif))"
LINK = re.compile(
    r"https?://[^\s<>\"']+|\bwww\.[\w-]+\.[^\s<>\"']+|(?<![\w.])[\w.+-]+@[\w-]+\.[\w.-]*[A-Za-z]", re.IGNORECASE
)
LINK_SCREEN = r"(?i:https?://|www\.)|@"
PHONE = re.compile(
    r"(?<![\w.,+-])(?:\+[0-9]{1,3}|\(?0[0-9]{1,4}\)?(?=[ ./-])|\([0-9]{3}\))(?:[ ./-]?[0-9]){6,11}(?![\w.,-]?[0-9])"
)
DATE = re.compile(r"[0-9]{2}[./-][0-9]{2}[./-](?:19|20)?[0-9]{2}(?![0-9])")
PHONE_SCREEN = r"[0-9][ ./)-]*[0-9][ ./)-]*[0-9][ ./)-]*[0-9][ ./)-]*[0-9][ ./)-]*[0-9][ ./)-]*[0-9]"


def html(text: Text) -> str | None:
    """Tags and entities of HTML, where the text is no page of code."""
    if PAGE.search(text.text):
        return None
    tags = list(TAG.finditer(text.text))
    found = tags or list(ENTITY.finditer(text.text)) or list(OTHER.finditer(text.text))
    if not found:
        return None
    what = "HTML" if tags else "an entity of HTML" if found[0][0].startswith("&") else "tags or a style sheet"
    return f"holds {around(text.text, found[0])}{times(len(found))}, {what}"


def file_name(text: Text) -> str | None:
    """An answer that names an image's file."""
    match = FILE.search(text.text)
    return None if match is None else f"names the file {match[0]!r}"


def link(text: Text) -> str | None:
    """An address of the web or of a person, where nobody asked for one."""
    match = LINK.search(text.text)
    return None if match is None or text.asked else f"holds the address {match[0]!r}"


def phone(text: Text) -> str | None:
    """A telephone number that nobody asked for."""
    match = PHONE.search(text.text)
    return (
        None
        if match is None or text.asked or DATE.match(match[0])
        else f"holds {match[0]!r}, which looks like a telephone number"
    )


RULES = (
    TextRule(
        id="text.html",
        find=html,
        screen=f"{ANGLE}|{ENTITY_SCREEN}|{OTHER_SCREEN}",
        hint="clean the column with `html_to_text`",
    ),
    TextRule(
        id="text.file_name",
        find=file_name,
        screen=FILE_SCREEN,
        roles=("assistant",),
        hint="no model can know a file's name; take it out",
    ),
    TextRule(id="text.link", find=link, screen=LINK_SCREEN, roles=("assistant",), hint="take it out"),
    TextRule(id="text.phone", find=phone, screen=PHONE_SCREEN, roles=("assistant",), hint="take it out"),
)
