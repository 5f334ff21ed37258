"""A recipe tried out on the first rows of its source: what a build would reject, so that a draft allows for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from vlmdata.check.messages import roles_in_order
from vlmdata.convert import converter_for
from vlmdata.image.verifying import Reader, open_reader
from vlmdata.protocols import Source, Tools
from vlmdata.recipe import Recipe
from vlmdata.record import Conversation, ImageReference, InlineImage, MemberImage, RawRecord, Rejection, Skip

MAX_ROWS = 20_000
MAX_BYTES = 500_000_000
"""Of rows that hold their images; no more rows are tried then."""

MAX_VERIFIED = 1_000
MAX_VERIFIED_BYTES = 100_000_000
COMFORTABLE = 0.09
"""Up to this share expected, the usual bound has room enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of the rows: `share` of them would be rejected, `damaged` counts images that don't decode.

    `whole` says whether these are all rows; `by_rule` counts what the source and the conversion rejected.
    """

    rows: int
    used: int
    share: float
    damaged: int
    whole: bool
    by_rule: Counter[str]
    unreadable: Counter[str]


@dataclass(slots=True)
class _Tried:
    """The state of a trial: rows with a rejection, the images of the others, and verdicts on a sample of them."""

    reader: Reader
    unique_ids: bool
    refused: int = 0
    rows: int = 0
    skipped: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    images: list[tuple[object, ...]] = field(default_factory=list)
    verdicts: dict[object, str] = field(default_factory=dict)
    bytes_read: int = 0

    def add(self, entry: RawRecord | Rejection | Skip, made: Iterable[Conversation | Rejection | Skip]) -> None:
        """Note what a row was made into."""
        found = list(made)
        if all(isinstance(each, Skip) for each in found):
            self.skipped += 1
            return
        self.rows += 1
        rules = [rule for each in found if isinstance(each, Rejection) for rule in each.rules]
        (self.unreadable if isinstance(entry, Rejection) else self.by_rule).update(dict.fromkeys(rules, 1))
        conversations = [each for each in found if isinstance(each, Conversation)]
        rules += [rule for each in conversations for rule in self._faults(each)]
        if rules:
            self.refused += 1
        else:
            references = dict.fromkeys(reference for each in conversations for reference in each.images)
            self.images.append(tuple(self._key(reference) for reference in references))

    def _faults(self, made: Conversation) -> Iterator[str]:
        if self.unique_ids and made.id in self.ids:  # ids of no column are numbered where they repeat
            yield "id.duplicate"
        self.ids.add(made.id)
        texts = [part.text for message in made.messages for part in message.content if part.type == "text"]
        empty = any(not message.content for message in made.messages)
        if empty or not all(text and text.strip() for text in texts):
            yield "text.empty"
        if not roles_in_order([message.role for message in made.messages]):
            yield "messages.roles"

    def _key(self, reference: ImageReference) -> object:
        """What stands for a reference later on. One that the row holds is verified now, since its bytes go."""
        if isinstance(reference, InlineImage):
            key: object = hash(reference)
            if key not in self.verdicts and self.has_room:
                self.verify(key, reference)
            return key
        return reference

    @property
    def has_room(self) -> bool:
        """Whether more images may be verified."""
        return len(self.verdicts) < MAX_VERIFIED and (self.bytes_read < MAX_VERIFIED_BYTES or len(self.verdicts) < 50)

    def verify(self, key: object, reference: ImageReference) -> None:
        """Read and decode one image."""
        verified = self.reader.verdict(reference)
        self.bytes_read += verified.image.size if verified.image is not None else 0
        self.verdicts[key] = verified.problem.rule if verified.problem is not None else ""

    def verify_sample(self) -> None:
        """Verify rows' images, the rows spread evenly from the first to the last, until there is no room."""
        step = max(1, len(self.images) // MAX_VERIFIED)
        order = [number for start in range(step) for number in range(start, len(self.images), step)]
        for number in order:
            for reference in self.images[number]:
                if not self.has_room:
                    return
                if isinstance(reference, str | MemberImage) and reference not in self.verdicts:
                    self.verify(reference, reference)

    def share(self) -> float:
        """The share of rows that would be rejected, the verdict of images that were not looked at estimated."""
        bad = {key for key, rule in self.verdicts.items() if rule}
        rate = len(bad) / len(self.verdicts) if self.verdicts else 0.0
        refused = float(self.refused)
        for keys in self.images:
            unseen = sum(key not in self.verdicts for key in keys)
            refused += 1.0 if bad & set(keys) else 1 - (1 - rate) ** unseen
        return refused / (self.rows + self.skipped) if self.rows else 0.0


def try_out(recipe: Recipe, source: Source) -> Trial:
    """Convert the first rows of a source by a recipe, and verify a bounded sample of their images.

    Raises SourceError where the source or an image root can't be read.
    """
    tried = _Tried(open_reader(recipe.images), unique_ids=recipe.id is not None)
    tools = Tools(warn=_nothing, changed=_nothing, matching=tried.reader.matching)
    convert = converter_for(recipe, tools)
    whole, size = True, 0
    for entry in _entries(source):
        if tried.rows + tried.skipped >= MAX_ROWS or size > MAX_BYTES:
            whole = False
            break
        size += _bytes_in(entry.values) if isinstance(entry, RawRecord) else 0
        tried.add(entry, convert(entry) if isinstance(entry, RawRecord) else (entry,))
    tried.verify_sample()
    counts = Counter(rule for rule in tried.verdicts.values() if rule)
    return Trial(
        rows=tried.rows,
        used=sum(not any(tried.verdicts.get(key) for key in keys) for keys in tried.images),
        share=tried.share(),
        damaged=counts.total() - counts["images.missing"],
        whole=whole,
        by_rule=tried.by_rule + counts,
        unreadable=tried.unreadable,
    )


def _entries(source: Source) -> Iterator[RawRecord | Rejection | Skip]:
    for shard in source.shards():
        yield from shard


def _nothing(_: object) -> None:
    """Warnings and changes of a trial are nobody's."""


def _bytes_in(values: Any) -> int:
    if isinstance(values, bytes):
        return len(values)
    if isinstance(values, dict):
        return sum(map(_bytes_in, values.values()))
    return sum(map(_bytes_in, values)) if isinstance(values, list | tuple) else 0


def allowed(trial: Trial) -> tuple[str, str]:
    """`max_rejected` for a recipe, and the words that explain it."""
    if trial.share <= COMFORTABLE:
        return "10%", "more rejected rows than this, and nothing is published"
    percent = min(100, 5 * (int(125 * trial.share + 2) // 5 + 1))
    return f"{percent}%", f"about {100 * trial.share:.0f}% of the rows will be rejected: mend them, and lower this"
