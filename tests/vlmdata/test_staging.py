"""Output appears whole or not at all, whenever the process dies, and nobody else's folder is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import vlmdata
from tests.vlmdata.shop import Shop, product
from vlmdata.dataset import read_manifest, verify_contract
from vlmdata.errors import BuildRefusedError, OutputError

DYING_BUILDS = """
import os, signal, sys
from pathlib import Path
import datasets
import vlmdata, vlmdata.pipeline, vlmdata.contract

recipe, out = vlmdata.load_recipe(sys.argv[1]), sys.argv[2]
vlmdata.contract.features()

def build(moment):
    calls = 0
    def counted(original):
        def call(*arguments, **options):
            nonlocal calls
            ours = "dataset" in str(arguments[0])
            calls += ours
            if ours and calls == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)
        return call
    for owner, names in [(Path, ("rename", "mkdir", "write_text", "touch", "open")), (os, ("unlink", "rmdir"))]:
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))
    vlmdata.build(recipe, out, replace=True, workers=1)
    return calls

for line in sys.stdin:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(build(int(line))).encode())
        os._exit(0)
    os.close(writer)
    said = os.read(reader, 100).decode()
    os.close(reader)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), said, flush=True)
"""
RECIPE = """
source: {type: csv, path: products.csv}
id: sku
images: {root: photos, from: photo}
conversations:
  - {user: "{{ title }}", assistant: "{{ description }}"}
