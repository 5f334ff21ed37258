"""The model card: README.md in a run's folder, with the front matter that the Hub reads; from the run's own files.

`sft` writes it from train.json, and `eval` again with what was measured. It names no path of the machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vlmtrain.about_data import about_data
from vlmtrain.config import ADAPTER_FOLDER, MODEL_FOLDER, TRAIN_FILE, RunConfig
from vlmtrain.licences import BY_OTHERS_WORDS, LICENCES, TERMS
from vlmtrain.processes import is_first
from vlmtrain.run_problems import looks_local
from vlmtrain.trained_rows import trained_words

CARD_FILE = "README.md"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a card is written from: train.json, eval/results.json where there is one, and the dataset's own name.

    `data` is what the dataset says of itself (`trained_on` of about_data.py). `merged` is merge.json, of an adapter
    that was folded into its base; `repo` is the name on the Hub, of what is pushed there.
    """

    config: RunConfig
    train: Mapping[str, Any]
    results: Mapping[str, Any] | None
    dataset: str | None
    licence: str | None
    data: Mapping[str, Any] = field(default_factory=dict)
    merged: Mapping[str, Any] | None = None
    repo: str | None = None

    @property
    def base(self) -> str | None:
        """The base's name on the Hub; None for a folder of this machine."""
        base = self.config.model.base
        return None if self.config.model.is_local or looks_local(base) else base

    @property
    def kind(self) -> str:
        """What was trained: an adapter, or a model whole."""
        return "adapter" if self.config.lora is not None else "model"

    @property
    def is_adapter(self) -> bool:
        """Whether the card is of an adapter that needs its base, not of a model that stands alone."""
        return self.kind == "adapter" and self.merged is None

    @property
    def name(self) -> str:
        """What the card is headed."""
        return self.repo.rpartition("/")[2] if self.repo else self.config.output.resolve().name


def write_card(config: RunConfig, folder: Path) -> None:
    """Write README.md into a run's folder, from what lies there. Of several processes the first one does."""
    if is_first():
        (folder / CARD_FILE).write_text(model_card(facts_of(config, folder)), encoding="utf-8", newline="\n")


def facts_of(config: RunConfig, folder: Path) -> Facts:
    """What lies in a run's folder, and beside it."""
    train = _read(folder / TRAIN_FILE) or {}
    data = {**about_data(config.data.path), **(train.get("dataset") or {})}
    return Facts(
        config=config,
        train=train,
        results=_read(folder / "eval" / "results.json"),
        dataset=data.get("name"),
        licence=licence_of(config),
        data=data,
    )


def model_card(facts: Facts) -> str:
    """The card's text."""
    front = yaml.safe_dump(front_matter(facts), sort_keys=False, allow_unicode=True, width=10_000).strip()
    parts = [
        f"# {facts.name}",
        _about(facts),
        *_licence(facts),
        *_data(facts.data),
        *_results(facts),
        _training(facts),
        _use(facts),
    ]
    return f"---\n{front}\n---\n\n" + "\n\n".join(parts) + "\n"


def front_matter(facts: Facts) -> dict[str, Any]:
    """What the Hub reads (https://huggingface.co/docs/hub/model-cards); what is not known is left out."""
    said: dict[str, Any] = {
        "base_model": facts.base,
        "base_model_relation": ("adapter" if facts.is_adapter else "finetune") if facts.base else None,
        "library_name": "peft" if facts.is_adapter else "transformers",
        "pipeline_tag": "image-text-to-text",
        "license": facts.licence,
        "datasets": [facts.dataset] if facts.dataset and HUB_NAME.fullmatch(facts.dataset) else None,
        "metrics": [metric["name"] for metric in facts.results["metrics"]] if facts.results else None,
        "tags": ["vlmtrain", "vision-language"],
        "model-index": _model_index(facts),
    }
    return {key: value for key, value in said.items() if value is not None}


def licence_of(config: RunConfig) -> str | None:
    """The licence that the base's own card names, where that card is on this machine, else as it is known of the
    shipped runs' bases. Asks no network.
    """
    file = Path(config.model.base) / CARD_FILE if config.model.is_local else _cached_card(config)
    if file is None or not file.is_file():
        return LICENCES.get(config.model.base)
    found = FRONT.match(file.read_text(encoding="utf-8", errors="replace"))
    try:
        said = yaml.safe_load(found.group(1)) if found else None
    except yaml.YAMLError:
        return None
    licence = said.get("license") if isinstance(said, dict) else None
    return licence if isinstance(licence, str) else None


def _cached_card(config: RunConfig) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(config.model.base, CARD_FILE, revision=config.model.revision)
    return Path(found) if isinstance(found, str) else None


