"""The record contract: the JSON Schemas, the Arrow types they stand for, and the contract's version."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Features

CONTRACT = "record.v1"
SCHEMAS = (
    "record.v1",
    "recipe.v1",
    "manifest.v1",
    "problem.v1",
    "report.v1",
    "run.v1",
    "results.v1",
    "settings.v1",
    "findings.v1",
    "preflight.v1",
)


@cache
def schema(name: str) -> dict[str, Any]:
    """A JSON Schema of the contract by name, such as `record.v1`. Raises KeyError for a name that is none."""
    if name not in SCHEMAS:
        raise KeyError(name)
    loaded: dict[str, Any] = json.loads(_schema_text(f"{name}.json"))
    return loaded


def _schema_text(file: str) -> str:
    """From the installed package; from the repository's schemas/ where the package is used in place."""
    packaged = resources.files("vlmdata").joinpath("schemas", file)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parent.parent / "schemas" / file).read_text(encoding="utf-8")


@cache
def validator(name: str) -> Draft202012Validator:
    """The compiled validator of a schema. `references` between the schemas are not used, so each stands alone."""
    loaded = schema(name)
    Draft202012Validator.check_schema(loaded)
    return Draft202012Validator(loaded)


@cache
def arrow_type() -> pa.Schema:
    """The Arrow schema of a record, without the metadata that datasets adds."""
    import pyarrow as pa

    text = pa.string()
    part = pa.struct([("type", text), ("text", text)])
    named = pa.list_(pa.struct([("name", text), ("value", text)]))
    info = [("sha256", text), ("width", pa.int32()), ("height", pa.int32()), ("format", text), ("dhash", text)]
    return pa.schema(
        [
            ("id", text),
            ("messages", pa.list_(pa.struct([("role", text), ("content", pa.list_(part))]))),
            ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", text)]))),
            ("image_info", pa.list_(pa.struct(info))),
            ("origin", pa.struct([("source", text), ("row", pa.int64()), ("line", pa.int64())])),
            ("group", text),
            ("tags", named),
            ("fields", named),
            ("provenance", pa.struct([("description", text), ("model", text), ("prompt_sha256", text)])),
        ]
    )


def features() -> Features:
    """The same as `datasets.Features`."""
    from datasets import Features, Image, List, Value

    text = Value("string")
    named = List({"name": text, "value": text})
    info = {"sha256": text, "width": Value("int32"), "height": Value("int32"), "format": text, "dhash": text}
    return Features(
        {
            "id": text,
            "messages": List({"role": text, "content": List({"type": text, "text": text})}),
            "images": List(Image()),
            "image_info": List(info),
            "origin": {"source": text, "row": Value("int64"), "line": Value("int64")},
            "group": text,
            "tags": named,
            "fields": named,
            "provenance": {"description": text, "model": text, "prompt_sha256": text},
        }
    )


def declared_features() -> dict[str, Any]:
    """The features as datasets writes them into JSON, made without importing it, which takes a second."""
    declared = {column.name: _declared(column.type) for column in arrow_type()}
    return declared | {"images": {"feature": {"_type": "Image"}, "_type": "List"}}


def _declared(kind: pa.DataType) -> dict[str, Any]:
    import pyarrow as pa

    if pa.types.is_list(kind):
        return {"feature": _declared(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {entry.name: _declared(entry.type) for entry in kind}
    return {"dtype": str(kind), "_type": "Value"}


def stored_schema() -> pa.Schema:
    """The Arrow schema as a dataset's files hold it: with datasets' features and the contract's version."""
    described = json.dumps({"info": {"features": declared_features()}})
    return arrow_type().with_metadata({b"huggingface": described.encode(), b"vlmdata.contract": CONTRACT.encode()})
