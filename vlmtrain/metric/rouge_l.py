"""ROUGE-L: the longest common subsequence of words, as an F-measure, with words of any script.

Source: Lin 2004, "ROUGE: a Package for Automatic Evaluation of Summaries" (W04-1013), computed by Google's rouge-score
(no stemming). Its own tokenizer keeps [a-z0-9] only, so that identical Chinese texts score 0 and "Größe" becomes "gr",
"e"; the tokenizer here keeps letters, marks and digits of every script. For English text without accents both give
the same words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from vlmtrain.metric import Answered, mean_scores

JOINERS = "\u200c\u200d"
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # CJK and Kangxi radicals
    (0x3005, 0x3007),  # the ideographic repetition mark and zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # small Katakana
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Burmese, extended
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x20000, 0x3FFFF),  # Han, the later extensions
)


class RougeL:
    """The ROUGE-L F-measure of each answer, 0 to 1, and its mean over the rows."""

    name = "rouge_l"
    higher_is_better = True
    about = "longest common subsequence of words, F-measure, 0 to 1"

    def __init__(self) -> None:
        self._scorer: Any = None

    def score(self, row: Answered) -> Mapping[str, float]:
        """The row's F-measure. Two texts without any word are equal where they are the same text."""
        if not words(row.reference) and not words(row.prediction):
            return {self.name: float(row.reference.strip() == row.prediction.strip())}
        if self._scorer is None:
            from rouge_score.rouge_scorer import RougeScorer

            self._scorer = RougeScorer(["rougeL"], tokenizer=UnicodeWords())
        return {self.name: float(self._scorer.score(row.reference, row.prediction)["rougeL"].fmeasure)}

    def aggregate(self, rows: Sequence[Answered]) -> Mapping[str, float]:
        """The mean of the rows' F-measures, as rouge-score's own aggregation has it."""
        return mean_scores([self.score(row) for row in rows])


class UnicodeWords:
    """The tokenizer that rouge-score is given."""

    def tokenize(self, text: str) -> list[str]:
        """The words of a text; see `words`."""
        return words(text)


def words(text: str) -> list[str]:
    """Lower-cased words: runs of letters, marks and digits; single characters in scripts that put no blanks.

    `"Die Größe: 3,5 L"` -> `die`, `größe`, `3`, `5`, `l`; `"红色的杯子"` -> five words. A mark belongs to the letter
    before it, also in Thai, where a letter with its vowel signs is one word.
    """
    found: list[str] = []
    inside = False
    for letter in unicodedata.normalize("NFC", text.lower()):
        if found and inside and (unicodedata.category(letter)[0] == "M" or letter in JOINERS):
            found[-1] += letter
        elif not letter.isalnum() and unicodedata.category(letter)[0] != "M":
            inside = False
        elif unspaced(letter):
            found.append(letter)
            inside = True
        elif inside and not unspaced(found[-1][0]):
            found[-1] += letter
        else:
            found.append(letter)
            inside = True
    return found


def unspaced(letter: str) -> bool:
    """Whether a character belongs to a script that writes no blanks between words."""
    code = ord(letter)
    return any(first <= code <= last for first, last in UNSPACED)
