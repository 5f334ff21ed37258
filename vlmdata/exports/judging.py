"""What a format can't hold of a row: losses, which are counted, and reasons for which the row is not exported.

The words of a conversation are never left out or changed: a row whose words don't fit is not exported. What stands
beside them may be lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vlmdata.contract import arrow_type
from vlmdata.exports.extras import names_left_out
from vlmdata.exports.protocol import Holds
from vlmdata.exports.row import Row, is_turned, text_of
from vlmdata.record import Part, Problem

LOSSES: Mapping[str, str] = {
    "id": "the row's name",
    "group": "which rows must stay together in a split",
    "tags": "what an evaluation is sliced by",
    "fields": "values that an evaluation compares answers with",
    "origin": "the file and line that the row came from",
    "provenance": "who wrote a generated text",
    "image_info": "sizes and hashes of images, which an import finds again",
    "image_names": "the images' own file names",
    "extra_columns": "columns that are not in the contract",
    "text_parts": "where one text ends and the next begins, and texts of nothing but white space",
    "image_positions": "where images stand between the texts: {reader} shows them first",
    "newlines": "a newline next to an image marker, which an import takes for the marker's own",
    "several_images": "{reader}'s own loader stops at a row of several images; LLaVA-NeXT's reads the list",
    "earlier_answers": "that answers before the last are learned too: here they are part of the prompt",
    "system_in_question": "that a text was the system's: it stands before the question",
    "options_in_question": "the lines that show options: they stand in columns, from which {reader} shows them",
    "answer_text": "the answer's own words: the letter of the option stands in their place",
    "dates": "that dates are texts: {reader} opens a column of nothing but dates as times",
    "numbers": "how numbers are written: {reader} reads 007 as 7 and 1.50 as 1.5 in a column of nothing but numbers",
    "turned": "{reader} shows the image as it is stored, and not turned as its EXIF orientation says",
    "limits": "{reader} passes over rows with more than 10 images, or an image over 10 MB",
    "other_members": "the row has other files than the first; datasets wants the same in all, webdataset does not",
}
"""What is lost, in a person's words."""

OF_IMAGES = ("image_info", "image_names")


def losses(row: Row, holds: Holds) -> Iterator[str]:
    """The kinds of LOSSES that a row suffers for what stands beside its words."""
    lost = set(_beside(row)) - holds.kept
    yield from (kind for kind in LOSSES if kind in lost)
    yield from (kind for kind in names_left_out(row) if kind in holds.kept and not holds.anything)
    if not holds.turns_images and any(is_turned(image) for image in row.images):
        yield "turned"


def _beside(row: Row) -> Iterator[str]:
    """What a row has beside its words and images."""
    yield "origin"
    if row.id:
        yield "id"
    if row.group and row.group != row.id:
        yield "group"
    if row.tags:
        yield "tags"
    if row.fields:
        yield "fields"
    if row.has_provenance:
        yield "provenance"
    if row.images:
        yield from OF_IMAGES
    if len(row.record.schema.names) > len(arrow_type().names):
        yield "extra_columns"


def refusals(row: Row, holds: Holds) -> Iterator[Problem]:
    """Every reason why a row can't go into a format."""
    if holds.anything:
        return
    yield from _of_structure(row, holds)
    yield from _of_images(row, holds)
    for number, message in enumerate(row.messages):
        text = text_of(message)
        for marker in holds.markers:
            if marker in text:
                found = (
                    f"the {message.role} turn's text holds {marker!r}, which {holds.reader} takes for something else"
                )
                hint = "export to a format whose messages are parts, or take the marker out of the text"
                yield problem(row, "export.marker", f"messages[{number}]", found, hint)


def _of_structure(row: Row, holds: Holds) -> Iterator[Problem]:
    turns, reader = [str(turn.role) for turn in row.turns], holds.reader
    for number, message in enumerate(row.messages):
        if not all(map(is_whole, message.content)):
            found = "a part is neither a text nor an image, or a text without words"
            yield problem(row, "export.part", f"messages[{number}]", found, "correct the row where it comes from")
    if not turns or turns != ["user", "assistant"] * (len(turns) // 2):
        found = f"the turns are {', '.join(turns) or 'none'}; {reader} wants user and assistant in turn"
        yield problem(row, "export.roles", "messages", found, "correct the row where it comes from")
    if row.system and not holds.system:
        found = f"there is a system text, for which {reader} has no place"
        hint = "put it into the user's turn where the dataset is built, or choose another format"
        yield problem(row, "export.system", "messages[0]", found, hint)
    if len(turns) > 2 and not holds.several_turns:
        found = f"there are {len(turns)} turns; {reader} holds one question and its answer"
        hint = "choose another format, or build a row from each question"
        yield problem(row, "export.turns", "messages", found, hint)


def is_whole(part: Part) -> bool:
    """Whether a part is what the contract says: a text, or an image, whose text is null."""
    return part.text is not None if part.type == "text" else part.type == "image" and part.text is None


def _of_images(row: Row, holds: Holds) -> Iterator[Problem]:
    places, reader = row.image_places, holds.reader
    if places != len(row.images):
        found = f"{places} image parts, but {len(row.images)} images"
        yield problem(row, "export.images", "images", found, "correct the row where it comes from")
    if not row.images and not holds.text_only:
        hint = "choose another format for rows of text alone"
        yield problem(row, "export.no_image", "images", f"there is no image, and {reader} needs one", hint)
    if any(part.type == "image" for turn in row.messages if turn.role != "user" for part in turn.content):
        found = "an image stands in a turn that is not the user's"
        yield problem(row, "export.images", "images", found, "correct the row where it comes from")
    for place, image in enumerate(row.images):
        if not image.format:
            found = f"{len(image.data):,} bytes that are no image of a known format"
            hint = "correct the row where it comes from, or convert the image and build again"
            yield problem(row, "export.image_format", f"images[{place}]", found, hint)
    odd = {image.format for image in row.images} - holds.image_formats - {""} if holds.image_formats else set()
    if odd:
        found = f"an image is {' or '.join(sorted(odd))}"
        expected = ", ".join(sorted(holds.image_formats))
        hint = "set images.convert in the recipe, and build again"
        yield problem(row, "export.image_format", "images", f"{found}; {reader} reads {expected}", hint)


def problem(row: Row, rule: str, field: str, message: str, hint: str) -> Problem:
    """A reason why a row is not exported."""
    origin = row.origin
    return Problem(
        rule=rule, id=row.id, source=origin.source, line=origin.line, field=field, message=message, hint=hint
    )
