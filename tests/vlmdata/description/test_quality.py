"""What a written text must be: of the row's language and brand, long enough, no prompt, no refusal."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import pytest

from tests.vlmdata.description.catalog import Catalog
from vlmdata.check_settings import CheckSettings
from vlmdata.describe_basis import rules_of_texts
from vlmdata.describe_estimate import estimate_descriptions
from vlmdata.describe_settings import DescribeConfig
from vlmdata.description import quality
from vlmdata.description.answers import Judge, Verdict
from vlmdata.description.journal import Entry
from vlmdata.description.quality import Quality
from vlmdata.description.runner import Tally
from vlmdata.errors import ConfigError, MissingPackageError

GERMAN = "Ein bequemer Stuhl aus massiver Eiche mit vier Beinen und einer hohen Lehne für den Esstisch."
ENGLISH = "A comfortable chair of solid oak with four legs and a high back for the dining table."
VALUES = {"title": "Oak chair", "brand": "Corvane", "price": 30}


def judged(text: str, *, brands: tuple[str, ...] = (), values: dict[str, Any] = VALUES, **said: Any) -> Verdict:
    prompt = "Write a description of {{ title }} as if you stood in a shop, in at most two sentences."
    config = DescribeConfig(**{"provider": "gemini", "model": "m", "prompt": prompt, **said})
    judge = Judge(config, Quality(config, frozenset(brands)), rules_of_texts(CheckSettings()))
    return judge.verdicts([(Entry(key="ab", ended="stop", text=text, cost=Decimal(0)), values)])[0]


def rules(verdict: Verdict) -> list[str]:
    return [problem.rule for problem in verdict.problems]


@pytest.mark.parametrize(
    "text", [GERMAN, ENGLISH, "Ein Stuhl aus massiver Eiche.", "Corvane's oak chair has four legs."]
)
def test_a_plain_description_is_accepted(text: str) -> None:
    assert judged(text, brands=("Corvane", "Ashby")) == Verdict(text=text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("I'm sorry, but I can't help with that image.", "text.refusal"),
        (f"Sure! Here is a description: {ENGLISH}", "text.boilerplate"),
        (f"<p>{ENGLISH}</p><br>", "text.html"),
        ("Chair.", "describe.too_short"),
        (f"{ENGLISH} As if you stood in a shop, in at most two sentences.", "describe.prompt_leak"),
        (f"{ENGLISH} It was made by Ashby.", "describe.other_brand"),
        (f"{ENGLISH} Find it at https://chairs.example.org/oak", "text.link"),
        (f"{ENGLISH} \ud83d", "text.surrogate"),
    ],
)
def test_a_text_that_is_no_description_is_rejected_by_name(text: str, rule: str) -> None:
    verdict = judged(text, brands=("Corvane", "Ashby"))
    assert rule in rules(verdict)
    assert not verdict.good
    assert {problem.field for problem in verdict.problems} == {"description"}


def test_the_language_is_told_offline_and_short_texts_are_let_through() -> None:
    assert judged(GERMAN, language="de").good
    assert rules(judged(ENGLISH, language="de")) == ["describe.wrong_language"]
    assert rules(judged(GERMAN, language="en")) == ["describe.wrong_language"]
    assert judged("Solid oak table, Corvane.", language="de").good
    with pytest.raises(ConfigError, match=r"does not know 'dee'; did you mean 'de'\?"):
        judged(GERMAN, language="dee")


def test_a_brand_that_the_row_names_anywhere_or_that_opens_a_sentence_is_no_other() -> None:
    brands = ("Corvane", "Ashby", "Next", "Old Mill")
    assert judged(f"{ENGLISH} It fits Ashby tables.", brands=brands, values={**VALUES, "fits": "Ashby"}).good
    assert judged("Next to a table this chair of oak looks well.", brands=brands).good
    assert rules(judged("Old Mill made this chair of solid oak.", brands=brands)) == ["describe.other_brand"]
    assert judged("This chair stands next to an old mill, in oak.", brands=brands).good


def test_words_of_the_rows_own_values_are_no_leak() -> None:
    title = "Oak chair with a high back and four legs for the dining table"
    assert judged(f"{title}, made of solid wood.", values={**VALUES, "title": title}).good


def test_an_answer_of_a_schema_is_what_the_template_makes_of_it() -> None:
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "tags": {"type": "array"}},
        "required": ["text"],
    }
    said = {"schema": schema, "answer": "{{ answer.text }} ({{ answer.tags | join(', ') }})"}
    assert judged('{"text": "A chair of solid oak.", "tags": ["oak", "chair"]}', **said).text == (
        "A chair of solid oak. (oak, chair)"
    )
    assert rules(judged('{"text": "A chair of solid', **said)) == ["describe.json"]
    assert rules(judged('{"txt": "A chair of solid oak."}', **said)) == ["describe.json"]
    assert rules(judged('{"text": ' + "[" * 5_000, **said)) == ["describe.json"]
    assert rules(judged('{"text": ' + "9" * 5_000 + "}", **said)) == ["describe.json"]
    assert rules(
        judged('{"text": "A chair of solid oak."}', schema=schema, answer="{{ answer.text.first | round }}")
    ) == ["describe.answer"]
    assert rules(judged('{"text": "  "}', schema=schema, answer="{{ answer.text }}")) == ["describe.empty"]


def test_a_dry_run_says_what_the_run_would_miss_to_tell_a_language(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.write(1)
    with pytest.raises(ConfigError, match="the detector does not know 'xx'"):
        estimate_descriptions(catalog.recipe(language="xx"))
    quality._detector.cache_clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "py3langid.langid", None)
        with pytest.raises(MissingPackageError, match=r"pip install 'vlmdata\[language\]'"):
            estimate_descriptions(catalog.recipe(language="de"))
    assert estimate_descriptions(catalog.recipe(language="de")).to_ask == 1


def test_a_row_that_breaks_two_rules_is_one_rejected_row() -> None:
    tally = Tally()
    verdict = judged("I'm sorry, but I can't describe this <b>chair</b> of solid oak that you sent to me.")
    assert len(rules(verdict)) >= 2
    tally.judged(verdict)
    assert (tally.described, tally.rejected_rows) == (0, 1)
    assert set(tally.rejected) == set(rules(verdict))
