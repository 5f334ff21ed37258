"""What of a run or merged model goes to the Hub: weights, card, and how it was made, without our paths."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmdata.errors import ConfigError
from vlmdata.hub.places import without_place, without_places
from vlmdata.hub.plan import Going, Plan, of_bytes, of_file, refuse_link, staying_files
from vlmtrain.card import CARD_FILE, Facts, licence_of, model_card, unchecked
from vlmtrain.config import TRAIN_FILE
from vlmtrain.licences import TERMS
from vlmtrain.push_subject import WEIGHTS, Made, find_made, read_json
from vlmtrain.run_problems import looks_local

WORDS = (".json", ".jinja", ".txt", ".model")
"""The files of a model besides its weights: configuration, tokenizer and template."""

BASE_KEYS = ("base_model_name_or_path", "_name_or_path", "name_or_path")
"""Keys under which peft and transformers write where a model was loaded from."""

EXTRA = {
    "results": ("eval/results.json",),
    "report": ("eval/report.html",),
    "predictions": ("eval/predictions-*.jsonl",),
}
"""What goes only where it is named, since it holds rows of the dataset, or their ids."""

REASONS = {
    "run.yaml": f"has places of this machine; {TRAIN_FILE} holds the same settings",
    "preflight.json": "tells of the dataset's rows",
    "trained-rows.npy": "digests of the dataset's rows",
    "eval": "tells of the dataset's rows; --with results, report or predictions sends them",
    "answers": "answers to the dataset's rows",
    "tensorboard": "the curve of the training",
}
OF_ROWS = ("rows", "agreement")
"""What a manifest tells of rows."""

NAMES_OF_ROWS = frozenset({"id", "number"})
"""What tells there which row is meant."""

OWNED = ("adapter_model*.safetensors", "model*.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What things are called on the Hub: what is pushed, its base, and the dataset that it was trained on."""

    to: str
    base: str | None = None
    dataset: str | None = None

    def over(self, facts: Facts) -> Facts:
        """A card's facts, with what a person says of names put over what is known here."""
        facts = dataclasses.replace(facts, repo=self.to, dataset=self.dataset or facts.dataset)
        if self.base is None:
            return facts
        config = dataclasses.replace(facts.config, model=dataclasses.replace(facts.config.model, base=self.base))
        return dataclasses.replace(facts, config=config, licence=facts.licence or licence_of(config))


def model_plan(path: Path, names: Names, include: Collection[str] = ()) -> Plan:
    """What of a run or merged model would go to the Hub, and what stays. Uses no network."""
    made = find_made(path)
    facts = names.over(made.facts)
    going = [
        *_weights(made, facts),
        of_bytes(CARD_FILE, model_card(facts).encode(), "the card: base, licence, scores"),
        of_bytes(made.manifest, _bytes(_told(made, facts, rows="results" in include)), _how(include)),
        *_extra(made, include),
    ]
    here = {each.content.relative_to(made.folder).as_posix() for each in going if isinstance(each.content, Path)}
    changed = {CARD_FILE, made.manifest, *_rewritten_names(made)}
    return Plan(
        kind="model",
        going=tuple(going),
        staying=staying_files(made.folder, [*here, *changed], _reason),
        notes=tuple(_notes(made, facts)),
        owned=OWNED,
        mark=made.manifest,
    )


def _how(include: Collection[str]) -> str:
    return f"how it was made, without our paths{'' if 'results' in include else ', and without ids of rows'}"


def _told(made: Made, facts: Facts, *, rows: bool) -> dict[str, Any]:
    """train.json or merge.json, with the base called as on the Hub, or by its folder's name.

    Which rows were left out, shrunk or answered otherwise is told only where `rows` of the dataset may be.
    """
    told: dict[str, Any] = without_places(read_json(made.folder / made.manifest))
    told = told if rows else {name: _nameless(value) if name in OF_ROWS else value for name, value in told.items()}
    base = facts.base or without_place(facts.config.model.base)
    told["run" if made.kind == "merged" else "config"]["model"]["base"] = base
    return told | ({"base": base} if "base" in told else {})


def _nameless(value: Any) -> Any:
    """A manifest's part without what tells which rows are meant: why each was left out stays, in a list of the same
    length; of lists of nothing but ids none is left."""
    if isinstance(value, Mapping):
        return {name: _nameless(each) for name, each in value.items() if name not in NAMES_OF_ROWS}
    return [_nameless(each) for each in value if not isinstance(each, str)] if isinstance(value, list) else value


def _weights(made: Made, facts: Facts) -> Iterator[Going]:
    for file in sorted(made.weights.iterdir()):
        if file.name in {CARD_FILE, made.manifest} or file.suffix not in {WEIGHTS, *WORDS}:
            continue
        refuse_link(file)
        changed = _without_base(file, facts)
        why = f"weights of the {made.called}" if file.suffix == WEIGHTS else "how they are loaded"
        yield of_file(file.name, file, why) if changed is None else of_bytes(file.name, changed, why)


def _rewritten_names(made: Made) -> Iterator[str]:
    """Files of which something changed goes in their place."""
    for file in made.weights.glob("*.json"):
        yield file.relative_to(made.folder).as_posix()


def _without_base(file: Path, facts: Facts) -> bytes | None:
    """A configuration with the base named as on the Hub, or not at all; None where it names no place of ours."""
    if file.suffix != ".json" or not file.name.endswith("config.json"):
        return None
    said = read_json(file)
    local = [key for key in BASE_KEYS if isinstance(said.get(key), str) and looks_local(said[key])]
    if not local:
        return None
    return _bytes({**said, **dict.fromkeys(local, facts.base)})


def _extra(made: Made, include: Collection[str]) -> Iterator[Going]:
    unknown = sorted(set(include) - set(EXTRA))
    if unknown:
        raise ConfigError(f"--with {unknown[0]}: {', '.join(EXTRA)} were expected")
    for pattern in (pattern for key, names in EXTRA.items() if key in include for pattern in names):
        for file in sorted(made.folder.glob(pattern)):
            name = file.relative_to(made.folder).as_posix()
            if file.suffix == ".json":
                yield of_bytes(name, _bytes(without_places(read_json(file))), "named by --with")
            else:
                yield of_file(name, file, "named by --with")


def _reason(name: str) -> str:
    return REASONS.get(name.partition("/")[0], "is no part of the model")


def _notes(made: Made, facts: Facts) -> Iterator[str]:
    if facts.base is None:
        what = "the adapter can't be loaded without it" if made.kind == "adapter" else "the card does not name it"
        yield f"the base is a folder of this machine; {what}: --base OWNER/NAME says what it is called on the Hub"
    if facts.licence is None:
        yield "the base's licence is not known here, and the card says so; look it up before others may see this"
    elif facts.licence in TERMS:
        yield f"the base's licence asks something of who passes the model on: {TERMS[facts.licence]}"
    elif unchecked(facts):
        page = f"https://huggingface.co/{facts.base}"
        known = f"the base's licence, {facts.licence}, is known by others' words alone"
        yield f"{known}: look at {page} before others may see this"
    if facts.results is None:
        yield "nothing was measured yet: `vlmtrain eval` puts scores on the card"


def _bytes(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
