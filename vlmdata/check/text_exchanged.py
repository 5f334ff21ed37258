"""Questions and answers in each other's place, and answers that are a line of their question."""

from __future__ import annotations

import re

import numpy as np

from vlmdata.check.text_repeats import ENDS, question_places
from vlmdata.check.text_rule import Columns, Mask, Text, TextRule
from vlmdata.check_settings import CheckSettings

LONGEST_REQUEST = 200
REQUEST = re.compile(
    r"\s*(?:(?:please|can you|could you|bitte|por favor)[, ]+)?(?:"
    r"(?:describe|write|list|summari[sz]e|explain|create|generate|compose)\b.*\b(?:image|picture|photo|product|item"
    r"|shop|customers?|title|features?)\b"
    r"|(?:beschreibe?n?(?: sie)?|schreibe?n?(?: sie)?|erstellen? sie|erstelle)\b.*\b(?:bild|foto|produkt|artikel|shop"
    r"|text)\w*"
    r"|(?:décri(?:s|vez)|rédige[zr]?|écri(?:s|vez))\b.*\b(?:image|photo|produit|article)\b"
    r"|(?:describ[ae]|descríbe(?:lo)?|escrib[ae])\b.*\b(?:imagen|foto|producto|artículo)\b"
    r"|(?:descrivi|scrivi|descriva)\b.*\b(?:immagine|foto|prodotto|articolo)\b"
    r"|(?:descrev[ae]|escrev[ae])\b.*\b(?:imagem|foto|produto|artigo)\b|(?:opisz|napisz)\b.*\b(?:produkt|zdjęcie"
    r"|obraz|opis)\w*"
    r"|(?:опишите?|напишите?)\b.*\b(?:товар|изображени|фото|описани)\w*|请?(?:描述|介绍|介紹|写)[^。]*(?:商品|产品|產品|图片"
    r"|圖片)[^。]{0,6}。?"
    r"|[^。]*(?:商品|画像|写真)を(?:説明|描写)してください。?"
    r"|(?:이|다음) (?:상품|제품|이미지|사진)을 (?:설명|묘사)[^.]*"
    r"|صف (?:هذا|هذه) (?:المنتج|الصورة)"
    r")[^.!?\n]{0,80}[.!?:]?\s*",
    re.IGNORECASE | re.DOTALL,
)
"""What asks for a text about a picture, from beginning to end."""
ASKING = re.compile(
    r"\s*(?:what|which|who|where|when|why|how|is|are|does|do|can|was|welche[rsmn]?|was|wie|wer|wo|warum|ist|sind|hat"
    r"|quel(?:le)?s?"
    r"|combien|où|est-ce|que|qué|cuál|cuánt[oa]s|dónde|quale|quanti|dove|come|qual|quantos|onde)\b[^.!?\n]{4,120}\?\s*",
    re.IGNORECASE,
)
WANTED = re.compile(
    r"(?i)question|quiz|\bask|prompt|instruction|transcri|\bread\b|\bocr\b|translate|rewrite|rephrase|frage"
)
"""What a turn says to which a request is an answer."""
WANTED_TOO = re.compile(r"(?i)caption|title|titel|slogan|headline|[?？؟]")
"""To which a question is one."""


def swapped(text: Text) -> str | None:
    """An answer that asks, to a question that does not."""
    if not text.alone or not text.questions or len(text.text) > LONGEST_REQUEST:
        return None
    size = len(text.text.encode())
    if size > 4 * LONGEST_REQUEST or all(len(said.encode()) <= size for said in text.questions):
        return None
    requests = REQUEST.fullmatch(text.text) is not None
    if not requests and not ASKING.fullmatch(text.text):
        return None
    for said in text.questions:
        if WANTED.search(said) or REQUEST.fullmatch(said) or not (requests or not WANTED_TOO.search(said)):
            return None
    return f"is {text.text.strip()[:60]!r}, which asks; the question does not"


def asking(columns: Columns) -> Mask:
    """Answers that are shorter than their questions, and short enough to ask for something."""
    asked, answer = question_places(columns)
    found = np.zeros(len(columns.rows), dtype=np.bool_)
    short = (columns.sizes[answer] < columns.sizes[asked]) & (columns.sizes[answer] <= 4 * LONGEST_REQUEST)
    found[answer[short]] = True
    return found


def copied(text: Text, least: int) -> str | None:
    """An answer that is a whole line of its question, where it asks for more than to read it off."""
    answer = text.text.strip().strip(ENDS)
    if len(answer) < least or text.asked or not text.alone:
        return None
    for question in text.questions:
        lines = [line.strip() for line in question.splitlines()]
        if len(lines) > 1 and any(answer == line.strip(ENDS) or line.endswith(f": {answer}") for line in lines):
            return f"is {answer[:60]!r}, a line of its question"
    return None


def held(columns: Columns, least: int) -> Mask:
    """Answers that a part of their question holds."""
    asked, answer = question_places(columns)
    shorter = (columns.sizes[answer] >= least) & (columns.sizes[answer] < columns.sizes[asked])
    asked, answer = asked[shorter], answer[shorter]
    questions, answers = columns.texts.take(asked).to_pylist(), columns.texts.take(answer).to_pylist()
    holds = [said.strip().strip(ENDS) in question for question, said in zip(questions, answers, strict=True)]
    found = np.zeros(len(columns.rows), dtype=np.bool_)
    found[answer[np.array(holds, dtype=np.bool_)]] = True
    return found


def rules(settings: CheckSettings) -> tuple[TextRule, ...]:
    """The rules of this file, with the thresholds that were settled."""
    least = int(settings.threshold("text.copied", "min_characters"))
    return (
        TextRule(
            id="text.swapped",
            find=swapped,
            suspects=asking,
            roles=("assistant",),
            hint="look whether the recipe has the two columns in each other's place",
        ),
        TextRule(
            id="text.copied",
            find=lambda text: copied(text, least),
            suspects=lambda columns: held(columns, least),
            roles=("assistant",),
            hint="look whether the recipe names the right column for the answer",
        ),
    )
