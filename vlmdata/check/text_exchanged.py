"""Questions and answers in each other's place, and answers that are a line of their question."""

from __future__ import annotations

import re

import numpy as np

from vlmdata.check.text_repeats import ENDS, question_places
from vlmdata.check.text_rule import Columns, Mask, Text, TextRule
from vlmdata.check_settings import CheckSettings

LONGEST_REQUEST = 200
LEAD = r"\A[\s\pZ\x0b\x1c-\x1f\x{85}]*"
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
ASKING_SCREEN = (
    rf"{LEAD}(?i:pleas|can you|could you|bitte|por f|descr|write|list|summari|explain|create|generate|compose|besch"
    r"|schr|erstelle|escri|scriv|escrev|opisz|napisz|(?:what|which|who|where|when|why|how|is|are|does|do|can|was"
    r"|welche[rsmn]?|wie|wer|wo|warum|ist|sind|hat|quel(?:le)?s?|combien|est-ce|que|quale|quanti|dove|come|qual|quantos"
    r"|onde)\b[^.!?\n]*\?)"
)
ASKING_BEYOND = (
    rf"{LEAD}(?:(?i:décri|rédig|écri|descríb|опиш|напиш|(?:où|qué|cuál|cuánt|dónde)[^.!?\n]*\?)"
    r"|请?(?:描述|介绍|介紹|写)|(?:이|다음) |صف |[^。]*(?:商品|画像|写真)を(?:説明|描写)し)"
)
"""How what asks begins, for a look at whole columns."""
WANTED = re.compile(
    r"(?i)question|quiz|\bask|prompt|instruction|transcri|\bread\b|\bocr\b|translate|rewrite|rephrase|frage"
)
"""What a turn says to which a request is an answer."""
WANTED_TOO = re.compile(r"(?i)caption|title|titel|slogan|headline|[?？؟]")
"""To which a question is one."""


PLEADING = re.compile(
    r"(?i)[?？؟]|[:：]\s*\Z|\A\s*(?:please|write|make|give|tell|come|describe|explain|continue|suggest|propose|create"
    r"|formulate|generate|compose|imagine|say|show|pretend|act|invent|think|name|find|list|how|what|why|when|who|where|which|hi|hello|hey|thanks?"
    r"|bitte|beschreib\w*|schreib\w*|stell\w*|formulier\w*|nenn\w*|hallo|écri\w*|rédige\w*|bonjour|escrib\w*|hola|scrivi\w*"
    r"|ciao|escrev\w*|olá|napisz)\b|\b(?:request|task|inquiry|enquiry|query|command|(?-i:I)|i['’]m|my|me|we|our|anfrage|aufgabe"
    r"|ich|mein\w*|demande|tâche|je|mon|mes|pregunta|tarea|yo|mi|domanda|compito|pergunta|tarefa)\b"
)
"""A turn that wants something or greets, so that what asks may well answer it."""
ADDRESSES = re.compile(
    r"(?i)\b(?:you|your|yours|yourself|me|i|deine?[mnrs]?|ihre?[mnrs]?|dir|votre|vos|tes|te|vuestr[oa]s?)\b"
)
"""What speaks of a reader or a speaker: a manual's instruction, or a question that is asked back."""
OF_A_PICTURE = re.compile(
    r"(?i)\b(?:image|picture|photo|shown|visible|bild|foto|abgebildet|imagen|immagine|imagem)\b|\A\s*(?:what colou?r"
    r"|how many|welche farbe|wie viele|combien|quelle couleur|cuánt[oa]s|quanti|quant[oa]s)\b"
)
"""What is asked about a picture, and hardly ever in a talk."""


def swapped(text: Text) -> str | None:
    """An answer that asks, to a question that does not. Of several answers all must ask, since one may ask back."""
    if not text.alone or not text.questions or not asks(text.text):
        return None
    requests = REQUEST.fullmatch(text.text) is not None
    for said in text.questions:
        if WANTED.search(said) or REQUEST.fullmatch(said) or not (requests or not WANTED_TOO.search(said)):
            return None
    size = len(text.text.encode())
    if all(len(said.encode()) <= size for said in text.questions) and not _asks_a_statement(text, requests):
        return None
    if len(text.answers) > 1 and not all(map(asks, text.answers)):
        return None
    return f"is {text.text.strip()[:60]!r}, which asks; the question does not"


def asks(said: str) -> bool:
    """Whether a text asks for a text about a picture, or is a question, and nothing else."""
    return len(said) <= LONGEST_REQUEST and bool(REQUEST.fullmatch(said) or ASKING.fullmatch(said))


def _asks_a_statement(text: Text, requests: bool) -> bool:
    """Whether an answer that asks follows on a short text that only says what is there."""
    if ADDRESSES.search(text.text) or not (requests or OF_A_PICTURE.search(text.text)):
        return False
    return not any(PLEADING.search(said) or not said.strip() for said in text.questions)


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
            screen=ASKING_SCREEN,
            beyond_ascii=ASKING_BEYOND,
            where="start",
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
