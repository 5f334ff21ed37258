"""Who is asked beside the base: a run's adapter, other runs and models, an endpoint, answers that were made elsewhere.

A candidate is named on the command line or in Python, never in a run file: an address is where photos and a key go.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.record import Problem
from vlmdata.settings import nearest
from vlmtrain.config import MERGE_FILE, RUN_FILE, DataConfig, ModelConfig, RunConfig, load_run
from vlmtrain.errors import RunError
from vlmtrain.evaluation import Kind
from vlmtrain.trained import Trained, find_trained

NAME = re.compile(r"[\w.+-]{1,64}")
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
ADDRESS = re.compile(r"https?://[^\s#]+#\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSpec:
    """A candidate before it is asked. `config` is how its model is loaded, `trained` what is put on its base.

    `place` is what was written; for an endpoint `URL#MODEL`, for answers the file.
    """

    name: str
    kind: Kind
    place: str
    config: RunConfig | None = None
    trained: Trained | None = None


def own_candidates(config: RunConfig) -> tuple[CandidateSpec, ...]:
    """The base of a run, and what was trained on it where that is there."""
    base = CandidateSpec(name="base", kind="base", place=config.model.base, config=config)
    found = find_trained(config)
    if found is None:
        return (base,)
    return base, CandidateSpec(name=found.kind, kind=found.kind, place=str(found.path), config=config, trained=found)


def named_candidates(config: RunConfig | None, named: Mapping[str, str]) -> tuple[CandidateSpec, ...]:
    """The candidates of NAME=PLACE. Raises RunError with every one that can't be understood.

    A place is a run, the folder of an adapter (put on the run's base) or of a whole model, a model's name on the Hub, a
    JSON Lines file of `{id, text}`, or an OpenAI-compatible endpoint as `http://host:port/v1#model`.
    """
    found: list[CandidateSpec] = []
    problems: list[Problem] = []
    taken = {"base", "adapter", "model"} if config else set()
    for name, place in named.items():
        said = _named(name, taken) or _understood(name, place, config)
        if isinstance(said, CandidateSpec):
            found.append(said)
        else:
            problems.append(Problem(rule="eval.candidate", message=said, source="--candidate", field=name))
    if problems:
        raise RunError(f"{len(problems)} of {len(named)} candidates can't be asked", problems)
    return tuple(found)


def _named(name: str, taken: set[str]) -> str | None:
    """What is wrong with a name, if anything: it becomes part of a file's name."""
    if not NAME.fullmatch(name):
        return f"{name!r} is no name for a candidate; take letters, digits, '.', '_', '+' and '-', at most 64"
    return f"{name!r} is the run's own candidate; take another name" if name in taken else None


def _understood(name: str, place: str, config: RunConfig | None) -> CandidateSpec | str:
    path = Path(place)
    if ADDRESS.fullmatch(place):
        return CandidateSpec(name=name, kind="endpoint", place=place)
    if place.startswith(("http://", "https://")):
        return f"{place!r} names no model; write {place}#MODEL"
    if path.is_file():
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            return CandidateSpec(name=name, kind="answers", place=place)
        return f"{place!r} is a file; answers are JSON Lines of {{id, text}}, in a file that ends in .jsonl"
    if path.is_dir():
        return _folder(name, path, config)
    if HUB_NAME.fullmatch(place) and not place.startswith(".") and not path.parent.is_dir():
        return _model(name, place, config)
    there = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    hint = nearest(path.name, there)
    return f"{place!r} is no file, folder, name on the Hub or address; {hint}".rstrip("; ")


def _folder(name: str, path: Path, config: RunConfig | None) -> CandidateSpec | str:
    if (path / RUN_FILE).is_file():
        run = load_run(path)
        found = find_trained(run)
        if found is None:
            return f"{path}: a run that left neither adapter nor model; `vlmtrain sft {path}` makes it"
        return CandidateSpec(name=name, kind=found.kind, place=str(path), config=run, trained=found)
    if (path / "adapter_config.json").is_file():
        return _adapter(name, path, config)
    if (path / "config.json").is_file():
        return _model(name, str(path), config)
    return f"{path}: neither a run ({RUN_FILE}), nor an adapter (adapter_config.json), nor a model (config.json)"


def _adapter(name: str, path: Path, config: RunConfig | None) -> CandidateSpec | str:
    if config is None:
        return f"{path}: an adapter needs a base; name the run that it belongs to"
    try:
        base = json.loads((path / "adapter_config.json").read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        return f"{path}/adapter_config.json: can't be read ({error})"
    if base and not _same_base(str(base), config.model.base):
        return f"{path}: was trained on {base}, and the run's base is {config.model.base}; name its run instead"
    trained = Trained(kind="adapter", path=path)
    return CandidateSpec(name=name, kind="adapter", place=str(path), config=config, trained=trained)


def _same_base(one: str, other: str) -> bool:
    """Whether both name one model. Folders are moved, so that of two local ones only the last part counts."""
    return one == other or Path(one).name == Path(other).name


def _model(name: str, place: str, config: RunConfig | None) -> CandidateSpec:
    """A model by itself, loaded as the run loads its base where there is a run, else in bf16.

    A merged model is asked as it will be served: not quantised again, and with the run's family.
    """
    if config is None:
        config = RunConfig(output=Path(), data=DataConfig(path=Path()), model=ModelConfig(base=place, load="bf16"))
    merged = (Path(place) / MERGE_FILE).is_file()
    changes: dict[str, Any] = {"base": place, "revision": None, "trust_remote_code": False}
    changes |= {"load": "fp32" if config.model.load == "fp32" else "bf16"} if merged else {"family": None}
    model = dataclasses.replace(config.model, **changes)
    return CandidateSpec(name=name, kind="model", place=place, config=dataclasses.replace(config, model=model))
