"""Rows as a model sees them in training, what is learned of them, and whether the labels of any collator are right."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vlmdata.errors import VlmError
from vlmdata.record import Problem
from vlmtrain.collate import Collator
from vlmtrain.errors import BudgetError, RunError, TemplateError
from vlmtrain.inspected import ImageView, Inspection, Kind, Piece, RowView, in_order
from vlmtrain.label_proof import Labelled, label_problems, text_problems
from vlmtrain.layout import Layout, Whole, lay_out, whole_of
from vlmtrain.pictures import SHRUNK_TO, pictures
from vlmtrain.reading import Reader
from vlmtrain.shown_images import ImageProcessing, Shown
from vlmtrain.turns import IGNORED, Row, image_parts, row_name, template_message

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from vlmtrain.config import Over, RunConfig

AnyCollator = Callable[[list[Any]], Any]

REFUSALS = (VlmError, ValueError, TypeError, LookupError, RuntimeError, NotImplementedError, AttributeError)
"""What a collator from outside may raise over rows that it can't take."""


def inspect(
    processor: ProcessorMixin,
    row_or_batch: Row | Sequence[Row],
    collator: AnyCollator | None = None,
    *,
    last_turn_only: bool | None = None,
) -> Inspection:
    """Show rows as the model sees them, and prove the batch that a collator makes of them; by default vlmtrain's own.

    Rows have `messages` (or `prompt` and `completion`) and `images`, and go to the collator as they are. What it makes
    is compared with the row's texts and images and the processor's chat template, never with another collator's labels.
    """
    rows = [row_or_batch] if isinstance(row_or_batch, Mapping) else list(row_or_batch)
    own = collator if isinstance(collator, Collator) else Collator(processor)
    chosen = own if collator is None else collator
    only_last = own.last_turn_only if last_turn_only is None else last_turn_only
    looked = _Looking(processor, own)
    batch, problems = _batch(chosen, rows)
    conversations = [_conversation(row, number) for number, row in enumerate(rows, start=1)]
    return looked.at(conversations, batch, problems, only_last=only_last)


def inspect_run(config: RunConfig, *, id: str | None = None, split: str | None = None, row: int = 1) -> Inspection:
    """A row of a run's dataset, by its id or by its number from 1, under the run's own settings. Loads no weights.

    Raises RunError where there is no such row.
    """
    from vlmtrain.data import choose, open_dataset
    from vlmtrain.model import load_processor

    dataset = open_dataset(config.data.path)
    if id is not None:
        split, found = _by_id(dataset, id, split)
    else:
        split = split or config.data.train_split
        found = choose(dataset, split)
        if not 1 <= row <= len(found):
            raise RunError(f"--row {row}: the split {split!r} has the rows 1 to {len(found):,}")
        found = found[row - 1]
    processor = load_processor(config)
    last_turn_only = config.train is not None and config.train.last_turn_only
    collator = Collator(processor, max_length=config.budget.max_length, last_turn_only=last_turn_only)
    found = _as_trained(found, collator, split, config.budget.over)
    about = f"{config.model.base}, {collator.family.name}, split {split}"
    return dataclasses.replace(inspect(processor, found, collator), about=about)


def _as_trained(row: Row, collator: Collator, split: str, over: Over) -> Row:
    """The row with its images as small as the run makes them where it is over the budget."""
    from vlmtrain.budget import Measure
    from vlmtrain.survey import survey

    if over != "shrink_images":
        return row
    surveyed = survey(split, [row], Measure(collator), over)
    sizes = [(width, height) for shrunk in surveyed.shrunk for height, width in shrunk.sizes]
    return {**row, SHRUNK_TO: sizes} if sizes else row


def _by_id(dataset: Mapping[str, Any], name: str, split: str | None) -> tuple[str, Any]:
    from vlmtrain.data import choose, hint_of_id

    known: list[str] = []
    for each in [split] if split else dataset:
        rows = choose(dataset, each) if split else dataset[each]
        known += rows["id"][:]
        place = rows.data.column("id").index(name).as_py()
        if place >= 0:
            return each, rows[place]
    where = f"the split {split!r}" if split else "the dataset"
    raise RunError(f"--id {name}: no row of {where} has this id; {hint_of_id(name, known)}".rstrip("; "))