"""


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def whole(path: Path, records: int) -> None:
    """The folder is a dataset of so many records, with nothing wrong and nothing of ours left beside it."""
    found = vlmdata.validate(path)
    assert found.errors == 0
    assert found.records == records
    assert not list(path.rglob(".*"))


@pytest.mark.long
def test_a_build_killed_at_any_moment_leaves_a_whole_dataset_or_none(shop: Shop) -> None:
    path = shop.folder / "recipe.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    shop.write([product(number) for number in range(5)])
    recipe, small, out = vlmdata.load_recipe(path), vlmdata.load_recipe(path, set={"source.limit": 3}), shop.out
    visible = ["dataset", "photos", "products.csv", "recipe.yaml"]
    command = [sys.executable, "-c", DYING_BUILDS, str(path), str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as builds:
        assert builds.stdin
        assert builds.stdout

        def run(moment: int) -> list[str]:
            print(moment, file=builds.stdin, flush=True)
            return builds.stdout.readline().split()

        vlmdata.build(small, out)
        code, calls = run(0)
        assert code == "0"
        assert int(calls) > 15
        kept = set()
        for moment in range(1, int(calls) + 1):
            vlmdata.build(small, out, replace=True)
            assert run(moment) == [str(-signal.SIGKILL)]
            assert names(shop.folder) != visible or moment == 1
            kept.add(out.exists() and sum(read_manifest(out)["splits"].values()))
            if out.exists():
                assert verify_contract(out) == []
            vlmdata.build(recipe, out, replace=True)
            assert names(shop.folder) == visible
            assert not list(out.rglob(".*"))
        assert kept == {False, 3, 5}
        whole(out, 5)
        builds.stdin.close()


@contextmanager
def interrupted_replacement(out: Path) -> Iterator[None]:
    """What is on disk when a replacement is cut between its two renames."""
    (out / ".being-replaced").touch()
    out.rename(out.with_name(f"{out.name}.old"))
    yield


def test_an_interrupted_replacement_is_repaired_even_without_replace(shop: Shop) -> None:
    shop.write([product(1)])
    shop.build()
    with interrupted_replacement(shop.out), pytest.raises(OutputError, match="exists already"):
        shop.build(replace=False)
    whole(shop.out, 1)


def test_an_existing_output_needs_replace_and_stays_as_it_is_without(shop: Shop) -> None:
    shop.write([product(1)])
    shop.build()
    shop.write([product(1), product(2)])
    with pytest.raises(OutputError, match="--replace puts the new dataset in its place"):
        shop.build(replace=False)
    whole(shop.out, 1)
    shop.build(replace=True)
    whole(shop.out, 2)


@pytest.mark.parametrize("what", ["folder", "file", "link", "dangling link", "manifest of another tool"])
def test_replace_leaves_alone_what_is_no_dataset_of_ours(shop: Shop, what: str) -> None:
    shop.write([product(1)])
    if what == "file":
        shop.out.write_text("mine", encoding="utf-8")
    elif what.endswith("link"):
        target = shop.folder / ("photos" if what == "link" else "nowhere")
        shop.out.symlink_to(target)
    else:
        shop.out.mkdir()
        name = "manifest.json" if "manifest" in what else "thesis.txt"
        (shop.out / name).write_text("{}", encoding="utf-8")
    before = sorted(str(path) for path in shop.folder.rglob("*"))
    with pytest.raises(OutputError):
        shop.build(replace=True)
    assert sorted(str(path) for path in shop.folder.rglob("*")) == before


def test_an_empty_folder_is_filled_with_replace(shop: Shop) -> None:
    shop.write([product(1)])
    shop.out.mkdir()
    shop.build(replace=True)
    whole(shop.out, 1)


@pytest.mark.parametrize("suffix", [".old", ".rejected"])
def test_a_folder_of_the_users_beside_the_output_is_never_deleted(shop: Shop, suffix: str) -> None:
    shop.write([product(1)])
    shop.build()
    mine = shop.folder / f"dataset{suffix}"
    if suffix == ".old":
        shop.out.rename(mine)
        shop.build(replace=False)
    else:
        mine.mkdir()
        (mine / "notes.txt").write_text("mine", encoding="utf-8")
    kept = sorted(str(path) for path in mine.rglob("*"))
    with pytest.raises(OutputError, match="in the way"):
        shop.build(replace=True)
    assert sorted(str(path) for path in mine.rglob("*")) == kept
    whole(shop.out, 1)


def test_a_refused_build_leaves_the_last_good_one_and_replaces_its_own_report(shop: Shop) -> None:
    shop.write([product(1)])
    shop.build()
    for count in (2, 3):
        shop.write([product(1), *(product(number, photo="nowhere.png") for number in range(2, 2 + count))])
        with pytest.raises(BuildRefusedError):
            shop.build(max_rejected=0)
        lines = (shop.folder / "dataset.rejected" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == count
    whole(shop.out, 1)


def test_a_second_build_into_the_same_place_is_refused_while_the_first_runs(shop: Shop) -> None:
    shop.write([product(1)])
    seen = []

    def second(phase: str, *_: int | None) -> None:
        if not seen:
            seen.append(phase)
            with pytest.raises(OutputError, match="another build is writing here"):
                shop.build()

    vlmdata.build(shop.recipe(), shop.out, on_progress=second)
    assert seen
    whole(shop.out, 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_build_that_is_interrupted_leaves_nothing_behind(shop: Shop, error: type[BaseException]) -> None:
    shop.write([product(1)])
    before = names(shop.folder)

    def stop(*_: object) -> None:
        raise error

    with pytest.raises(error):
        vlmdata.build(shop.recipe(), shop.out, on_progress=stop)
    assert names(shop.folder) == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="folders close to all but root, and not on Windows")
def test_a_folder_that_can_not_be_written_is_named(shop: Shop) -> None:
    shop.write([product(1)])
    closed = shop.folder / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        shop.build(out=closed / "dataset")


def test_a_place_that_can_be_no_output_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write([product(1)])
    monkeypatch.chdir(shop.folder)
    for place in ("/", "n" * 300, "."):
        for act in (shop.build, lambda out: vlmdata.build_shard(shop.recipe(), out, "1/1"), vlmdata.join):
            with pytest.raises(OutputError):
                act(out=Path(place))
    assert names(shop.folder) == ["photos", "products.csv"]


def test_a_place_below_a_file_is_named(shop: Shop) -> None:
    shop.write([product(1)])
    with pytest.raises(OutputError, match=r"products\.csv"):
        shop.build(out=shop.folder / "products.csv" / "dataset")
