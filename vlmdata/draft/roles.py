"""What each column is for: the row's id, its group, the answer to learn, the title, facts, tags."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from vlmdata.draft import words
from vlmdata.draft.flags import Flag, find_flags
from vlmdata.draft.table import Column

NEARLY_ALL = 0.97
"""An id may be missing or repeated in three rows of a hundred: those are rejected one by one."""

MAX_FACTS = 10
MAX_TAGS = 4
ENOUGH_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A column of texts to learn, its language where several columns say the same, and the title that goes with it."""

    column: Column
    language: str = ""
    title: Column | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What each column is for. `facts` stand in the prompt below the title; `flags` may say which rows to use."""

    answers: tuple[Answer, ...]
    id: Column | None = None
    group: Column | None = None
    question: Column | None = None
    facts: tuple[Column, ...] = ()
    tags: tuple[Column, ...] = ()
    flags: tuple[Flag, ...] = ()


def assign(columns: Sequence[Column], *, has_photos: bool) -> Roles:
    """Give the columns that hold no images their roles; `answers` is empty where no column could be one."""
    free = list(columns)
    named = [column for column in free if column.has_name]
    identity = _take(free, _id(named))
    group = _take(free, _group([column for column in named if column is not identity]))
    question = _take(free, _question(free))
    texts = _answers(free, has_photos=has_photos)
    free = [column for column in free if column not in texts]
    titles = _titles(free, texts)
    free = [column for column in free if column not in titles]
    said = {words.stem(text.name) for text in texts}
    facts = [column for column in free if _is_fact(column) and words.stem(column.name) not in said]
    facts = [column for column in facts if not any(_says(column, text) for text in texts)]
    if len({words.language(text.name) for text in texts}) > 1:
        facts = [column for column in facts if not words.language(column.name)]
    return Roles(
        answers=tuple(_with_title(text, titles, several=len(texts) > 1) for text in texts),
        id=identity,
        group=group,
        question=question,
        facts=tuple(facts[:MAX_FACTS]),
        tags=tuple(_tags([column for column in facts if column.has_name])),
        flags=find_flags([column for column in columns if column is not question and column not in texts]),
    )


def _take(free: list[Column], chosen: Column | None) -> Column | None:
    if chosen is not None:
        free.remove(chosen)
    return chosen


def _id(columns: Sequence[Column]) -> Column | None:
    """The best-named column whose values tell the rows apart, else one of codes."""
    able = [c for c in columns if c.filled >= NEARLY_ALL and c.unique >= NEARLY_ALL and c.longest <= 120]
    able = [c for c in able if c.mean_length <= 40 and c.dates < 0.5 and c.other_files < 0.5 and c.image_names < 0.3]
    ranked = [
        (place, column.place, column)
        for column in able
        if (place := words.rank(column.name, words.ID)) is not None and column.mean_words < 2
    ]
    if ranked:
        return min(ranked, key=lambda entry: entry[:2])[2]
    return next((column for column in able if _is_code(column)), None)


def _is_code(column: Column) -> bool:
    """Whether the values are short signs with a digit in them and without spaces, and no measure such as 12,5."""
    if column.mean_length > 24 or column.mean_words > 1.05:
        return False
    known = [value for value in column.values if value is not None][:200]
    return sum(any(sign.isdigit() for sign in value) and not set(value) & set(",.") for value in known) > 0.9 * len(
        known
    )


def _group(columns: Sequence[Column]) -> Column | None:
    """The best-named column with repeated values, none of them in so many rows that the splits would be unbalanced."""
    rows = len(columns[0].values) if columns else 0
    ranked = [
        (place, column.place, column)
        for column in columns
        if (place := words.rank(column.name, words.GROUP)) is not None
        and column.filled >= 0.3
        and max(3, rows / 20) <= column.distinct < column.count
        and column.most_common[0][1] <= max(3, rows / 10)
        and column.longest <= 120
    ]
    return min(ranked, key=lambda entry: entry[:2])[2] if ranked else None


def _question(columns: Sequence[Column]) -> Column | None:
    able = [column for column in columns if column.filled >= 0.9 and words.named(column.name, words.QUESTION)]
    return max(able, key=lambda column: (column.mean_length, -column.place), default=None)


def _answers(columns: Sequence[Column], *, has_photos: bool) -> list[Column]:
    """The column of texts to learn, and those that say the same in other languages, in the file's order."""
    best = _answer(columns, has_photos=has_photos)
    if best is None:
        return []
    if not words.language(best.name):
        return [best]
    family = [
        column
        for column in columns
        if words.stem(column.name) == words.stem(best.name) and words.language(column.name) and _is_text(column)
    ]
    full = [column for column in family if column.filled >= 0.95]
    return full if best in full and len({words.language(column.name) for column in full}) == len(full) else [best]


