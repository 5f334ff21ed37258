"""What a judge needs is asked for before anything is loaded: a run file that names one, a key, prices for a cap."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from vlmdata.errors import ConfigError, MissingPackageError
from vlmtrain import load_run
from vlmtrain.errors import RunError
from vlmtrain.judge import access
from vlmtrain.judge.access import judge_of
from vlmtrain.judge.settings import JudgeConfig, PriceList

OPENAI = JudgeConfig(provider="openai_compatible", model="m")
GEMINI = JudgeConfig(provider="gemini", model="g")
HERE = "http://127.0.0.1:8000/v1"
PAGE = Path(__file__).parents[2] / "docs" / "judge.md"


def written(folder: Path, dataset: Path, judge: str) -> Path:
    """A run file with this at its end."""
    file = folder / "run.yaml"
    file.write_text(f"output: out\ndata: {{path: {dataset.as_posix()}}}\nmodel: {{base: owner/model}}\n{judge}")
    return file


def test_the_run_file_of_the_page_is_one(tmp_path: Path, dataset: Path) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    judge = load_run(written(tmp_path, dataset, block)).eval.judge
    assert judge is not None
    assert (judge.provider, judge.rows, judge.max_cost) == ("gemini", 100, 2.0)
    assert judge.prices == PriceList(as_of="2026-11-01", input=0.3, output=2.5)


@pytest.mark.parametrize("key", ["api_key: x", "endpoint: http://example.org", "base_url: http://example.org"])
def test_a_run_file_can_name_neither_key_nor_address(key: str, tmp_path: Path, dataset: Path) -> None:
    judge = f"eval: {{judge: {{provider: gemini, model: g, {key}}}}}\n"
    with pytest.raises(RunError, match="unknown key"):
        load_run(written(tmp_path, dataset, judge))


@pytest.mark.parametrize(
    ("config", "environ", "endpoint", "key"),
    [
        (OPENAI, {"OPENAI_API_KEY": "theirs"}, None, "theirs"),
        (OPENAI, {"OPENAI_API_KEY": "theirs", "VLMTRAIN_JUDGE_KEY": " own "}, None, "own"),
        (OPENAI, {}, HERE, "none"),
        (GEMINI, {"GEMINI_API_KEY": "theirs"}, None, "theirs"),
        (GEMINI, {"VLMTRAIN_JUDGE_KEY": "own", "GEMINI_API_KEY": "theirs"}, HERE, "own"),
    ],
)
def test_the_key_comes_from_the_environment(
    config: JudgeConfig, environ: Mapping[str, str], endpoint: str | None, key: str
) -> None:
    judge = judge_of(config, environ, endpoint=endpoint)
    assert judge.key.reveal() == key
    assert "key=***" in repr(judge)


@pytest.mark.parametrize(
    ("config", "more", "words"),
    [
        (None, {}, "the run file names none; say eval.judge"),
        (OPENAI, {}, "VLMTRAIN_JUDGE_KEY or OPENAI_API_KEY is not set"),
        (GEMINI, {"endpoint": HERE}, "VLMTRAIN_JUDGE_KEY or GEMINI_API_KEY or GOOGLE_API_KEY is not set"),
        (OPENAI, {"endpoint": "localhost:8000"}, "an address such as http://localhost:8000/v1 was expected"),
        (OPENAI, {"endpoint": "http://me:secret@host/v1"}, "holds more than an address"),
        (OPENAI, {"environ": {"VLMDATA_OFFLINE": "1"}}, "VLMDATA_OFFLINE is set"),
        (JudgeConfig(provider="gemini", model="g", max_cost=1.0), {}, "max_cost needs eval.judge.prices"),
    ],
)
def test_what_is_missing_is_said_in_one_line(config: JudgeConfig | None, more: dict[str, Any], words: str) -> None:
    environ = more.pop("environ", {})
    with pytest.raises(ConfigError) as caught:
        judge_of(config, environ, **more)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("config", "package", "extra"), [(OPENAI, "openai", "openai"), (GEMINI, "google", "gemini")])
def test_a_missing_sdk_is_named_with_what_installs_it(
    config: JudgeConfig, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(name: str) -> Any:
        if name == "google.genai":
            raise ModuleNotFoundError(name)
        return None if name == package else find_spec(name)

    monkeypatch.setattr(access, "find_spec", without)
    with pytest.raises(MissingPackageError, match=rf"pip install 'vlmdata\[{extra}\]'"):
        judge_of(config, {"VLMTRAIN_JUDGE_KEY": "k"})


def test_a_cap_with_prices_is_taken() -> None:
    prices = PriceList(as_of="2026-11-01", input=1.0, output=2.0)
    config = JudgeConfig(provider="gemini", model="g", max_cost=1.0, prices=prices)
    assert judge_of(config, {"GEMINI_API_KEY": "k"}).config.max_cost == 1.0