def _model_index(facts: Facts) -> list[dict[str, Any]] | None:
    """The measured scores, as the Hub shows them beside the card; none of rows that were trained on."""
    if facts.results is None or facts.kind not in facts.results["candidates"]:
        return None
    if facts.results["dataset"].get("trained_on"):
        return None
    scores = facts.results["candidates"][facts.kind]["metrics"]
    measured = {
        "task": {"type": "image-text-to-text"},
        "dataset": {"name": facts.dataset or "the dataset of the run", "type": facts.dataset or "custom"},
        "metrics": [{"type": name, "value": value} for name, value in scores.items() if value is not None],
    }
    return [{"name": facts.name, "results": [measured]}]


def _about(facts: Facts) -> str:
    what = {
        "adapter": "An adapter (LoRA) for" if facts.is_adapter else "A model: an adapter (LoRA) merged into",
        "model": "A model whose own weights were trained, from",
    }[facts.kind]
    base = f"[{facts.base}](https://huggingface.co/{facts.base})" if facts.base else "a base model in a local folder"
    commit = facts.train.get("base_commit")
    data = f"the dataset {_cell(facts.dataset)}" if facts.dataset else "a dataset"
    print_ = str((facts.train.get("dataset") or {}).get("fingerprint", ""))[:16]
    return f"{what} {base}{f' at commit `{commit}`' if commit else ''}, trained on {data} (fingerprint `{print_}`)."


def _licence(facts: Facts) -> Iterator[str]:
    """Under what terms the base came, which hold for what was made of it too."""
    yield "## Licence"
    page = f"https://huggingface.co/{facts.base}" if facts.base else None
    if facts.licence is None:
        look = f"see {page}" if page else "see where the base came from"
        yield f"The base model's licence is not known here: {look}. It holds for what was made of the base too."
        return
    terms = f"; its terms: {TERMS[facts.licence]}" if facts.licence in TERMS else ""
    where = f" ({page})" if page else ""
    check = " That is by others' words; see the base's own page." if unchecked(facts) else ""
    yield f"The base model{where} is under the licence `{_cell(facts.licence)}`{terms}.{check}"


def unchecked(facts: Facts) -> bool:
    """Whether the licence is one that nobody compared with the base's own card."""
    return facts.base in BY_OTHERS_WORDS and _cached_card(facts.config) is None


def _data(data: Mapping[str, Any]) -> Iterator[str]:
    """Under what terms the dataset came, where from, and how much of it a model wrote; what nobody stated is said."""
    yield "## Training data"
    licence = data.get("license")
    said = [("Licence", licence if licence != "unknown" else None), ("Source", data.get("source"))]
    lines = [f"- **{name}:** {_cell(text) if text else 'not stated'}" for name, text in said]
    if data.get("attribution"):
        lines.append(f"- **Attribution:** {_cell(data['attribution'])}")
    yield "\n".join([*lines, f"- **Texts:** {_written(data)}"])


def _written(data: Mapping[str, Any]) -> str:
    """Who wrote the answers that were learned."""
    if "written" not in data:
        return "who wrote them is not stated"
    if not data["written"]:
        return f"of {data['rows']:,} rows, none says that a model wrote its answer"
    by = ", ".join(_wrote(**each) for each in data["written"])
    return f"of {data['rows']:,} rows, answers that a model wrote: {by}"


def _wrote(model: str, through: str, rows: int) -> str:
    return f"{rows:,} by {_cell(model) or 'a model'}{f' (through {_cell(through)})' if through else ''}"


def _results(facts: Facts) -> Iterator[str]:
    """The scores of base and trained model on the same rows, and what is left of them with the images swapped."""
    yield "## Results"
    if facts.results is None:
        yield "Not measured yet: `vlmtrain eval` fills this in."
        return
    dataset, candidates = facts.results["dataset"], facts.results["candidates"]
    part = "all rows" if dataset["limit"] is None else "the first rows"
    yield (
        f"On {_asked(dataset)}, {part} of the split `{dataset['split']}`; base and trained model were "
        "asked in the same way."
    )
    columns = {name: _scores(found) for name, found in candidates.items()}
    columns |= {
        f"{each['candidate']}, images: {each['name']}": {
            name: _number(change["after"]) for name, change in each["changes"].items()
        }
        for each in facts.results["controls"]
    }
    names = list(next(iter(candidates.values()))["metrics"])
    lines = [f"| metric | {' | '.join(map(_cell, columns))} |", f"|---|{'---|' * len(columns)}"]
    for name in names:
        lines.append(f"| {_cell(name)} | {' | '.join(scores.get(name, 'none') for scores in columns.values())} |")
    yield "\n".join(lines)
    chance = facts.results.get("chance") or {}
    if chance:
        yield f"In brackets the {chance['confidence']:.0%} interval, from {chance['resamples']:,} resamples of groups."
    if facts.merged is not None and (same := facts.merged.get("agreement")):
        yield f"Measured with the adapter; merged, {same['equal']:,} of {same['rows']:,} answers are the same."
    about = [f"- {_cell(each['name'])}: {_cell(each['about'])}" for each in facts.results["metrics"]]
    yield "\n".join(about)