def _conversation(row: Row, number: int) -> dict[str, Any]:
    """A row in any of the layouts that trainers take, as messages and images. Raises RunError for any other."""
    made = {**row, "id": row.get("id") or f"row {number}"}
    if "messages" not in made and "prompt" in made and "completion" in made:
        made["messages"] = [*made["prompt"], *made["completion"]]
    if "messages" not in made:
        raise RunError(f"{made['id']}: has neither `messages` nor `prompt` and `completion`, but {', '.join(row)}")
    if "images" not in made:
        made["images"] = [made["image"]] if made.get("image") is not None else []
    return made


def _batch(collator: AnyCollator, rows: Sequence[Row]) -> tuple[Any, list[Problem]]:
    """What the collator makes of the rows, None where it refuses them. A row over the budget is shown all the same."""
    try:
        return collator([dict(row) for row in rows]), []
    except BudgetError as error:
        if isinstance(collator, Collator):
            batch, problems = _batch(collator.without_bound(), rows)
            return batch, [*error.problems, *problems]
        return None, [_refusal(error, rows)]
    except REFUSALS as error:
        return None, [_refusal(error, rows)]


def _refusal(error: Exception, rows: Sequence[Row]) -> Problem:
    name = row_name(rows[0]) if rows else ""
    if isinstance(error, TemplateError):
        named = next((row_name(row) for row in rows if error.message.startswith(f"{row_name(row)}: ")), name)
        return _of_template(named, error)
    message = f"the collator refuses the rows: {type(error).__name__}: {error}"
    return Problem(rule="inspect.collator", message=message, source=name, id=name)


def _of_template(name: str, error: TemplateError) -> Problem:
    message = error.message.removeprefix(f"{name}: ")
    return Problem(rule="inspect.template", message=message, source=name, id=name)


class _Looking:
    """Looks at batches of one processor."""

    def __init__(self, processor: Any, own: Collator) -> None:
        self._processor = processor
        self._own = own
        self._reader = Reader(processor.tokenizer)
        self._images = ImageProcessing(processor, expands=own.family.expands_placeholders)
        self._image_ids = own.family.image_token_ids(processor)
        self._image_token = str(getattr(processor, "image_token", None) or "")

    def at(
        self, rows: Sequence[dict[str, Any]], batch: Any, problems: Sequence[Problem], *, only_last: bool
    ) -> Inspection:
        shown = [[self._images.shown(each) for each in pictures(row)] for row in rows]
        sequences, unfit = _sequences(batch, rows)
        found = [*problems, *unfit]
        if sequences is not None:
            found += self._images.problems(rows, shown, batch)
        views = []
        for index, (row, images) in enumerate(zip(rows, shown, strict=True)):
            name = row_name(row)
            here = [each for each in found if each.id == name or (index == 0 and each.id not in _names(rows))]
            sequence = sequences[index] if sequences is not None else None
            views.append(self._view(row, images, sequence, here, only_last=only_last))
        return Inspection(rows=tuple(views), about=type(self._processor).__name__)

    def _view(
        self,
        row: dict[str, Any],
        shown: Sequence[Shown],
        sequence: _Sequence | None,
        problems: Sequence[Problem],
        *,
        only_last: bool,
    ) -> RowView:
        name, found = row_name(row), list(problems)
        whole: Whole | None = None
        try:
            rendered = self._own.template.conversation(row)
            texts = [each.text for each in shown]
            whole = whole_of(rendered, self._image_token, texts, self._reader, closing=self._own.template.closing)
        except TemplateError as error:
            found.append(_of_template(name, error))
        ids = sequence.ids if sequence is not None else self._plain(row, whole)
        reading = self._reader.read(ids)
        layout = lay_out(reading, whole, row, [each.text for each in shown], self._reader)
        labelled = Labelled(
            id=name,
            reading=reading,
            layout=layout,
            labels=sequence.labels if sequence is not None else [IGNORED] * len(ids),
            shown=frozenset(index for index, token in enumerate(ids) if token in self._image_ids),
            padding_learned=sequence.padding_learned if sequence is not None else 0,
            only_last=only_last,
        )
        if sequence is not None:
            found += [*text_problems(labelled, image_parts(row["messages"])), *label_problems(labelled)]
        elif ids:
            parts = image_parts(row["messages"]) if whole is not None else 0
            found += text_problems(labelled, parts)
        pieces = tuple(_pieces(labelled))
        return RowView(
            id=name,
            pieces=pieces,
            images=tuple(_image_views(row, shown, layout)),
            problems=in_order(found),
            tokens=len(ids),
            image_tokens=sum(piece.end - piece.start for piece in pieces if piece.kind == "image"),
            learned=len(labelled.learned),
        )

    def _plain(self, row: Row, whole: Whole | None) -> Sequence[int]:
        """The ids of a row that no batch was made of: as it should be, else as the template writes it."""
        if whole is not None:
            return whole.reading.ids
        from jinja2 import TemplateError as JinjaError

        messages = [template_message(message) for message in row["messages"]]
        try:
            text = self._processor.apply_chat_template(messages, tokenize=False)
        except (JinjaError, TypeError, ValueError, LookupError):
            return ()
        return self._reader.of_text(str(text)).ids


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sequence:
    """One row of a batch without its padding."""

    ids: list[int]
    labels: list[int]
    padding_learned: int


