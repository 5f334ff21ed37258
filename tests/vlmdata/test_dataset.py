"""Opening and validating: what does not follow the contract is refused before anything of it is decoded."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import vlmdata
from tests.vlmdata.shop import Shop, drawn, encoded, product
from vlmdata.contract import CONTRACT, arrow_type, declared_features, features, stored_schema, validator
from vlmdata.dataset import same_type
from vlmdata.errors import ContractError


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.write([product(number) for number in range(6)])
    return shop.build(split={"train": 0.5, "test": 0.5}, fields=["title"], tags=["photo"]).path


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "dataset"))


def train_file(path: Path) -> Path:
    return next((path / "train").glob("*.arrow"))


def rewritten(path: Path, change: Callable[[list[dict[str, Any]]], object], schema: pa.Schema | None = None) -> None:
    """Change the rows of the train split as plain data."""
    file = train_file(path)
    with pa.memory_map(str(file)) as source:
        rows = pa.ipc.open_stream(source).read_all().to_pylist()
    change(rows)
    table = pa.Table.from_pylist(rows, schema=schema or stored_schema())
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def found(path: Path) -> set[str]:
    return set(vlmdata.validate(path).by_rule())


def test_a_built_dataset_opens_and_has_nothing_wrong(built: Path) -> None:
    dataset = vlmdata.open(built)
    assert dataset["train"].features == features()
    assert {split: len(rows) for split, rows in dataset.items()} == {"train": 3, "test": 3}
    result = vlmdata.validate(built)
    assert (result.problems, result.records, result.images) == ((), 6, 6)
    assert not result.failed("warning")


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "a/b.png", "zip://a.png::b.zip", "..", "a\\b.png"])
@pytest.mark.parametrize("data", [None, encoded(drawn(1))], ids=["without bytes", "with bytes"])
def test_an_image_that_names_a_file_of_the_readers_is_refused(copied: Path, path: str, data: bytes | None) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[1]["images"] = [{"bytes": data, "path": path}]

    rewritten(copied, change)
    with pytest.raises(ContractError) as raised:
        vlmdata.open(copied)
    assert "contract.path" in {problem.rule for problem in raised.value.problems}
    assert found(copied) >= {"contract.path"}


@pytest.mark.parametrize("image", [None, {"bytes": None, "path": "1.png"}, {"bytes": None, "path": None}])
def test_an_image_without_bytes_is_refused(copied: Path, image: Any) -> None:
    rewritten(copied, lambda rows: rows[1].update(images=[image]))
    with pytest.raises(ContractError, match="has no bytes") as raised:
        vlmdata.open(copied)
    (problem,) = raised.value.problems
    assert (problem.field, bool(problem.id)) == ("images[0]", True)
    assert "contract.null_bytes" in found(copied)


def test_of_several_images_without_bytes_the_first_is_named(copied: Path) -> None:
    bare = {"bytes": None, "path": "1.png"}
    rewritten(copied, lambda rows: [row.update(images=[*row["images"], bare]) for row in rows[1:]])
    first = min(
        (problem for problem in vlmdata.validate(copied).problems if problem.rule == "contract.null_bytes"),
        key=lambda problem: problem.source,
    )
    assert first.id
    assert first.field.startswith("images[")


@pytest.mark.parametrize("name", ["dataset_dict.json", "train/state.json"])
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"splits": 3}', '{"_data_files": [{"filename": "../x.arrow"}]}'])
def test_a_broken_file_of_the_dataset_s_own_is_a_finding(copied: Path, name: str, content: str) -> None:
    (copied / name).write_text(content, encoding="utf-8")
    with pytest.raises(ContractError) as raised:
        vlmdata.validate(copied)
    (problem,) = raised.value.problems
    assert (problem.rule, problem.source) == ("contract.file", Path(name).name)


@pytest.mark.parametrize("declared", [{"_type": "Image"}, {"_type": "List", "feature": {"a": {"_type": "Image"}}}])
def test_another_column_that_datasets_would_open_files_for_is_refused(copied: Path, declared: dict[str, Any]) -> None:
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kind = image if declared["_type"] == "Image" else pa.list_(pa.struct([("a", image)]))
    inner = {"bytes": None, "path": "/etc/hostname"}
    schema = stored_schema().append(pa.field("thumbnail", kind))
    info_file = copied / "train" / "dataset_info.json"
    info = json.loads(info_file.read_text(encoding="utf-8"))
    info["features"]["thumbnail"] = declared
    info_file.write_text(json.dumps(info), encoding="utf-8")
    described = json.loads(schema.metadata[b"huggingface"])
    described["info"]["features"]["thumbnail"] = declared
    schema = schema.with_metadata({**schema.metadata, b"huggingface": json.dumps(described).encode()})
    value = inner if declared["_type"] == "Image" else [{"a": inner}]
    rewritten(copied, lambda rows: [row.update(thumbnail=value) for row in rows], schema)
    with pytest.raises(ContractError, match="'thumbnail' is declared as"):
        vlmdata.open(copied)
    assert "contract.decoded_column" in found(copied)


def test_an_extra_column_is_passed_on_with_a_warning(copied: Path) -> None:
    for split in ("train", "test"):
        info_file = copied / split / "dataset_info.json"
        info = json.loads(info_file.read_text(encoding="utf-8"))
        info["features"]["price"] = {"dtype": "int64", "_type": "Value"}
        info_file.write_text(json.dumps(info), encoding="utf-8")
    schema = stored_schema().append(pa.field("price", pa.int64()))
    metadata = {b"vlmdata.contract": CONTRACT.encode()}
    rewritten(copied, lambda rows: [row.update(price=3) for row in rows], schema.with_metadata(metadata))
    result = vlmdata.validate(copied)
    assert "contract.extra_column" in result.by_rule()
    (warning,) = [problem for problem in result.problems if problem.rule == "contract.extra_column"]
    assert warning.severity == "warning"


def test_a_newer_contract_is_refused_and_named(copied: Path) -> None:
    schema = stored_schema()
    rewritten(copied, list, schema.with_metadata({**schema.metadata, b"vlmdata.contract": b"record.v2"}))
    with pytest.raises(ContractError, match=r"follows record.v2, this vlmdata reads up to record.v1"):
        vlmdata.open(copied)


@pytest.mark.parametrize("column", arrow_type().names)
def test_a_missing_column_is_named(copied: Path, column: str) -> None:
    schema = stored_schema()
    rewritten(copied, list, schema.remove(schema.get_field_index(column)))
    with pytest.raises(ContractError, match=f"the column '{column}' is missing"):
        vlmdata.open(copied)


def test_a_column_of_another_type_is_named(copied: Path) -> None:
    schema = stored_schema()
    index = schema.get_field_index("origin")
    other = schema.set(index, pa.field("origin", pa.string()))
    rewritten(copied, lambda rows: [row.update(origin="here") for row in rows], other)
    with pytest.raises(ContractError, match="the column 'origin' is string, expected struct"):
        vlmdata.open(copied)


IMAGE_PART = {"type": "image", "text": None}
BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no answer": (lambda row: row["messages"].pop(), "messages.roles"),
    "no turns": (lambda row: row["messages"].clear(), "messages.roles"),
    "null turns": (lambda row: row.update(messages=None), "messages.roles"),
    "null turn": (lambda row: row["messages"].insert(1, None), "messages.unknown_role"),
    "null part": (lambda row: row["messages"][0]["content"].append(None), "messages.part"),
    "null role": (lambda row: row["messages"][0].update(role=None), "messages.unknown_role"),
    "null content": (lambda row: row["messages"][1].update(content=None), "text.empty"),
    "other role": (lambda row: row["messages"][0].update(role="tool"), "messages.unknown_role"),
    "two answers": (lambda row: row["messages"].append(row["messages"][-1]), "messages.roles"),
    "white space": (lambda row: row["messages"][1]["content"][0].update(text=" \n\t\u00a0"), "text.empty"),
    "null text": (lambda row: row["messages"][1]["content"][0].update(text=None), "text.empty"),
    "text on image": (lambda row: row["messages"][0]["content"][0].update(text="x"), "messages.part"),
    "other part": (lambda row: row["messages"][0]["content"][1].update(type="video"), "messages.part"),
    "more image parts": (lambda row: row["messages"][0]["content"].append(IMAGE_PART), "messages.images"),
    "image not mentioned": (lambda row: row["messages"][0]["content"].pop(0), "messages.images"),
    "null images": (lambda row: row.update(images=None), "messages.images"),
    "no image info": (lambda row: row.update(image_info=[]), "contract.image_info"),
    "null image info": (lambda row: row.update(image_info=None), "contract.image_info"),
    "other size": (lambda row: row["image_info"][0].update(width=41), "contract.image_info"),
    "other image": (lambda row: row["images"][0].update(bytes=encoded(drawn(9))), "contract.image_info"),
    "cut image": (lambda row: row["images"][0].update(bytes=row["images"][0]["bytes"][:90]), "images.truncated"),
    "web page": (lambda row: row["images"][0].update(bytes=b"<html>404</html>"), "images.not_an_image"),
    "empty id": (lambda row: row.update(id=""), "contract.id"),
    "null group": (lambda row: row.update(group=None), "contract.value"),
    "null origin row": (lambda row: row["origin"].update(row=None), "contract.value"),
    "null tags": (lambda row: row.update(tags=None), "contract.value"),
    "null tag": (lambda row: row.update(tags=[None]), "contract.value"),
    "null tag name": (lambda row: row.update(tags=[{"name": None, "value": "mug"}]), "contract.value"),
    "empty tag name": (lambda row: row.update(tags=[{"name": "", "value": "mug"}]), "contract.value"),
    "null tag value": (lambda row: row.update(tags=[{"name": "kind", "value": None}]), "contract.value"),
    "null field name": (lambda row: row.update(fields=[{"name": None, "value": "mug"}]), "contract.value"),
    "null fields": (lambda row: row.update(fields=None), "contract.value"),
    "id of another": (lambda row: row.update(id="SKU-000"), "contract.unique_id"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_each_break_of_the_contract_is_found_in_its_row(copied: Path, name: str) -> None:
    change, rule = BROKEN[name]
    ids = {row["id"] for split in vlmdata.open(copied).values() for row in split.remove_columns("images")}
    assert "SKU-000" in ids

    def of_one(rows: list[dict[str, Any]]) -> None:
        row = next(row for row in rows if row["id"] != "SKU-000")
        change(row)

    rewritten(copied, of_one)
    result = vlmdata.validate(copied)
    assert rule in result.by_rule(), result.problems
    assert result.failed()
    (problem, *_) = [problem for problem in result.problems if problem.rule == rule]
    assert problem.source == "products.csv"
    assert problem.line > 1


def test_what_is_missing_is_named_with_its_row_and_field(copied: Path) -> None:
    tag = {"name": "kind", "value": "mug"}

    def change(rows: list[dict[str, Any]]) -> None:
        rows[0].update(group=None, tags=[tag, {"name": "", "value": "red"}])
        rows[1].update(origin=None, fields=[{"name": "brand", "value": None}])
        rows[2]["origin"].update(source=None, line=None)

    rewritten(copied, change)
    ids = [row["id"] for row in vlmdata.open(copied)["train"].remove_columns("images")]
    found = [problem for problem in vlmdata.validate(copied).problems if problem.rule == "contract.value"]
    assert {(problem.id, problem.field, problem.message) for problem in found} == {
        (ids[0], "group", "group is null"),
        (ids[0], "tags[1]", "the entry has no name"),
        (ids[1], "origin", "origin is null"),
        (ids[1], "fields[0]", "the value of 'brand' is null"),
        (ids[2], "origin.source", "source and line are null"),
    }
    assert all(problem.hint for problem in found)


def test_what_the_contract_allows_to_be_missing_is_fine(copied: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row.update(provenance=None, tags=[], fields=[{"name": "brand", "value": ""}])
            row["images"][0].update(path=None)
            row["image_info"][0].update(dhash=None)

    rewritten(copied, change)
    assert found(copied) == set()


def test_rows_without_a_group_are_in_no_group_of_another_split(copied: Path) -> None:
    for split in ("train", "test"):
        file = next((copied / split).glob("*.arrow"))
        with pa.memory_map(str(file)) as source:
            rows = pa.ipc.open_stream(source).read_all().to_pylist()
        for row in rows:
            row.update(group=None)
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, stored_schema()) as writer:
            writer.write_table(pa.Table.from_pylist(rows, schema=stored_schema()))
    assert vlmdata.validate(copied).by_rule() == {"contract.value": 6}


def test_a_dataset_whose_list_of_splits_is_gone_is_a_finding_that_says_what_to_write(copied: Path) -> None:
    before = json.loads((copied / "dataset_dict.json").read_text(encoding="utf-8"))
    (copied / "dataset_dict.json").unlink()
    for look in (vlmdata.open, vlmdata.validate):
        with pytest.raises(ContractError) as raised:
            look(copied)
        (problem,) = raised.value.problems
        assert (problem.rule, problem.source, raised.value.exit_code) == ("contract.file", "dataset_dict.json", 1)
    (target,) = vlmdata.validate([copied]).targets
    assert (target.kind, [problem.rule for problem in target.problems]) == ("dataset", ["contract.file"])
    written = problem.hint.partition("write ")[2].removesuffix(" into it")
    assert sorted(json.loads(written)["splits"]) == sorted(before["splits"])
    (copied / "dataset_dict.json").write_text(written, encoding="utf-8")
    assert found(copied) == set()


def test_a_group_in_two_splits_is_found(copied: Path) -> None:
    test = {row["group"] for row in vlmdata.open(copied)["test"].remove_columns("images")}
    rewritten(copied, lambda rows: rows[0].update(group=min(test)))
    assert found(copied) == {"split.group_leak"}


def test_a_manifest_that_counts_other_rows_is_found(copied: Path) -> None:
    rewritten(copied, lambda rows: rows.pop())
    assert "contract.manifest" in found(copied)


@pytest.mark.parametrize("name", ["dataset_dict.json", "train/state.json"])
@pytest.mark.parametrize("text", ["{", "[]", "[" * 5_000], ids=["cut", "a list", "too deep"])
def test_a_description_of_files_that_is_none_is_refused_with_its_name(copied: Path, name: str, text: str) -> None:
    (copied / name).write_text(text, encoding="utf-8")
    with pytest.raises(ContractError, match=re.escape(name)):
        vlmdata.open(copied)


@pytest.mark.parametrize("name", ["../train", "/etc", "train/..", "", ".", "a\\b", 3, None])
def test_a_dataset_that_names_other_folders_is_refused(copied: Path, name: Any) -> None:
    (copied / "dataset_dict.json").write_text(json.dumps({"splits": [name]}), encoding="utf-8")
    with pytest.raises(ContractError, match="is no plain name"):
        vlmdata.open(copied)
    (copied / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}), encoding="utf-8")
    state = json.loads((copied / "train" / "state.json").read_text(encoding="utf-8"))
    state["_data_files"] = [{"filename": name}]
    (copied / "train" / "state.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(ContractError, match="is no plain name"):
        vlmdata.open(copied)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: train_file(path).write_bytes(train_file(path).read_bytes()[:2000]),
        lambda path: train_file(path).write_bytes(b""),
        lambda path: train_file(path).write_bytes(b"<html>"),
        lambda path: train_file(path).unlink(),
        lambda path: (path / "train" / "state.json").unlink(),
        lambda path: (path / "train" / "state.json").write_text("[]", encoding="utf-8"),
        lambda path: (path / "train" / "state.json").write_text('{"_data_files": [3]}', encoding="utf-8"),
        lambda path: (path / "train" / "state.json").write_text('{"_data_files": 3}', encoding="utf-8"),
        lambda path: (path / "dataset_dict.json").write_text("{", encoding="utf-8"),
        lambda path: (path / "dataset_dict.json").write_text('{"splits": 3}', encoding="utf-8"),
        lambda path: (path / "dataset_dict.json").unlink(),
        lambda path: shutil.rmtree(path / "train"),
        shutil.rmtree,
    ],
)
def test_a_damaged_dataset_is_a_contract_error_that_names_the_file(
    copied: Path, damage: Callable[[Path], object]
) -> None:
    damage(copied)
    for look in (vlmdata.open, vlmdata.validate):
        with pytest.raises(ContractError) as raised:
            look(copied)
        assert str(copied) in str(raised.value)


def test_lists_may_call_their_entries_anything() -> None:
    named = pa.list_(pa.field("element", pa.struct([("a", pa.int32())])))
    assert same_type(named, pa.list_(pa.struct([("a", pa.int32())])))
    assert not same_type(named, pa.list_(pa.struct([("b", pa.int32())])))
    assert not same_type(named, pa.list_(pa.struct([("a", pa.int64())])))


def test_the_arrow_type_the_features_and_the_schema_say_the_same() -> None:
    assert all(same_type(column.type, arrow_type().field(column.name).type) for column in features().arrow_schema)
    properties = vlmdata.schema("record.v1")["properties"]
    assert list(properties) == arrow_type().names

    def agree(node: dict[str, Any], kind: pa.DataType) -> None:
        node = next((branch for branch in node.get("oneOf", []) if branch.get("type") == "object"), node)
        if pa.types.is_list(kind):
            agree(node["items"], kind.value_type)
        elif pa.types.is_struct(kind):
            assert list(node["properties"]) == [field.name for field in kind]
            assert set(node["required"]) == set(node["properties"])
            for field in kind:
                agree(node["properties"][field.name], field.type)

    for column in arrow_type():
        agree(properties[column.name], column.type)


def test_every_file_of_a_build_follows_its_schema(built: Path) -> None:
    for name in ("manifest", "report"):
        validator(f"{name}.v1").validate(json.loads((built / f"{name}.json").read_text(encoding="utf-8")))
    for split in vlmdata.open(built).values():
        for row in split.with_format("arrow").iter(1):
            (record,) = row.to_pylist()
            record["images"] = [{**image, "bytes": "aGVsbG8="} for image in record["images"]]
            validator("record.v1").validate(record)


def test_rejections_and_reports_of_a_bad_build_follow_their_schemas(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "bad")
    shop.write([product(1), product(2, photo="nowhere.png"), product(3, description=""), product(1), product(4)[:2]])
    out = shop.build()
    validator("report.v1").validate(out.report)
    seen = set()
    for rejection in (
        json.loads(line) for line in (out.path / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    ):
        for problem in rejection["problems"]:
            validator("problem.v1").validate(problem)
            seen.add(problem["rule"])
    assert seen == {"images.missing", "text.empty", "id.duplicate", "csv.ragged"}


def test_the_features_made_without_datasets_are_those_of_datasets() -> None:
    from datasets import Features

    assert Features.from_dict(declared_features()) == features()
    stored = stored_schema().metadata[b"huggingface"]
    assert json.loads(stored) == json.loads(features().arrow_schema.metadata[b"huggingface"])
    assert Features.from_arrow_schema(stored_schema()) == features()