def _asked(dataset: Mapping[str, Any]) -> str:
    """How many rows were asked, and whether they were held out."""
    learned = dataset.get("trained_on")
    return f"{trained_words(learned, dataset['rows'])}{' and so not held out' if learned else ''}"


def _scores(found: Mapping[str, Any]) -> dict[str, str]:
    """Each score of a candidate, with its interval where it has one."""
    intervals = found.get("intervals") or {}
    said = {}
    for name, value in found["metrics"].items():
        low, high = intervals.get(name) or (None, None)
        said[name] = _number(value) if low is None else f"{_number(value)} ({_number(low)} to {_number(high)})"
    return said


def _training(facts: Facts) -> str:
    figures, train = facts.train.get("training", {}), facts.config.train
    assert train is not None
    lora = facts.config.lora
    rows = [
        ("method", f"LoRA, r {lora.r}, alpha {lora.alpha:g}" if lora else f"own weights of {_list(facts)}"),
        ("base loaded as", facts.config.model.load),
        ("steps", f"{figures.get('steps', 0):,}"),
        *_ended(figures),
        ("rows seen", f"{figures.get('rows_seen', 0):,}"),
        ("tokens learned", f"{figures.get('tokens_learned', 0):,} of {figures.get('tokens_seen', 0):,}"),
        ("parameters trained", f"{figures.get('parameters_trained', 0):,} of {figures.get('parameters', 0):,}"),
        ("learning rate", f"{train.learning_rate:g}, {train.scheduler}"),
        ("last loss", _number(figures.get("final_loss"))),
        ("seconds", f"{figures.get('seconds', 0):,.0f}"),
        ("device", _cell(facts.train.get("device", ""))),
        ("processes", f"{figures.get('processes', 1)}"),
    ]
    known = rows if figures else rows[:2]
    table = "\n".join(f"| {name} | {value} |" for name, value in known)
    versions = ", ".join(f"{name} {value}" for name, value in facts.train.get("versions", {}).items())
    manifest = TRAIN_FILE if facts.merged is None else "merge.json"
    again = f"`{manifest}` holds every setting." if facts.repo else "`run.yaml` repeats it."
    return f"## Training\n\n| | |\n|---|---|\n{table}\n\n{again} Versions: {versions}."


def _ended(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What ended a training before its last step, and the step that was kept, where a validation split chose it."""
    if figures.get("stopped"):
        yield "stopped by", f"{_cell(figures['stopped'])}, of {figures.get('steps_planned') or 0:,} steps"
    if figures.get("best_step") is not None:
        yield "step kept", f"{figures['best_step']:,}, validation loss {_number(figures.get('best_loss'))}"


def _list(facts: Facts) -> str:
    return " and ".join(facts.config.learned_parts)


def _use(facts: Facts) -> str:
    folder = facts.repo or (ADAPTER_FOLDER if facts.is_adapter else MODEL_FOLDER)
    name = facts.base or "BASE"
    commit = facts.train.get("base_commit")
    pinned = f', revision="{commit}"' if commit and facts.base else ""
    lines = ["from transformers import AutoModelForImageTextToText, AutoProcessor"]
    if facts.is_adapter:
        lines = [
            "from peft import PeftModel",
            *lines,
            "",
            f'model = AutoModelForImageTextToText.from_pretrained("{name}"{pinned})',
            f'model = PeftModel.from_pretrained(model, "{folder}")',
            f'processor = AutoProcessor.from_pretrained("{name}"{pinned})',
        ]
    else:
        lines += [
            "",
            f'model = AutoModelForImageTextToText.from_pretrained("{folder}")',
            f'processor = AutoProcessor.from_pretrained("{folder}")',
        ]
    return "## Use\n\n```python\n" + "\n".join(lines) + "\n```"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _cell(value: Any) -> str:
    """A value for a line of Markdown: on one line, and no markup."""
    return re.sub(r"([\\`|<>\[\]*_])", r"\\\1", " ".join(str(value).split()))


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
