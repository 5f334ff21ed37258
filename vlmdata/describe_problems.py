"""What is wrong with a recipe's `describe:` and no schema can say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from vlmdata.record import Problem
from vlmdata.settings import Settings, nearest
from vlmdata.templates import TemplateError, compile_template

RULE = "recipe.describe"


def describe_problems(settings: Settings) -> Iterator[Problem]:
    """Every mistake under `describe:`, each at its line."""
    data = settings.data.get("describe")
    if not isinstance(data, Mapping):
        return
    for look in (_provider_problems, _template_problems, _schema_problems, _example_problems, _money_problems):
        for key, message, hint in look(data):
            place = ("describe", *key.split(".")) if key else ("describe",)
            yield settings.problem(place, message, rule=RULE, hint=hint)
    yield from _column_problems(settings, data)


Found = Iterator[tuple[str, str, str]]


def _provider_problems(data: Mapping[str, Any]) -> Found:
    provider = data["provider"]
    if provider == "file":
        if "path" not in data:
            yield "", "'path' is missing", "name the JSON Lines file of the answers: {id, text} on each line"
        return
    for key, wanted in (("model", "such as gemini-2.5-flash"), ("prompt", "what is asked of each row")):
        if key not in data:
            yield "", f"{key!r} is missing", wanted
    if "path" in data:
        yield "path", f"is for the provider 'file', and the provider is {provider!r}", "take it out"
    if data.get("batch") and provider != "gemini":
        yield "batch", f"the provider {provider!r} takes no batches", "take it out, or choose gemini"


def _template_problems(data: Mapping[str, Any]) -> Found:
    for key in ("prompt", "system", "answer"):
        try:
            names = compile_template(data.get(key, "")).names
        except TemplateError as error:
            yield key, error.message, error.hint
            continue
        if key == "answer" and names and names != {"answer"}:
            other = sorted(names - {"answer"})[0]
            yield (
                key,
                f"reads {other!r}, and there is only `answer`",
                "what the model wrote, parsed if there is a schema",
            )


def _schema_problems(data: Mapping[str, Any]) -> Found:
    if "schema" not in data:
        return
    try:
        Draft202012Validator.check_schema(data["schema"])
    except SchemaError as error:
        where = ".".join(map(str, error.absolute_path))
        yield "schema", f"is no JSON Schema: {where}{': ' if where else ''}{error.message}", ""
    if "answer" not in data:
        names = list(data["schema"].get("properties", {}))
        hint = f"for example answer: '{{{{ answer.{names[0] if names else 'text'} }}}}'"
        yield "", "there is a schema, and no `answer` that makes a text of it", hint


def _example_problems(data: Mapping[str, Any]) -> Found:
    examples = data.get("examples", {})
    if "rows" in examples and "ids" in examples:
        yield "examples", "has `rows` and `ids`", "keep one of them"
    if set(examples) == {"pictures"}:
        yield "examples", "names no rows", "add `rows: 3`, or the ids of some rows"


def _money_problems(data: Mapping[str, Any]) -> Found:
    if "max_cost" in data and "prices" not in data:
        yield "max_cost", "needs `prices`: without them nobody knows what an answer costs", "copy your provider's"


def _column_problems(settings: Settings, data: Mapping[str, Any]) -> Iterator[Problem]:
    """A column that nothing reads: it would be paid for and then left out."""
    column = data.get("column", "description")
    texts = [*settings.data.get("fields", ()), *settings.data.get("tags", ())]
    read = {*texts, *_names(settings.data.get("conversations", ()))}
    if read and column not in read:
        hint = nearest(column, sorted(read)) or f"they read {', '.join(sorted(read)[:10])}"
        message = f"no conversation, field or tag reads the column {column!r}"
        yield settings.problem(("describe", "column"), message, rule=RULE, hint=hint)


def _names(conversations: Any) -> Iterator[str]:
    """The columns that templates of conversations read, as far as they compile."""
    for each in conversations:
        user = each["user"]
        texts = [*([user] if isinstance(user, str) else user), each["assistant"], each.get("system", "")]
        for text in [*texts, *each.get("tags", {}).values()]:
            try:
                yield from compile_template(text).names
            except TemplateError:
                continue
