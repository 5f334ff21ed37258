"""`preflight --measure N`: so many real steps of a run, here and now, and what all of it would take at that rate."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vlmtrain.errors import RunError
from vlmtrain.model import load_base
from vlmtrain.order import RowShapes
from vlmtrain.preflight_result import Measured, Steps

if TYPE_CHECKING:
    from vlmtrain.config import RunConfig
    from vlmtrain.preflighting import Examined
    from vlmtrain.train import Rows, TrainResult

Progress = Callable[[str], None]


def measure_steps(config: RunConfig, examined: Examined, steps: int, tell: Progress) -> Measured:
    """Train for `steps` steps on rows drawn with the run's seed, throw the result away, and say how it went.

    The time of the first step, in which memory is laid out, counts only where it is the only one. Raises ModelError,
    BudgetError or TrainingError as a training does, and RunError where the run has no `train` section.
    """
    from vlmtrain.run import learner_of
    from vlmtrain.train import Place, train

    planned = examined.result.steps
    if config.train is None or planned is None:
        raise RunError("there are no steps to measure: the run has no `train` section, or no row to train on")
    trial = _trial(config)
    loaded = load_base(config)
    tell(loaded.describe())
    learner = learner_of(trial, loaded, "", force=True)
    clock = Clock(tell=tell)
    with tempfile.TemporaryDirectory(prefix="vlmtrain-measure-") as folder:
        clock.tick()
        rows = _drawn(examined.rows(), steps, planned, trial)
        _, result = train(trial, learner, rows, Place(folder=Path(folder)), clock)
    return _figures(config, planned, result, clock, str(loaded.device))


@dataclass(slots=True, kw_only=True)
class Clock:
    """Progress that notes when each line came: with a line a step, how long each step took."""

    tell: Progress
    times: list[float] = field(default_factory=list)

    def tick(self) -> None:
        """Note the time."""
        self.times.append(time.monotonic())

    def __call__(self, line: str) -> None:
        """Note the time of a step, and pass its line on."""
        self.tick()
        self.tell(f"measuring: {line}")

    def seconds_a_step(self) -> float:
        """The mean of all steps but the first."""
        from_, to = (self.times[1], self.times[-1]) if len(self.times) > 2 else (self.times[0], self.times[-1])
        return (to - from_) / max(len(self.times) - (2 if len(self.times) > 2 else 1), 1)


def _trial(config: RunConfig) -> RunConfig:
    """The run, its training once over the rows, with a line a step and nothing measured or sent anywhere."""
    assert config.train is not None
    train = dataclasses.replace(
        config.train,
        epochs=1,
        log_every=1,
        report_to="none",
        evaluate_every=None,
        save_every=None,
        early_stopping=None,
        max_hours=None,
    )
    data = dataclasses.replace(config.data, validation_split=None)
    return dataclasses.replace(config, train=train, data=data)


def _drawn(rows: Rows, steps: int, planned: Steps, config: RunConfig) -> Rows:
    """As many rows as the steps take, drawn from all."""
    import numpy as np

    from vlmtrain.train import Rows

    assert config.train is not None
    dice = np.random.default_rng(config.train.seed)
    count = min(steps * planned.rows_a_step, len(rows.shapes))
    places = np.sort(dice.permutation(len(rows.shapes))[:count])
    shapes = RowShapes(lengths=rows.shapes.lengths[places], keys=rows.shapes.keys[places])
    return Rows(train=rows.train.select(places.tolist()), shapes=shapes)


def _figures(config: RunConfig, planned: Steps, result: TrainResult, clock: Clock, device: str) -> Measured:
    """Rows and tokens a second are those of the steps that count; hours and cost those of the whole run."""
    seconds = clock.seconds_a_step()
    hours = planned.steps * seconds / 3600
    price = config.price_per_hour
    return Measured(
        steps=result.steps,
        seconds_a_step=seconds,
        rows_a_second=result.rows_seen / result.steps / seconds,
        tokens_a_second=result.tokens_seen / result.steps / seconds,
        peak_memory_bytes=result.peak_memory_bytes,
        peak_memory_of=result.peak_memory_of,
        device=device,
        hours=hours,
        cost=None if price is None else hours * price,
        currency=config.currency,
    )
