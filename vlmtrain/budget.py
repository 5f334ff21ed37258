"""The length and the learned tokens of every row, known before any training, with no pixel of the dataset decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmdata.record import Problem
from vlmtrain.errors import BudgetError, TemplateError, over_budget
from vlmtrain.turns import IGNORED, Rendered, Replacement, Row, answer_spans, encode, expanded, image_parts, row_name

if TYPE_CHECKING:
    from vlmtrain.collate import Collator

Size = tuple[int, int]
REPORT_EVERY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLength:
    """A row's tokens: all of them, image tokens included, and those that are learned."""

    id: str
    tokens: int
    learned: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What all rows together take. `without_images` counts the rows that have none."""

    rows: int
    without_images: int
    tokens: int
    learned: int
    longest: int


def check_budget(rows: Iterable[Row], collator: Collator, on_rows: Callable[[int], None] | None = None) -> Budget:
    """Measure every row before training. Raises BudgetError with every row that is too long or teaches nothing."""
    count = tokens = learned = longest = bare = 0
    problems: list[Problem] = []
    for count, row in enumerate(measured(rows, collator), start=1):
        if isinstance(row, RowLength):
            tokens, learned, longest = tokens + row.tokens, learned + row.learned, max(longest, row.tokens)
            bare += row.images == 0
            problems.extend(_problems(row, collator.max_length))
        else:
            problems.append(row)
        if on_rows and count % REPORT_EVERY == 0:
            on_rows(count)
    if problems:
        bad = len({problem.id for problem in problems})
        raise BudgetError(f"{bad:,} of {count:,} rows can't be trained on", problems)
    return Budget(rows=count, without_images=bare, tokens=tokens, learned=learned, longest=longest)


def measured(rows: Iterable[Row], collator: Collator) -> Iterator[RowLength | Problem]:
    """The lengths of each row, or why its template refuses it, in order."""
    placeholders = Placeholders(collator)
    for row in rows:
        try:
            rendered = collator.template.conversation(row, last_turn_only=collator.last_turn_only)
            yield _measure(row, rendered, placeholders, collator)
        except TemplateError as error:
            name = str(row.get("id", ""))
            yield Problem(rule="template", message=error.message.removeprefix(f"{name}: "), source=name, id=name)


def _measure(row: Row, rendered: Rendered, placeholders: Placeholders, collator: Collator) -> RowLength:
    sizes = [(info["height"], info["width"]) for info in row["image_info"] or ()]
    parts = image_parts(row["messages"])
    if len(sizes) != parts:
        raise TemplateError(f"{rendered.id}: {parts} image parts in the messages, {len(sizes)} images")
    if rendered.marked:
        return _measure_whole(row, sizes, collator)
    replacements = placeholders.of(rendered.text, sizes)
    tokenizer = collator.template.tokenizer
    ids = encode([expanded(rendered.text, replacements)], tokenizer, marked=rendered.marked)[0]
    spans = answer_spans(rendered, ids, replacements, tokenizer)
    return RowLength(id=rendered.id, tokens=len(ids), learned=sum(end - start for start, end in spans), images=parts)


def _measure_whole(row: Row, sizes: Sequence[Size], collator: Collator) -> RowLength:
    """As training will see it, on blank images: for the rare row whose text holds a control token.

    Not every processor can read such a text, which must be known before training.
    """
    from PIL import Image

    unbounded = collator.without_bound()
    batch = unbounded([{**row, "images": [Image.new("RGB", (width, height)) for height, width in sizes]}])
    learned = int((batch["labels"] != IGNORED).sum())
    return RowLength(id=row_name(row), tokens=int(batch["attention_mask"].sum()), learned=learned, images=len(sizes))


def _problems(row: RowLength, most: int | None) -> Iterator[Problem]:
    if most is not None and row.tokens > most:
        yield over_budget(row.id, row.tokens, most)
    if row.learned < 2:  # the end token alone
        message = "holds no text to learn, only the end of an empty answer;"
        yield Problem(
            rule="budget.nothing_learned", message=message, source=row.id, id=row.id, hint="leave the row out"
        )


class Placeholders:
    """What the processor makes of an image's placeholder, by the image's size.

    Sizes with equally many tokens share one expansion, counted by the processor itself where it can count
    (`_get_num_multimodal_tokens`); else, and once for each count, its image processor is shown a blank image.
    """

    def __init__(self, collator: Collator) -> None:
        self._collator = collator
        self._processor: Any = collator.processor
        self._counts: dict[Size, int | Size] = {}
        self._texts: dict[int | Size, str] = {}

    def of(self, text: str, sizes: Sequence[Size]) -> list[Replacement]:
        """The expansions of a rendered text whose images have these sizes, as (height, width)."""
        if not self._collator.family.expands_placeholders or not sizes:
            return []
        token = self._processor.image_token
        found, place = [], 0
        for size in sizes:
            start = text.find(token, place)
            if start < 0:
                raise TemplateError(f"the rendered text has fewer than {len(sizes)} image placeholders")
            place = start + len(token)
            found.append(Replacement(start=start, end=place, text=self._text(size)))
        return found

    def _text(self, size: Size) -> str:
        if size not in self._counts:
            self._counts[size] = self._count(size)
        count = self._counts[size]
        if count not in self._texts:
            self._texts[count] = self._expansion(size)
        return self._texts[count]

    def _count(self, size: Size) -> int | Size:
        """How many tokens an image of this size takes, or the size itself where the processor can't say."""
        if not hasattr(self._processor, "_get_num_multimodal_tokens"):
            return size
        return int(self._processor._get_num_multimodal_tokens(image_sizes=[list(size)])["num_image_tokens"][0])

    def _expansion(self, size: Size) -> str:
        from PIL import Image

        height, width = size
        made = self._processor(
            text=[self._processor.image_token],
            images=[[Image.new("RGB", (width, height))]],
            add_special_tokens=False,
            return_text_replacement_offsets=True,
            return_tensors="pt",
        )
        return str(made["text_replacement_offsets"][0][0]["replacement"])