def _answer(columns: Sequence[Column], *, has_photos: bool) -> Column | None:
    """The longest text whose name says description, else the longest text; with photos, a caption or title will do."""
    texts = [column for column in columns if _is_text(column)]
    by_name = [c for c in texts if words.named(c.name, words.ANSWER) and not words.named(c.name, words.NO_ANSWER)]
    long = [c for c in texts if c.mean_words >= 4 or (c.mean_length >= 20 and c.mean_words < 1.5)]
    decent = [c for c in long if not words.named(c.name, words.NO_ANSWER)]
    captions = [c for c in columns if has_photos and _is_label(c)]
    for candidates in (by_name, decent, long, captions):
        if candidates:
            return max(candidates, key=lambda c: (c.mean_length * c.filled, -c.place))
    return None


def _is_text(column: Column) -> bool:
    """Whether the values are sentences or at least words, mostly different from row to row, and no files or numbers."""
    if not column.count or column.numbers > 0.5 or column.dates > 0.5 or _holds_files(column):
        return False
    varied = column.unique >= 0.1 or column.count < ENOUGH_ROWS
    named = words.named(column.name, words.ANSWER) and column.mean_length >= 8
    return varied and (named or column.mean_length >= 20) and column.filled >= 0.1


def _is_label(column: Column) -> bool:
    label = words.named(column.name, (*words.TITLE, *words.ANSWER, "class", "klasse", "classe", "label"))
    return label and column.filled >= 0.5 and column.numbers < 0.5 and not _holds_files(column)


def _holds_files(column: Column) -> bool:
    return column.image_names >= 0.3 or column.other_files >= 0.5


def _titles(columns: Sequence[Column], texts: Sequence[Column]) -> list[Column]:
    """The title, or one for each language of the answers."""
    ranked = sorted(
        (place, column.place, column)
        for column in columns
        if (place := words.rank(column.name, words.TITLE)) is not None
        and column.filled >= 0.5
        and column.distinct > 1
        and column.mean_length <= 150
        and column.numbers < 0.5
        and not _holds_files(column)
        and not words.named(column.name, words.NO_TITLE)
    )
    titles = [column for _, _, column in ranked]
    languages = [words.language(text.name) for text in texts]
    if len(texts) > 1:
        by_language = [title for title in titles if words.language(title.name) in languages]
        return by_language or titles[:1]
    same = [title for title in titles if words.language(title.name) == (languages or [""])[0]]
    return (same or titles)[:1]


def _with_title(text: Column, titles: Sequence[Column], *, several: bool) -> Answer:
    language = words.language(text.name) if several else ""
    same = [title for title in titles if words.language(title.name) == language]
    title = same[0] if same and language else titles[0] if titles and not _other(titles[0], language) else None
    return Answer(column=text, language=language, title=title)


def _other(title: Column, language: str) -> bool:
    return bool(language and words.language(title.name) and words.language(title.name) != language)


def _is_fact(column: Column) -> bool:
    """Whether a column holds a short property of the product, worth telling the model and worth measuring by."""
    if column.filled < 0.1 or column.distinct < 2 or column.mean_length > 40 or column.longest > 200:
        return False
    if column.dates > 0.5 or _holds_files(column) or column.is_flag:
        return False
    if words.named(column.name, (*words.NO_FACT, *words.ACTIVE, *words.THUMBNAIL, *words.ANSWER)):
        return False
    coded = words.rank(column.name, words.ID) is not None and (column.mean_words < 1.05 and _is_code(column))
    counted = column.numbers > 0.9 and column.unique > 0.9 and column.count >= ENOUGH_ROWS
    grouping = words.named(column.name, words.GROUP) and _is_code(column)
    return not (coded or counted or grouping or words.named(column.name, words.IMAGE))


def _says(column: Column, answer: Column) -> bool:
    """Whether a column mostly holds the answer itself, and would give it away."""
    pairs = [pair for pair in zip(column.values, answer.values, strict=True) if None not in pair]
    return 2 * sum(bool(value == text) for value, text in pairs) > len(pairs)


def _tags(facts: Collection[Column]) -> Iterator[Column]:
    """Facts with few values, the category first: slices of an evaluation that have rows enough."""
    few = [
        c for c in facts if 2 <= c.distinct <= 30 and c.distinct <= c.count / 3 and c.filled >= 0.5 and c.numbers < 0.5
    ]
    few.sort(key=lambda column: (words.rank(column.name, words.CATEGORY) is None, column.place))
    yield from few[:MAX_TAGS]
