"""Whether a model family does what its Protocol says, proven on a processor and rows that are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from vlmdata.testing.conformance import RaisedError, attempted, refuse, shortened
from vlmtrain.errors import ModelError
from vlmtrain.protocols import ModelFamily
from vlmtrain.testing.rows import drawn_row

if TYPE_CHECKING:
    from vlmtrain.collate import Collator

ATTENTION = (None, "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
PARTS = ("language", "vision", "projector")
BOUNDS = (1_000_000, 250_000, 60_000, 15_000, 6_000)
"""Pixels of an image, from many to few; a family may refuse what is less than it can show."""

LARGE = (900, 600)


def conforms_family(
    family: ModelFamily, processor: Any, *, model: Any = None, images: Sequence[int] = (0, 1, 3)
) -> None:
    """Hold a ModelFamily to its Protocol. Raises ConformanceError with everything that does not hold.

    `processor` is one of the models that it is for; a tiny one made in a test will do. `images` are the numbers of
    images that a row may have. With a `model`, the paths of the family's parts are looked for in it.
    """
    refuse(family, _faults(family, processor, model, images))


def _faults(family: Any, processor: Any, model: Any, images: Sequence[int]) -> Iterator[str]:
    from vlmtrain.collate import Collator

    members = list(_member_faults(family))
    yield from members
    if members:
        return
    yield from _text_faults(family, processor)
    yield from _part_faults(family, model)
    ids = list(_id_faults(family, processor))
    yield from ids
    if ids:
        return
    collator = Collator(processor, family=family)
    rows = _rows(images)
    labels = [fault for row in rows for fault in _label_faults(collator, row)]
    yield from labels
    if labels:
        return
    for row in rows:
        yield from _prompt_faults(collator, row)
    yield from _token_faults(collator, images)
    yield from _batch_faults(collator, images)
    yield from _pixel_faults(family, processor, max(images))


def _rows(images: Sequence[int]) -> list[dict[str, Any]]:
    """One turn and several, with each number of images, in more than one script."""
    talk = ("What is it?", "A red mug.\n\n", "\n And who made it? ", "Tavi: é 😀 红色")
    return [
        drawn_row(*texts, images=count, id=f"{count} images, {len(texts) // 2} turns")
        for count in images
        for texts in (talk[:2], talk)
    ]


def _member_faults(family: Any) -> Iterator[str]:
    members = [member for member in vars(ModelFamily) if not member.startswith("_")]
    if missing := [member for member in members if not hasattr(family, member)]:
        yield f"the family has no {', '.join(missing)}"
        return
    if not isinstance(family.name, str) or not family.name.strip():
        yield f"its name is {family.name!r}, expected a word for messages"
    if family.attention not in ATTENTION:
        yield f"its attention is {family.attention!r}, expected None or one of {', '.join(filter(None, ATTENTION))}"
    if not isinstance(family.expands_placeholders, bool):
        yield f"its expands_placeholders is {family.expands_placeholders!r}, expected True or False"


def _text_faults(family: Any, processor: Any) -> Iterator[str]:
    for member in ("opening", "closing"):
        found = attempted(lambda member=member: getattr(family, member)(processor), f"by {member}")  # type: ignore[misc]
        if not isinstance(found, str):
            yield f"{member} gives {shortened(found)}, expected text"
        elif member == "opening" and found:
            yield from _opening_faults(found, processor)
    template = attempted(lambda: family.chat_template(processor), "by chat_template")
    if template is not None and not isinstance(template, str):
        yield f"chat_template gives {shortened(template)}, expected a template or None"


def _opening_faults(opening: str, processor: Any) -> Iterator[str]:
    """What is put before a text must be what the processor itself puts there."""
    begun = str(processor.tokenizer.decode(processor(text=["A mug."])["input_ids"][0]))
    if not begun.startswith(opening):
        yield f"opening gives {opening!r}, and the processor begins a text with {begun[: len(opening)]!r}"


def _part_faults(family: Any, model: Any) -> Iterator[str]:
    parts = family.parts
    if not isinstance(parts, Mapping) or set(parts) != set(PARTS):
        yield f"its parts are {shortened(parts)}, expected paths of {', '.join(PARTS)}"
        return
    named = [(part, path) for part, paths in parts.items() for path in ([paths] if isinstance(paths, str) else paths)]
    for part in PARTS:
        if isinstance(parts[part], str) or not parts[part]:
            yield f"its part {part} is {parts[part]!r}, expected a tuple of module paths"
    for part, path in named:
        others = [other for other, same in named if same == path and other != part]
        if others:
            yield f"{path} is both {part} and {others[0]}"
    if model is not None:
        modules = {name for name, _ in model.named_modules()}
        for part, path in named:
            if path not in modules:
                yield f"the model has no module {path} for the part {part}"


def _id_faults(family: Any, processor: Any) -> Iterator[str]:
    found = attempted(lambda: family.image_token_ids(processor), "by image_token_ids")
    if not isinstance(found, frozenset) or not all(isinstance(token, int) for token in found):
        yield f"image_token_ids gives {shortened(found)}, expected a frozenset of numbers"
        return
    if not found:
        yield "image_token_ids names none, so that images could be learned as text"
    known = set(processor.tokenizer.get_vocab().values())
    if strangers := sorted(found - known):
        yield f"image_token_ids names {strangers[0]}, which the tokenizer has not"
    plain = processor.tokenizer("A red mug, é 😀 红色.", add_special_tokens=False)["input_ids"]
    if words := sorted(found.intersection(plain)):
        yield f"image_token_ids names {words[0]}, which a plain text has too"


def _label_faults(collator: Collator, row: Mapping[str, Any]) -> Iterator[str]:
    """The proof that every row goes through: every text and image once and in order, labels on answers alone."""
    from vlmtrain.inspection import inspect

    found = attempted(lambda: inspect(collator.processor, row, collator), f"for a row of {row['id']}")
    yield from (f"{row['id']}: {problem.message} [{problem.rule}]" for problem in found.problems)
    if not found.problems and _ids(collator, row) != _ids(collator, row):
        yield f"{row['id']}: has other token ids the second time"


def _ids(collator: Collator, row: Mapping[str, Any]) -> list[int]:
    found: list[int] = attempted(lambda: list(map(int, collator([row])["input_ids"][0])), f"for a row of {row['id']}")
    return found


def _prompt_faults(collator: Collator, row: Mapping[str, Any]) -> Iterator[str]:
    """What a model is asked with is what it was taught to answer after."""
    asked: list[int] = attempted(
        lambda: list(map(int, collator.prompts([row])["input_ids"][0])), f"for the prompt of {row['id']}"
    )
    whole = _ids(collator, row)
    if whole[: len(asked)] != asked:
        same = next((at for at, (one, two) in enumerate(zip(asked, whole, strict=False)) if one != two), len(whole))
        yield f"{row['id']}: the prompt's token ids leave those of the conversation at token {same}"


def _shown(collator: Collator, row: Mapping[str, Any]) -> int:
    """How many tokens of a row stand for its images."""
    known = collator.family.image_token_ids(collator.processor)
    return sum(token in known for token in _ids(collator, row))


def _token_faults(collator: Collator, images: Sequence[int]) -> Iterator[str]:
    """Every token of its own that an image brings is an image token, and each image of a size brings as many."""
    plain, pictured = (drawn_row("What?", "A mug.", images=count) for count in (0, 1))
    if 0 in images and _shown(collator, plain):
        yield f"a row without an image has {_shown(collator, plain)} image tokens"
    if 0 in images and 1 in images:
        own = set(collator.template.tokenizer.added_tokens_decoder)
        brought = (set(_ids(collator, pictured)) - set(_ids(collator, plain))) & own
        if missed := sorted(brought - collator.family.image_token_ids(collator.processor)):
            words = collator.template.tokenizer.convert_ids_to_tokens(missed[0])
            yield f"an image brings the token {words!r} ({missed[0]}), which image_token_ids does not name"
    counts = {count: _shown(collator, drawn_row("What?", "A mug.", images=count)) for count in images if count}
    if counts and min(counts.values()) == 0:
        yield "a row with an image has no image token"
    ordered = [counts[count] for count in sorted(counts)]
    if any(later <= earlier for earlier, later in pairwise(ordered)):
        told = ", ".join(f"{found} for {count}" for count, found in sorted(counts.items()))
        yield f"more images do not bring more image tokens: {told}"


def _batch_faults(collator: Collator, images: Sequence[int]) -> Iterator[str]:
    """Rows of one key share a batch, and each stands in it as it stands alone."""
    keys = {count: attempted(lambda count=count: collator.family.batch_key(count), "by batch_key") for count in images}  # type: ignore[misc]
    if strange := [key for key in keys.values() if not isinstance(key, int)]:
        yield f"batch_key gives {strange[0]!r}, expected a number"
        return
    for key in dict.fromkeys(keys.values()):
        counts = [count for count in images if keys[count] == key]
        texts = (("What?", "A mug."), ("What is shown here?", "A longer answer, about a blue lamp."))
        rows = [drawn_row(*text, images=count, id=f"{count} images") for count in counts for text in texts]
        try:
            batch = attempted(lambda rows=rows: collator(rows), "")  # type: ignore[misc]
        except RaisedError as error:
            yield f"batch_key puts rows of {', '.join(map(str, counts))} images together, whose batch {error}"
            continue
        for place, row in enumerate(rows):
            alone, length = collator([row]), int(batch["attention_mask"][place].sum())
            for name in ("input_ids", "labels"):
                if batch[name][place, :length].tolist() != alone[name][0].tolist():
                    yield f"{row['id']}: has other {name} in a batch than alone"


def _pixel_faults(family: Any, processor: Any, most: int) -> Iterator[str]:
    """A tighter bound never shows more of an image, and a bound that is taken is kept."""
    if not most:
        return
    unbounded = deepcopy(processor)
    try:
        family.set_pixels(unbounded, None, None)
    except Exception as error:  # noqa: BLE001  (whatever code from outside raises is its fault to be told)
        yield f"set_pixels raises {type(error).__name__} where there is no bound: {error}"
        return
    free = _tokens_of(family, unbounded)
    counts: list[int] = []
    for bound in BOUNDS:
        bounded = deepcopy(processor)
        try:
            family.set_pixels(bounded, None, bound)
        except ModelError as error:
            if not str(error).strip():
                yield "set_pixels refuses a bound without a word why"
            continue
        except Exception as error:  # noqa: BLE001  (as above)
            yield f"set_pixels raises {type(error).__name__} for {bound:,} pixels, expected ModelError: {error}"
            return
        counts.append(_tokens_of(family, bounded))
    if any(later > earlier for earlier, later in pairwise(counts)):
        yield f"fewer pixels show more: {', '.join(map(str, counts))} image tokens for ever fewer pixels"
    elif len(counts) > 1 and {free} == set(counts) and free > 1:
        yield f"set_pixels takes a bound and does not keep it: {free} image tokens with it and without"


def _tokens_of(family: Any, processor: Any) -> int:
    from vlmtrain.collate import Collator

    return _shown(Collator(processor, family=family), drawn_row("What?", "A mug.", images=1, size=LARGE))
