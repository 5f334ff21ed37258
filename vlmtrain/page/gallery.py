"""Rows with their photos, their reference, and the candidates' answers side by side, the differences marked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vlmdata.page import section, shortened, text
from vlmdata.page.gallery import Card, Picture, card_html, filters, picture_html, thumbnail
from vlmdata.words import plural
from vlmtrain.page.choosing import Chosen, chosen_rows
from vlmtrain.page.colours import kind_of
from vlmtrain.page.differences import marked
from vlmtrain.score_words import field_of, figure, score_words
from vlmtrain.verdict import headline, main_candidate

if TYPE_CHECKING:
    from vlmtrain.evaluation import Candidate, EvalResult
    from vlmtrain.metric import Answered

Photos = Callable[[str], Sequence[bytes]]

SIDE = 200
PHOTOS_OF_ROW, MOST_PHOTOS = 4, 120
MOST_PHOTO_BYTES = 30_000_000
MOST_ANSWERS = 4
MOST_TEXT, MOST_PROMPT = 1_200, 600
MOST_CHIPS = 12
MOST_FILTERS = 200


@dataclass(slots=True)
class Album:
    """Thumbnails, as many as a page may have."""

    photos: Photos
    left: int = MOST_PHOTOS
    made: dict[bytes, Picture] = field(default_factory=dict)

    def of(self, row: Answered) -> list[Picture]:
        """Those of a row."""
        if not row.images or not self.left:
            return [Picture(missing="left out, to keep this page small")] * bool(row.images)
        shown = list(self.photos(row.id))[:PHOTOS_OF_ROW][: self.left]
        self.left -= len(shown)
        return [_thumbnail(data) for data in shown]


def _thumbnail(data: bytes) -> Picture:
    if len(data) > MOST_PHOTO_BYTES:
        return Picture(missing=f"{len(data):,} bytes, left out")
    return thumbnail(data, side=SIDE)


def gallery(result: EvalResult, photos: Photos, room: int) -> str:
    """Cards of chosen rows, as many as there is room for in bytes, with filters above them."""
    chosen, shown, album = chosen_rows(result), _shown(result), Album(photos)
    rows = shown[0].answered
    numbers = _tag_numbers([rows[each.place] for each in chosen])
    cards, lines = [], []
    for each in chosen:
        card = _card(result, each, shown, album.of(rows[each.place]))
        line = card_html(card, numbers)
        room -= len(line.encode())
        if room < 0:
            break
        cards.append(card)
        lines.append(line)
    if not cards:
        return ""
    body = f'{filters(cards, numbers)}{_legend()}<div class="cards answers" id="cards">{"".join(lines)}</div>'
    return section(
        "rows", "Rows to look at", body, note=_note(len(cards), len(rows), len(result.candidates) - len(shown))
    )


def _note(count: int, total: int, others: int) -> str:
    rest = f" The answers of {plural(others, 'more candidate')} are in the files." if others else ""
    return (
        f"{count:,} of {plural(total, 'row')}: fixed and broken ones, the worst by each metric, some unchanged.{rest}"
    )


def _legend() -> str:
    return (
        '<p class="note legend">In an answer, <ins>marked words</ins> are not in the reference; '
        "<del>struck ones</del> are in the reference, and not in the answer.</p>"
    )


def _shown(result: EvalResult) -> list[Candidate]:
    """The first candidate, the one that the evaluation is about, and then others as far as there is room."""
    first = next(iter(result.candidates))
    order = dict.fromkeys([first, main_candidate(result), *result.candidates])
    return [result.candidates[name] for name in list(order)[:MOST_ANSWERS]]


def _card(result: EvalResult, row: Chosen, shown: Sequence[Candidate], pictures: Sequence[Picture]) -> Card:
    asked = shown[0].answered[row.place]
    photos = "".join(picture_html(picture, f"image {place}") for place, picture in enumerate(pictures, start=1))
    prompt = f'<p class="said prompt" dir="auto">{text(shortened(asked.prompt.strip(), MOST_PROMPT))}</p>'
    columns = "".join([_reference(asked), *(_answer(result, each, row.place) for each in shown)])
    return Card(
        title=asked.id,
        where="" if asked.group in {"", asked.id} else f"group {asked.group}",
        kinds=tuple(kind for kind in (row.became, *row.reasons) if kind),
        tags={name: value for name, value in asked.tags.items() if value},
        body=(
            f'<div class="row-of"><div class="asked"><div class="photos">{photos}</div>{prompt}</div>'
            f'<div class="columns">{columns}</div></div>'
        ),
    )


def _reference(row: Answered) -> str:
    said = text(shortened(row.reference, MOST_TEXT)) or "(none)"
    return f'<div class="answer reference"><h4>reference</h4><p class="said" dir="auto">{said}</p></div>'


def _answer(result: EvalResult, candidate: Candidate, place: int) -> str:
    row, scores = candidate.answered[place], candidate.scores[place]
    if row.failed is not None:
        said = f'<p class="failed">could not take this row: {text(shortened(row.failed, 300))}</p>'
    elif not row.prediction.strip():
        said = '<p class="failed">an empty answer</p>'
    else:
        words = marked(shortened(row.prediction, MOST_TEXT), shortened(row.reference, MOST_TEXT))
        said = f'<p class="said" dir="auto">{words}</p>'
    kind = kind_of(result, candidate.name)
    return (
        f'<div class="answer {kind}"><h4><i class="swatch {kind}"></i><span dir="auto">{text(candidate.name)}</span>'
        f"{_right(result, scores)}</h4>{said}{_chips(row, scores)}</div>"
    )


def _right(result: EvalResult, scores: Mapping[str, float]) -> str:
    """Whether the answer is right; where that is not known, its first score."""
    if result.correct is not None and result.correct in scores:
        right = scores[result.correct] == 1
        return f'<span class="badge {"right" if right else "wrong"}">{"right" if right else "wrong"}</span>'
    score = headline(result)
    if score is None or score not in scores:
        return ""
    return f'<span class="badge">{text(score_words(score))} {figure(score, scores[score])}</span>'


def _chips(row: Answered, scores: Mapping[str, float]) -> str:
    """The row's fields, each with whether the answer names it."""
    named = {name: scores[score] == 1 for score in scores if (name := field_of(score)) and name in row.fields}
    entries = [
        f'<li class="{"named" if right else "missed"}"><span dir="auto">{text(shortened(name, 40))}: '
        f'<b>{text(shortened(row.fields[name], 60))}</b></span> <span class="unseen">'
        f"{'named' if right else 'missed'}</span></li>"
        for name, right in list(named.items())[:MOST_CHIPS]
    ]
    rest = f"<li>… {len(named) - MOST_CHIPS:,} more</li>" if len(named) > MOST_CHIPS else ""
    return f'<ul class="chips">{"".join(entries)}{rest}</ul>' if entries else ""


def _tag_numbers(rows: Sequence[Answered]) -> dict[tuple[str, str], int]:
    pairs = sorted({pair for row in rows for pair in row.tags.items() if pair[1]})
    return {pair: place for place, pair in enumerate(pairs[:MOST_FILTERS])}
