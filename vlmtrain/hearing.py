"""Every candidate asked the same rows, one model in memory at a time; the second looks; what is known of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmtrain import processes
from vlmtrain.answer_cache import AnswerCache, weights_digest
from vlmtrain.asking import Asker, generation_of
from vlmtrain.candidates import CandidateSpec
from vlmtrain.config import RunConfig, as_data
from vlmtrain.evaluation import Alone, Candidate, Control, answered_rows, evaluate_candidate, evaluate_control
from vlmtrain.generation import Answer, generation_config
from vlmtrain.given_answers import read_given
from vlmtrain.identity import processor_digest
from vlmtrain.intervals import Chance
from vlmtrain.results_file import versions
from vlmtrain.trained import load_trained

if TYPE_CHECKING:
    from vlmtrain.loaded import LoadedModel
    from vlmtrain.protocols import Metric

ALONE = 8
"""So many rows are asked one by one too where arithmetic is short of 32 bits."""

Progress = Callable[[str], None]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What every candidate is asked, and how: the same for all of them."""

    config: RunConfig
    rows: Any
    metrics: tuple[Metric, ...]
    controls: Mapping[str, Any]
    tell: Progress | None
    cache: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def chance(self) -> Chance:
        """How intervals are drawn."""
        return Chance(resamples=self.config.eval.resamples, seed=self.config.eval.seed)

    @property
    def wants_losses(self) -> bool:
        """Whether a metric reads how likely a model finds the references."""
        return any(getattr(metric, "reads_losses", False) for metric in self.metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of the candidates."""

    candidates: dict[str, Candidate] = field(default_factory=dict)
    controls: list[Control] = field(default_factory=list)
    alone: list[Alone] = field(default_factory=list)


def hear(questions: Questions, specs: Sequence[CandidateSpec]) -> Heard:
    """Ask every candidate; one model is in memory at a time. What the run trained is looked at under the controls."""
    heard = Heard()
    asker: Asker | None = None
    for place, spec in enumerate(specs):
        if spec.kind in ("answers", "endpoint"):
            heard.candidates[spec.name] = _elsewhere(questions, spec)
            continue
        if asker is not None and _is_on_base(specs, place):
            asker = _asker(questions, spec, asker.loaded)
        else:
            asker = None  # its memory is free before the next model is loaded
            asker = _asker(questions, spec, _loaded(specs, place))
        candidate = heard.candidates[spec.name] = _heard(questions, spec, asker)
        if spec is _looked_at(specs):
            heard.controls.extend(_controls(questions, candidate, asker))
        if alone := _alone(questions, candidate, asker):
            heard.alone.append(alone)
    return heard


def _looked_at(specs: Sequence[CandidateSpec]) -> CandidateSpec | None:
    """Who is asked again with other images: what the run trained, else the last model that is loaded here."""
    here = [spec for spec in specs if spec.kind not in ("answers", "endpoint")]
    own = [spec for spec in here if spec.name in ("adapter", "model")]
    found = own or here
    return found[-1] if found else None


def _is_on_base(specs: Sequence[CandidateSpec], place: int) -> bool:
    """Whether a candidate is the run's adapter, which was loaded with the base before it, and switched off."""
    before = specs[place - 1] if 0 < place < len(specs) else None
    return before is not None and before.kind == "base" and specs[place].name == specs[place].kind == "adapter"


def _loaded(specs: Sequence[CandidateSpec], place: int) -> LoadedModel:
    """The model of a candidate; a base with the run's adapter on it already, where that is asked next."""
    spec = specs[place]
    assert spec.config is not None
    trained = specs[place + 1].trained if _is_on_base(specs, place + 1) else spec.trained
    return load_trained(spec.config, trained)


def _asker(questions: Questions, spec: CandidateSpec, loaded: LoadedModel) -> Asker:
    assert spec.config is not None
    config = dataclasses.replace(spec.config, eval=questions.config.eval)
    made = Asker.of(loaded, config, questions.tell, questions.seconds)
    cache = AnswerCache.of(questions.cache, _identity(spec, loaded, made))
    return dataclasses.replace(made, base=spec.kind == "base", cache=cache)


def _identity(spec: CandidateSpec, loaded: LoadedModel, asker: Asker) -> dict[str, Any]:
    """All that an answer depends on but the row."""
    assert spec.config is not None
    model = spec.config.model
    return {
        "base": loaded.commit or (weights_digest(Path(model.base)) if model.is_local else model.base),
        "trained": spec.trained.sha256() if spec.trained and spec.kind != "base" else None,
        "loaded": loaded.describe(),
        "quantise": sorted(model.quantise),
        "processor": processor_digest(loaded.processor),
        "last_turn_only": asker.collator.last_turn_only,
        "settings": dataclasses.asdict(asker.settings),
        "versions": {name: version for name, version in versions().items() if name != "vlmtrain"},
    }


def _heard(questions: Questions, spec: CandidateSpec, asker: Asker) -> Candidate:
    answers = asker.answers(questions.rows, spec.name)
    losses = asker.losses(questions.rows, spec.name) if questions.wants_losses else None
    answered = answered_rows(questions.rows.remove_columns("images"), answers, losses)
    return evaluate_candidate(
        spec.name,
        answered,
        questions.metrics,
        answers,
        kind=spec.kind,
        slices=questions.config.eval.slices,
        chance=questions.chance,
        about=_about(spec, asker, questions.config),
    )


def _elsewhere(questions: Questions, spec: CandidateSpec) -> Candidate:
    """A candidate that is not loaded here: answers from a file, or from an endpoint."""
    about: dict[str, Any] = {"place": Path(spec.place).name if spec.kind == "answers" else spec.place}
    if spec.kind == "answers":
        answers, about["of_no_row"] = read_given(Path(spec.place), questions.rows)
    else:
        answers = _from_endpoint(questions, spec)
    return evaluate_candidate(
        spec.name,
        answered_rows(questions.rows.remove_columns("images"), answers),
        questions.metrics,
        answers,
        kind=spec.kind,
        slices=questions.config.eval.slices,
        chance=questions.chance,
        about=about,
    )


def _from_endpoint(questions: Questions, spec: CandidateSpec) -> list[Answer]:
    from vlmtrain.endpoint import ask_endpoint

    rows, done = questions.rows, 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        if questions.tell:
            questions.tell(f"{spec.name}: {done:,} of {len(rows):,} rows answered")

    settings = generation_of(questions.config)
    if not processes.is_first():
        processes.wait_for_all()  # what the first one asks is kept, and paid for once
    answers = ask_endpoint(spec.place, rows, settings, folder=questions.cache, progress=progress)
    if processes.is_first():
        processes.wait_for_all()
    return answers


def _controls(questions: Questions, candidate: Candidate, asker: Asker) -> Iterator[Control]:
    for name, alter in questions.controls.items():
        tampered = alter(questions.rows)
        answers = asker.answers(tampered, f"{candidate.name}.{name}")
        yield evaluate_control(name, candidate, tampered, answers, questions.chance)


def _alone(questions: Questions, candidate: Candidate, asker: Asker) -> Alone | None:
    """The first rows again, one by one, where that can differ or is asked for."""
    import torch

    asked = questions.config.eval.alone
    count = min(ALONE if asked is None and asker.loaded.dtype != torch.float32 else asked or 0, len(questions.rows))
    if not count or not processes.is_first():
        return None
    one = dataclasses.replace(asker, settings=dataclasses.replace(asker.settings, batch_size=1), cache=None)
    answers = one.answers(questions.rows.select(range(count)), f"{candidate.name}.alone")
    different = [a.id for a, b in zip(answers, candidate.answered, strict=False) if a.text != b.prediction]
    return Alone(candidate=candidate.name, rows=count, different=tuple(different))


def _about(spec: CandidateSpec, asker: Asker, own: RunConfig) -> dict[str, Any]:
    """What is known of a candidate's model, paths relative to the run's folder."""
    assert spec.config is not None
    data = as_data(spec.config, relative_to=own.output)
    return {
        "base": data["model"]["base"],
        "revision": spec.config.model.revision,
        "commit": asker.loaded.commit,
        "load": spec.config.model.load,
        "loaded": asker.loaded.describe(),
        "trained_sha256": spec.trained.sha256() if spec.trained else None,
        "budget": data["budget"],
        "processor": processor_digest(asker.loaded.processor),
        "decoding": _decoding(asker),
    }


def _decoding(asker: Asker) -> dict[str, Any]:
    """How tokens were chosen, in full."""
    said = generation_config(asker.loaded, asker.settings, ()).to_diff_dict()
    return {name: value for name, value in said.items() if isinstance(value, int | float | bool | str)}
