"""What happens while a training runs: lines of progress, and the reasons to stop before its end."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from vlmtrain import processes
from vlmtrain.config import EarlyStopping, TrainConfig

Progress = Callable[[str], None]
REASONS = (None, "early_stopping", "max_hours", "interrupted")
"""Of what several processes give, the last one here holds for all of them: they end after the same step."""


@dataclass(slots=True)
class Stopping:
    """Why a training ended before its last step, if it did: `interrupted`, `max_hours` or `early_stopping`."""

    reason: str | None = None
    _asked: bool = field(default=False)

    @contextmanager
    def on_interrupt(self) -> Iterator[None]:
        """The first Ctrl-C ends the training after the step under way; the second at once."""

        def ask(number: int, frame: Any) -> None:
            if self._asked:
                signal.default_int_handler(number, frame)
            self._asked = True

        try:
            before = signal.signal(signal.SIGINT, ask)
        except ValueError:  # not in the main thread: Ctrl-C is somebody else's
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @property
    def asked(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._asked


def callbacks(settings: TrainConfig, stopping: Stopping, tell: Progress | None, rate: Callable[[], float]) -> list[Any]:
    """The trainer's callbacks. `rate` gives the tokens seen so far."""
    return [_telling(tell, rate), _ending(settings, stopping)]


def _telling(tell: Progress | None, rate: Callable[[], float]) -> Any:
    """What tells one line for each point of the training curve."""
    from transformers import TrainerCallback

    class Told(TrainerCallback):
        """Lines with the loss, the place, the speed and the time left."""

        def __init__(self) -> None:
            self._started, self._first, self._tokens = time.monotonic(), 0, 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            """Where this process began to count."""
            self._started, self._first, self._tokens = time.monotonic(), state.global_step, rate()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            """The last step is told too, also where a training is shorter than the way to the next line."""
            if state.global_step >= state.max_steps:
                control.should_log = True

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            """Tell the loss, the place, the speed and the time left."""
            logs = kwargs.get("logs") or {}
            if tell is None or "loss" not in logs:
                return
            seconds = max(time.monotonic() - self._started, 1e-9)
            done = state.global_step - self._first
            rows = done * args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size
            left = seconds / max(done, 1) * (state.max_steps - state.global_step)
            speed = Speed(rows=rows / seconds, tokens=(rate() - self._tokens) / seconds, seconds_left=left)
            tell(progress_line(state.global_step, state.max_steps, logs, speed))

    return Told()


def _ending(settings: TrainConfig, stopping: Stopping) -> Any:
    """What ends the training where it was interrupted, has taken its hours, or learns no more."""
    from transformers import TrainerCallback

    class Ends(TrainerCallback):
        """Looks after every step and every measurement."""

        def __init__(self) -> None:
            self._started = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            """Stop after this step, with a checkpoint."""
            hours = (time.monotonic() - self._started) / 3600
            if stopping.asked:
                stopping.reason = "interrupted"
            elif settings.max_hours is not None and hours >= settings.max_hours and state.global_step < state.max_steps:
                stopping.reason = "max_hours"
            stopping.reason = REASONS[processes.highest(REASONS.index(stopping.reason))]
            if stopping.reason is not None:
                control.should_log = control.should_save = control.should_training_stop = True

        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            """Keep what is the best so far, and count the measurements without a fall."""
            losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
            if settings.keep_best and losses[-1] <= min(losses):
                control.should_save = True
            patience: EarlyStopping | None = settings.early_stopping
            if patience is None:
                return
            if without_fall(losses, patience.min_delta) >= patience.patience and state.global_step < state.max_steps:
                stopping.reason = "early_stopping"
                control.should_save = control.should_training_stop = True

    return Ends()


def without_fall(losses: list[float], min_delta: float) -> int:
    """How many of the last losses did not fall by `min_delta` below the best before them."""
    best, count = math.inf, 0
    for loss in losses:
        if loss < best - min_delta:
            best, count = loss, 0
        else:
            count += 1
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a training is: rows and tokens a second, and the seconds that are left at that rate."""

    rows: float
    tokens: float
    seconds_left: float


def progress_line(step: int, steps: int, logs: Mapping[str, Any], speed: Speed) -> str:
    """`step 20/60  loss 1.2031  learning rate 1.3e-03  4.1 rows/s  1,204 tokens/s  0:12 left`."""
    left = round(speed.seconds_left)
    learning = f"  learning rate {logs['learning_rate']:.1e}" if "learning_rate" in logs else ""
    fast = f"  {speed.rows:,.1f} rows/s  {speed.tokens:,.0f} tokens/s"
    shown = f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}" if left >= 3600 else f"{left // 60}:{left % 60:02d}"
    return f"step {step}/{steps}  loss {logs['loss']:.4f}{learning}{fast}  {shown} left"
