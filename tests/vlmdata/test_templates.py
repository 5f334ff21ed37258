"""Templates: missing values leave nothing behind, unknown names are errors, and nothing can grow without end."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vlmdata.template_sandbox import MAX_TEXT
from vlmdata.templates import TemplateError, compile_expression, compile_template, holds_marks, known_value

ROW: dict[str, Any] = {"title": "Mug", "brand": None, "long": "x" * 1000, "price": "12", "Product title": "A mug"}


def rendered(template: str, **values: Any) -> str:
    return compile_template(template)({**ROW, **values})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ title }}\nBrand: {{ brand }}\nEnd", "Mug\nEnd"),
        ("Brand: {{ brand }} of {{ title }}", "Brand:  of Mug"),
        ("{{ brand }}", ""),
        ("a{% if brand %}, {{ brand }}{% endif %}", "a"),
        ("{{ brand | upper }}", ""),
        ("{{ brand ~ ' mug' }}", "mug"),
        ("By {{ brand ~ brand }}\n{{ title }}", "Mug"),
        ("{{ brand | default('no brand') }}", "no brand"),
        ("{{ brand or 'no brand' }}", "no brand"),
        ("{{ [brand, title] | join(', ') }}", "Mug"),
        ("{{ brand | replace('a', 'b') }}{{ brand | length }}", ""),
        ("{% for name, value in row.items() if name == 'brand' %}{{ name }}: {{ value }}{% endfor %}", "brand:"),
        ("{{ row['Product title'] }}", "A mug"),
        ("{{ row.title }} {{ title.upper() }} {{ title[:1] }}", "Mug MUG M"),
        ("{{ price | int + 1 }} {{ price | float | round(1) }}", "13 12.0"),
        ("{{ (long | truncate(10)) }}", "xxxxxxx..."),
        ("{% for letter in title %}{{ loop.index }}{{ letter }}{% endfor %}", "1M2u3g"),
        ("{{ none }}{{ 0 }}{{ false }}", "0false"),
    ],
)
def test_a_template_says_what_the_row_has(template: str, expected: str) -> None:
    assert rendered(template) == expected


def test_a_line_of_a_value_stays_beside_a_missing_value() -> None:
    assert rendered("{{ text }} {{ brand }}", text="first\nsecond\n\nthird") == "first\nsecond\n\nthird"


@given(st.text(st.characters(exclude_characters="\ufdd0\ufdd1", exclude_categories=["Cs"])))
def test_a_value_is_printed_as_it_is(text: str) -> None:
    assert rendered("|{{ text }}|{{ brand }}", text=text) == f"|{text}|".strip()


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ title | attr('__class__') }}",
        "{{ title['__class__'] }}",
        "{{ [title] | map(attribute='__class__') | join }}",
        "{{ self }}",
        "{{ self._TemplateReference__context }}",
        "{{ title.format }}",
        "{{ '{0.__class__}'.format(title) }}",
        "{{ title.encode() }}",
        "{{ lipsum() }}",
        "{{ cycler }}",
        "{{ namespace(a=1).a }}",
        "{{ range.__init__ }}",
        "{{ row.__class__ }}",
        "{{ row.clear() }}",
        "{{ row.update(title=1) }}",
        "{% include 'secret' %}",
        "{% import 'secret' as secret %}",
        "{% extends 'secret' %}",
        "{{ undefined_name }}",
        "{{ row.undefined_name }}",
        "{{ brand.upper() }}",
        "{{ title.split('u') | upper }}",
        "{{ row }}",
        "{{ 1 // 0 }}",
        "{{ title + brand }}",
        "{{ title + 1 }}",
        "{{ loop }}",
    ],
)
def test_what_a_template_may_not_do_is_an_error_of_the_template(template: str) -> None:
    with pytest.raises(TemplateError):
        rendered(template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10**10 }}",
        "{{ [1] * 10**10 }}",
        "{{ 10 ** 10 ** 10 ** 10 }}",
        "{{ (10 ** 18) ** 10000000 }}",
        "{{ '%10000000000s' % title }}",
        "{{ '{:10000000000}'.format(title) }}",
        "{{ title.ljust(10 ** 10) }}",
        "{{ title.zfill(10 ** 10) }}",
        "{{ title | center(10 ** 10) }}",
        "{{ title | indent(10 ** 10) }}",
        "{{ title | batch(10 ** 10, 'x') | list }}",
        "{{ title | round(10 ** 9, 'ceil') }}",
        "{{ range(10 ** 10) | list }}",
        "{{ range(0, 10 ** 30) | length }}",
        "{% for i in range(1000) %}{% for j in range(1000) %}{{ long }}{% endfor %}{% endfor %}",
        "{% for a in long %}{% for b in long %}{% for c in long %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in long ~ long %}x{% endfor %}",
        "{{ long.replace('x', long).replace('x', long).replace('x', long) }}",
        "{{ long | replace('x', long) | replace('x', long) }}",
        "{{ long | join(long) }}",
        "{% set a = long ~ long %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
        "{% set a = long + long %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
        "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
        "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a | join }}",
        "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a | upper }}",
        "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a ~ 'x' }}",
        "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set a %}{% for i in range(1000) %}{{ long }}{% endfor %}{% endset %}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{% if 1 %}" * 200 + "{% endif %}" * 200,
        "{{ very_long }}",
    ],
)
def test_a_template_can_not_use_up_memory_or_time(template: str) -> None:
    started = time.process_time()
    with pytest.raises(TemplateError):
        rendered(template, very_long="x" * (MAX_TEXT + 1))
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("template", "words", "hint"),
    [
        ("{{ title", "unexpected end of template", "write {{ column }}"),
        ("{{ title | uper }}", "No filter named 'uper'", "did you mean 'upper'?"),
        ("{{ title | attr('x') }}", "No filter named 'attr'", "the filters are"),
        ("{% include 'x' %}", "{% include %} is not available here", ""),
        ("a\n{{ Product title }}", "(line 2)", "row['Column name']"),
    ],
)
def test_a_wrong_template_is_named_before_any_row_is_read(template: str, words: str, hint: str) -> None:
    with pytest.raises(TemplateError) as raised:
        compile_template(template)
    assert words in raised.value.message
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("title == 'Mug'", "True"),
        ("brand", "False"),
        ("brand is none and price | int > 10", "True"),
        ("title in ['Mug', 'Jug']", "True"),
        ("title ~ brand == 'Mug'", "True"),
    ],
)
def test_a_condition_is_true_or_false(condition: str, expected: str) -> None:
    assert compile_expression(condition)(ROW) == expected


@pytest.mark.parametrize("condition", ["title ==", "title) or (1", "a }} b", "1 # 2", "title = 'x'", "{{ title }}"])
def test_what_is_no_condition_is_refused(condition: str) -> None:
    with pytest.raises(TemplateError, match="not a condition"):
        compile_expression(condition)


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{ title }} {{ row['Product title'] }} {{ row.brand }}", {"title", "Product title", "brand"}),
        ("{% set x = title %}{{ x }}{% for p in parts %}{{ p }}{% endfor %}", {"title", "parts"}),
        ("{{ range(3) | length }}{{ row.get('a') }}", set()),
        ("{{ a ~ b | default(c) }}", {"a", "b", "c"}),
    ],
)
def test_the_columns_that_a_template_reads_are_known_before_rendering(template: str, names: set[str]) -> None:
    assert compile_template(template).names == names


def test_a_cell_is_missing_where_the_recipe_says_so() -> None:
    assert known_value(" n/a ", ("", "n/a")) is None
    assert known_value("  ", ("",)) is None
    assert known_value(float("nan"), ("",)) is None
    assert known_value("nan", ("",)) == "nan"
    assert known_value(0, ("",)) == 0


NESTED: dict[str, Any] = {
    "title": "Mug",
    "attributes": {
        "brand": "Hearth",
        "size": {"height": 9.5, "depth": None},
        "title": "inner",
        "items": "three",
        "copy": "text",
        "dishwasher safe": True,
        "pieces": 6,
        "": "nameless",
    },
    "features": ["dishwasher-safe", None, "300 ml"],
    "parts": [{"name": "lid", "n": 1}, {"name": "cup"}],
    "empty": [],
    "brand": None,
    "image": {"bytes": b"x", "path": "a.png"},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ attributes.brand }}", "Hearth"),
        ("{{ attributes['brand'] }}", "Hearth"),
        ("{{ row.attributes.brand }} {{ row['attributes']['brand'] }}", "Hearth Hearth"),
        ("{{ attributes.size.height }} cm", "9.5 cm"),
        ("{{ attributes['dishwasher safe'] }}", "true"),
        ("{{ attributes.title }} {{ attributes.copy }}", "inner text"),
        ("{{ attributes['items'] }} {{ attributes[''] }}", "three nameless"),
        ("{{ attributes.get('brand') }}", "Hearth"),
        ("{{ features[0] }}, {{ features[-1] }}", "dishwasher-safe, 300 ml"),
        ("{{ features[:1] }}", '["dishwasher-safe"]'),
        ("Depth: {{ attributes.size.depth }}\n{{ title }}", "Mug"),
        ("Width: {{ attributes.size.width }}\n{{ title }}", "Mug"),
        ("Colour: {{ attributes.look.colour.name }}\n{{ title }}", "Mug"),
        ("Key: {{ attributes[brand] }}\n{{ title }}", "Mug"),
        ("Tenth: {{ features[9] }}\n{{ title }}", "Mug"),
        ("Of none: {{ brand.name }}{{ brand['x'] }}{{ brand[0] }}\n{{ title }}", "Mug"),
        ("First: {{ empty | first }}{{ empty | last }}{{ brand | first }}\n{{ title }}", "Mug"),
        ("{% for f in features %}- {{ f }}\n{% endfor %}", "- dishwasher-safe\n- 300 ml"),
        ("{% for f in brand %}{{ f }}{% endfor %}{% for f in empty %}{{ f }}{% endfor %}|", "|"),
        ("{{ features | join(', ') }}", "dishwasher-safe, 300 ml"),
        ("{{ brand | join(', ') }}{{ empty | join(', ') }}", ""),
        ("{{ parts | map(attribute='name') | join('+') }}", "lid+cup"),
        ("{{ parts | map(attribute='n') | join('+') }}", "1"),
        ("{% for part in parts %}{{ part.name }}: {{ part.n }}\n{% endfor %}", "lid: 1\ncup:"),
        ("{% for key, value in attributes.size.items() %}{{ key }}={{ value }};{% endfor %}", "height=9.5;depth=;"),
        ("{{ attributes.size }}", '{"height": 9.5, "depth": null}'),
        ("{{ parts }}", '[{"name": "lid", "n": 1}, {"name": "cup"}]'),
        ("{{ title.split('u') }}", '["M", "g"]'),
        ("{% if attributes.pieces > 4 and 'lid' in parts[0].values() %}yes{% endif %}", "yes"),
        ("{{ attributes.pieces + 1 }} {{ features | length }}", "7 3"),
        ("{{ 3.0 }} {{ 12.50 }} {{ true }} {{ [1, 'ü', false, none] }}", '3.0 12.5 true [1, "ü", false, null]'),
        ("{{ attributes.missing is none }}", "true"),
        ("{{ image.path }}", "a.png"),
    ],
)
def test_a_template_reaches_into_lists_and_mappings(template: str, expected: str) -> None:
    assert compile_template(template)(NESTED) == expected


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ row }}", "the whole row can't be put into a text"),
        ("{{ row.colour }}", "has no attribute 'colour'"),
        ("{{ features | upper }}", "a list can't be put into a text; join it, or take one entry"),
        ("{{ 'x' ~ attributes }}", "a mapping can't be put into a text"),
        ("{{ parts | join }}", "a mapping can't be put into a text"),
        ("{{ image }}", "a value of bytes can't be printed"),
        ("{{ image.bytes }}", "a value of bytes can't be put into a text"),
        ("{{ image.bytes.decode() }}", ""),
        ("{{ title.brand }}", "'str object' has no attribute 'brand'"),
        ("{{ title['brand'] }}", "'str object' has no attribute 'brand'"),
        ("{{ brand.upper() }}", "a method is called on a missing value"),
        ("{{ attributes.update(brand='x') }}", "a method is called on a missing value"),
        ("{{ attributes.clear() }}", "a method is called on a missing value"),
        ("{{ attributes.copy() }}", "not callable"),
        ("{{ features.append(1) }}", ""),
        ("{{ features.__class__ }}", ""),
        ("{{ attributes.__class__ }}", ""),
        ("{{ attributes['__class__'] }}", ""),
        ("{{ attributes.items.__func__ }}", ""),
        ("{{ parts | map(attribute='__class__') | join }}", ""),
        ("{{ brand.__class__ }}", ""),
    ],
)
def test_what_a_nested_value_may_not_do_is_an_error_of_the_template(template: str, words: str) -> None:
    with pytest.raises(TemplateError) as raised:
        compile_template(template)(NESTED)
    assert words in raised.value.message


@pytest.mark.parametrize(
    "template",
    [
        "{{ big }}",
        "{{ deep }}",
        "{% for a in big %}{{ big }}{% endfor %}",
        "{% for a in many %}x{% endfor %}",
        "{% set a = big %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    ],
)
def test_a_nested_value_can_not_use_up_memory_or_time(template: str) -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    values = {"big": ["x" * 1000] * 300, "many": [1] * 1001, "deep": deep}
    started = time.process_time()
    with pytest.raises(TemplateError):
        compile_template(template)(values)
    assert time.process_time() - started < 2


def test_a_cell_of_json_that_was_not_read_is_explained() -> None:
    with pytest.raises(TemplateError) as raised:
        compile_template("{{ extra.brand }}")({"extra": '{"brand": "Hearth"}'})
    assert raised.value.hint == "where a cell holds JSON, name its column in source.json"


def test_a_condition_reads_nested_values() -> None:
    assert compile_expression("attributes.size.height > 9")(NESTED) == "True"
    assert compile_expression("attributes['dishwasher safe'] and 'lid' in parts[0].name")(NESTED) == "True"
    assert compile_expression("attributes.colour == 'red'")(NESTED) == "False"


def test_missing_values_inside_lists_and_mappings_are_missing() -> None:
    nan = float("nan")
    value = {"a": ["n/a", " ", nan, "x"], "b": {"c": "n/a"}, "d": b"n/a"}
    assert known_value(value, ("", "n/a")) == {"a": [None, None, None, "x"], "b": {"c": None}, "d": b"n/a"}


def test_marks_are_found_inside_lists_and_mappings() -> None:
    assert holds_marks({"a": [{"b": "x\ufdd0"}]})
    assert holds_marks([{"\ufdd1": 1}])
    assert not holds_marks({"a": ["x", 1, None, b"x"]})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, min_size=1, max_size=3))
def test_a_mapping_is_printed_as_json_that_reads_back_equal(value: dict[str, Any]) -> None:
    assume(not holds_marks(value))
    assert json.loads(rendered("{{ value }}", value=value)) == value
