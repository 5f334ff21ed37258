"""Which option of a multiple choice an answer chooses: by its letter, or by its text, or none. Never a guess.

The ways to read an answer are tried from the clearest on. The first that finds anything decides: one option is the
answer, several are none. MMIU's own script (OpenGVLab/MMIU, evaluate.py) asks a language model where the answer is more
than a letter; this needs none, gives the same on every machine, and says "unparsed" where a person would have to guess.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from vlmtrain.metric.exact_match import normalised
from vlmtrain.metric.naming import NEGATIONS, only_named

ANSWER = (
    r"answer(?:\s+to\s+(?:the|this)\s+question)?|(?:correct|right|best)\s+(?:option|choice|one)|antwort|réponse|respuesta|"
    r"risposta|resposta|antwoord|odpowiedź|ответ|cevap|答案|正解|答え|정답|الإجابة|उत्तर"
)
OPTION = r"option|choice|opción|opzione|opção|möglichkeit|вариант|选项|選項"
IS = r"(?:(?:is|are|(?:would|should|must|will|has\s+to)\s+be|ist|est|es|è|é|jest|это)\b|是|为|為|は|은|는)"
OR = r"(?:,|/|&|or|and|oder|und|ou|et|o|y|или|и|或|和|と)"
RIGHT = r"(?:the\s+|die\s+|la\s+)?(?:correct|right|best|answer|richtige?|correcta?|correcte|giusta|верный|правильный)"
TAKE = r"(?:is|be|choose|chose|pick|select|say|guess|think|with|wähle|nehme|choisis|elijo|→|=>|->)"
DENIED = re.compile(
    rf"\s*(?:{IS}|was|can|could|does|do|seems|looks)?\s*(?:\w+n['’]t|not|cannot|no|never|wrong|incorrect|false|nicht|falsch|pas)\b",
    re.IGNORECASE,
)
WORD = r"A-Za-z0-9À-ɏ"
AROUND = " .,;:!?\"'()[]{}。、"

Chosen = set[str]


def chosen(answer: str, options: Mapping[str, str]) -> str | None:
    """The letter of the option that an answer chooses; None where it chooses none, or can't be told."""
    text, ways = without_listing(readable(answer), options), _ways(tuple(options))
    readers: tuple[Callable[[], Chosen], ...] = (
        lambda: ways.found(ways.alone, text),
        lambda: _by_whole_text(text, options),
        lambda: ways.found(ways.answer, text) | ways.found(ways.right, text),
        lambda: ways.affirmed(ways.option, text),
        lambda: _agreeing(ways.affirmed(ways.marked, text), text, options),
        lambda: ways.affirmed(ways.taken, text),
        lambda: _by_text(text, options),
    )
    for read in readers:
        if found := read():
            return found.pop() if len(found) == 1 else None
    return None


