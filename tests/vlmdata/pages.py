"""What the tests of HTML pages share: a page taken apart as a browser would."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "input"}
OURS = {
    *("html", "head", "meta", "link", "title", "style", "script", "body", "a", "nav", "button", "main", "section"),
    *("header", "h1", "h2", "h3", "h4", "p", "strong", "span", "code", "div", "dl", "dt", "dd", "ul", "li", "table"),
    *("caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "figure", "figcaption", "article"),
    *("img", "label", "select", "option", "output", "svg", "rect", "line", "circle", "path", "text", "br"),
}


@dataclass
class Taken(HTMLParser):
    """A page's elements, addresses, attributes and text."""

    tags: Counter[str] = field(default_factory=Counter)
    attributes: set[str] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            self.attributes.add(name)
            if name in {"src", "href", "xlink:href", "action", "srcset", "data"}:
                self.addresses.append(value or "")
            if name in {"alt", "aria-label", "title"}:
                self.alternatives.append(value or "")
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All of the page's text."""
        return "".join(self.words)


def taken(page: str) -> Taken:
    """A page taken apart; every element must be closed, and none but ours may be in it."""
    found = Taken()
    found.feed(page)
    found.close()
    assert found.open == []
    assert set(found.tags) <= OURS, set(found.tags) - OURS
    assert not [name for name in found.attributes if name.startswith("on") or name == "style"]
    assert not [
        address for address in found.addresses if not address.startswith(("#", "data:image/jpeg;base64,", "data:,"))
    ]
    return found
