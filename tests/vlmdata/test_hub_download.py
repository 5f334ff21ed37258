"""A dataset of the Hub in a recipe: what was read is known by its commit, and read again from the cache alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import vlmdata
from tests.hub_fixtures import hub_environment
from tests.hub_server import TOKEN, Hub
from tests.vlmdata.shop import Shop, product
from vlmdata.contract import validator
from vlmdata.errors import SourceError

# huggingface_hub's own call of httpx2
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


@pytest.fixture
def commit(shop: Shop, hub: Hub) -> str:
    """The commit of a dataset on the Hub, pushed there."""
    shop.write([product(number) for number in range(6)])
    result = vlmdata.push(shop.build().path, "me/mugs").sent
    assert result is not None
    assert result.commit == hub.dataset("me/mugs").branches["main"]
    return result.commit


def built(folder: Path, environment: dict[str, str], **source: Any) -> subprocess.CompletedProcess[str]:
    """A build of that dataset in another process."""
    recipe = {"source": {"type": "hub", "dataset": "me/mugs", "format": "trl", **source}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "vlmdata.cli", "build", "recipe.yaml", "--out", "out", "--replace"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "manifest.json").read_text())
    assert list(validator("manifest.v1").iter_errors(found)) == []
    return found


@pytest.mark.long
def test_the_commit_that_was_read_stands_in_the_manifest_and_offline_the_same_is_built(
    commit: str, hub: Hub, tmp_path: Path
) -> None:
    first = built(tmp_path, hub_environment(hub, tmp_path / "home"))
    assert first.returncode == 0, first.stderr
    assert f"write revision: {commit}" in first.stdout + first.stderr
    online = manifest(tmp_path)
    assert online["source_commit"] == commit
    assert online["splits"] == {"train": 6}
    hub.asked.clear()
    offline = hub_environment(hub, tmp_path / "home", HF_HUB_OFFLINE="1")
    for revision in ({}, {"revision": commit}):
        again = built(tmp_path, offline, **revision)
        assert again.returncode == 0, again.stderr
        assert manifest(tmp_path)["source_commit"] == commit
        assert manifest(tmp_path)["fingerprint"] == online["fingerprint"]
        assert ("write revision" in again.stdout + again.stderr) == (not revision)
        assert TOKEN not in again.stdout + again.stderr
    assert hub.asked == []


@pytest.mark.long
def test_a_newer_commit_is_read_unless_the_older_one_is_named(
    commit: str, shop: Shop, hub: Hub, tmp_path: Path
) -> None:
    shop.write([product(number) for number in range(9)])
    newer = vlmdata.push(shop.build().path, "me/mugs").sent
    assert newer is not None
    environment = hub_environment(hub, tmp_path / "home")
    for revision, sha, rows in (({}, newer.commit, 9), ({"revision": commit}, commit, 6)):
        done = built(tmp_path, environment, **revision)
        assert done.returncode == 0, done.stderr
        assert (manifest(tmp_path)["source_commit"], manifest(tmp_path)["splits"]) == (sha, {"train": rows})


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "VLMDATA_OFFLINE"])
def test_offline_a_dataset_that_is_not_on_this_machine_is_said_so(variable: str, hub: Hub, tmp_path: Path) -> None:
    hub.asked.clear()
    done = built(tmp_path, hub_environment(hub, tmp_path / "home", **{variable: "1"}))
    assert done.returncode == 2
    assert f"me/mugs: not on this machine, and {variable} forbids the download; unset it" in done.stderr
    assert hub.asked == []


@pytest.mark.usefixtures("commit")
def test_from_python_too_the_network_is_forbidden_for_that_time_only(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.asked.clear()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("VLMDATA_OFFLINE", "1")
    (tmp_path / "recipe.yaml").write_text(
        yaml.safe_dump({"source": {"type": "hub", "dataset": "me/mugs", "format": "trl"}})
    )
    with pytest.raises(SourceError, match="me/mugs: not on this machine, and VLMDATA_OFFLINE forbids the download"):
        vlmdata.build(vlmdata.load_recipe(tmp_path / "recipe.yaml"), tmp_path / "out")
    assert hub.asked == []
    assert (constants.HF_HUB_OFFLINE, "HF_HUB_OFFLINE" in os.environ) == (False, False)