def readable(answer: str) -> str:
    """An answer without its thoughts, LaTeX and Markdown; letters that stand out by these stand in parentheses."""
    text = unicodedata.normalize("NFKC", answer).rpartition("</think>")[2]
    text = text.partition("<think>")[0]
    text = re.sub(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\$*\\boxed\s*\{\s*\(?([^{}()]*)\)?\s*\}\$*", r" answer: (\1) ", text)
    text = re.sub(r"(\*{1,3}|__)\s*\(?(\w)\)?[.:)]?\s*\1", r"(\2)", text)
    return re.sub(r"\*+|__+|`+", "", text).strip()


def without_listing(text: str, options: Mapping[str, str]) -> str:
    """An answer without the options that it repeats before it answers: "A: red B: blue. It is blue." """
    said = text.casefold()
    if sum(own.strip().casefold() in said for own in options.values()) < 2:
        return text
    shown = [
        rf"(?<![{WORD}])[(\[]?{re.escape(letter)}[.:)\]]+\s*{re.escape(own.strip())}(?!\w)[.,;]?"
        for letter, own in options.items()
    ]
    if sum(re.search(each, text, re.IGNORECASE) is not None for each in shown) < 2:
        return text
    return re.sub("|".join(shown), " ", text, flags=re.IGNORECASE).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """The patterns of one set of letters. Each finds one letter or a list of them, that `pick` takes apart."""

    letters: Mapping[str, str]
    pick: re.Pattern[str]
    alone: re.Pattern[str]
    answer: re.Pattern[str]
    right: re.Pattern[str]
    option: re.Pattern[str]
    marked: re.Pattern[str]
    taken: re.Pattern[str]

    def found(self, pattern: re.Pattern[str], text: str) -> Chosen:
        """The letters that a way of writing names in a text."""
        return self._letters(match["picks"] for match in pattern.finditer(text))

    def affirmed(self, pattern: re.Pattern[str], text: str) -> Chosen:
        """The same, without letters in a clause that denies them: "It is not (B)", "Option B is wrong"."""
        return self._letters(match["picks"] for match in pattern.finditer(text) if not _denied(match))

    def _letters(self, pieces: Iterable[str]) -> Chosen:
        return {self.letters[letter.casefold()] for piece in pieces for letter in self.pick.findall(piece)}


def _denied(found: re.Match[str]) -> bool:
    """Whether a no stands before a letter in its clause, or right behind it."""
    clause = re.split(r"[.,;:!?\n]", found.string[: found.start("picks")])[-1]
    return bool(NEGATIONS.search(clause.casefold()) or DENIED.match(found.string, found.end("picks")))


@lru_cache(maxsize=256)
def _ways(letters: tuple[str, ...]) -> _Ways:
    """A small letter counts where something sets it off: "(b)", "b." and "b" at the end, but not "a" in "a mug"."""
    any_of = "|".join(re.escape(letter) for letter in sorted(letters, key=len, reverse=True))
    edge, end = rf"(?<![{WORD}-])", rf"(?![{WORD}]|['’-]\w)"
    small = rf"(?i:{any_of})"
    one = rf"(?:[(\[{{\"'「]\s*{small}\s*[)\]}}\"'」]|{edge}(?:{any_of}){end}|{edge}{small}(?=\s*(?:[.;:!)\]\n]|$)))"
    picks = rf"(?P<picks>{one}(?:\s*{OR}\s*(?:(?i:{OPTION})\s*)?{one})*)"
    between = r"[\s:=>\-–—]*"
    start = r"^\s*(?:[-•]\s+)?"
    return _Ways(
        letters={letter.casefold(): letter for letter in letters},
        pick=re.compile(rf"{edge}{small}{end}"),
        alone=re.compile(rf"^[\W_]*(?P<picks>{small})[\W_]*$", re.MULTILINE),
        answer=re.compile(
            rf"(?i:{ANSWER}){between}(?i:{IS})?{between}(?i:(?:the|die|la|le|el|letter|{OPTION})\s*)*{between}{picks}"
        ),
        right=re.compile(rf"{picks}\s*(?i:{IS})\s*(?i:{RIGHT})\b"),
        option=re.compile(rf"(?i:{OPTION})\s*{picks}"),
        marked=re.compile(
            rf"(?P<picks>[(\[]\s*{small}\s*[)\]]|{start}{small}(?=[.:)](?:\s|$)|\s+[-–—]\s))", re.MULTILINE
        ),
        taken=re.compile(
            rf"(?i:\b{TAKE}|→|=>|->)\s+(?i:it(?:'s|\s+is)\s+)?{edge}(?P<picks>{any_of}){end}"
            r"(?=\s*(?:[.,;!\n]|$|because\b|since\b|as\b))"
        ),
    )


def _by_whole_text(text: str, options: Mapping[str, str]) -> Chosen:
    """The option whose text the answer is, alone or behind its letter."""
    said = _plain(text)
    return {letter for letter, own in options.items() if said and said in (_plain(own), _plain(f"{letter} {own}"))}


def _agreeing(found: Chosen, text: str, options: Mapping[str, str]) -> Chosen:
    """Letters, and the option whose text stands behind the letter where that is another: then there are two."""
    behind = _plain(re.sub(r"^\s*[(\[]?\w+[)\].:]*\s*[-–—]?\s*", "", text))
    other = {letter for letter, own in options.items() if behind and _plain(own) == behind}
    return found | other if found and not found & other else found


def _by_text(text: str, options: Mapping[str, str]) -> Chosen:
    """The options whose texts a sentence names."""
    named = only_named(text, options.values())
    return {letter for letter, own in options.items() if own in named}


def _plain(text: str) -> str:
    return normalised(unicodedata.normalize("NFKC", text)).strip(AROUND)