def _names(rows: Sequence[Row]) -> set[str]:
    return {row_name(row) for row in rows}


def _sequences(batch: Any, rows: Sequence[Row]) -> tuple[list[_Sequence] | None, list[Problem]]:
    """The rows of a batch, or why they can't be read."""
    if batch is None:
        return None, []
    name = row_name(rows[0]) if rows else ""
    missing = [key for key in ("input_ids", "labels") if key not in batch]
    message = f"the batch has no {' and no '.join(missing)}" if missing else ""
    if not missing:
        ids, labels = batch["input_ids"], batch["labels"]
        if ids.ndim != 2 or len(ids) != len(rows):
            message = f"the batch holds input_ids of shape {list(ids.shape)} for {len(rows)} rows"
        elif labels.shape != ids.shape:
            message = f"the batch holds labels of shape {list(labels.shape)} for input_ids of {list(ids.shape)}"
    if message:
        return None, [Problem(rule="inspect.collator", message=message, source=name, id=name)]
    return [_sequence(batch, index) for index in range(len(rows))], []


def _sequence(batch: Any, index: int) -> _Sequence:
    ids, labels = batch["input_ids"][index], batch["labels"][index]
    mask = batch.get("attention_mask")
    real = (ids.new_ones(ids.shape) if mask is None else mask[index]).bool()
    return _Sequence(
        ids=ids[real].tolist(),
        labels=labels[real].tolist(),
        padding_learned=int((labels[~real] != IGNORED).sum()),
    )


def _pieces(row: Labelled) -> list[Piece]:
    kinds: list[tuple[Kind, int | None]] = [("prompt", None)] * len(row.labels)
    for answer in row.layout.answers:
        for position in range(answer.start, answer.end):
            kinds[position] = ("answer", None)
        if answer.ending is not None:
            kinds[answer.ending] = ("end", None)
    for position in row.shown:
        kinds[position] = ("image", None)
    for number, span in enumerate(row.layout.images, start=1):
        for position in range(*span) if span is not None else ():
            kinds[position] = ("image", number)
    learned = row.learned
    marks = [(*kind, index in learned) for index, kind in enumerate(kinds)]
    pieces, start = [], 0
    for index in range(1, len(marks) + 1):
        if index == len(marks) or marks[index] != marks[start]:
            kind, image, taught = marks[start]
            text = row.reading.of(start, index)
            pieces.append(Piece(start=start, end=index, kind=kind, learned=taught, text=text, image=image))
            start = index
    return pieces if marks else []


def _image_views(row: Row, shown: Sequence[Shown], layout: Layout) -> list[ImageView]:
    import hashlib

    views = []
    infos = list(row.get("image_info") or ())
    for index, each in enumerate(shown):
        held = row["images"][index]
        held = held if isinstance(held, Mapping) else {}
        info = infos[index] if index < len(infos) else {}
        digest = info.get("sha256") or (hashlib.sha256(held["bytes"]).hexdigest() if held.get("bytes") else "")
        span = layout.images[index] if index < len(layout.images) else None
        views.append(
            ImageView(
                number=index + 1,
                name=str(held.get("path") or ""),
                sha256=digest,
                width=each.picture.width,
                height=each.picture.height,
                shown_as=each.size,
                tokens=span[1] - span[0] if span else 0,
                start=span[0] if span else None,
                picture=each.picture,
            )
        )
    return views
