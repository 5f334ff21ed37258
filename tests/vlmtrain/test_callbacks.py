"""What ends a training, and what is saved at once, told to the trainer by its callbacks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vlmtrain.callbacks import Stopping, callbacks, without_fall
from vlmtrain.config import EarlyStopping, TrainConfig


def after_measuring(losses: list[float], **settings: Any) -> tuple[Any, Stopping]:
    """What the trainer is told after the last of these validation losses."""
    stopping = Stopping()
    _, ends = callbacks(TrainConfig(learning_rate=1e-3, **settings), stopping, None, lambda: 0)
    control = SimpleNamespace(should_save=False, should_training_stop=False)
    history = [{"eval_loss": loss} for loss in losses]
    ends.on_evaluate(None, SimpleNamespace(log_history=history, global_step=5, max_steps=50), control)
    return control, stopping


@pytest.mark.parametrize(("losses", "saved"), [([3.0], True), ([3.0, 2.0], True), ([2.0, 3.0], False)])
def test_a_new_best_is_saved_at_once(losses: list[float], saved: bool) -> None:
    assert after_measuring(losses)[0].should_save is saved
    assert not after_measuring(losses, keep_best=False)[0].should_save


def test_training_ends_where_it_learns_no_more() -> None:
    patience = EarlyStopping(patience=2, min_delta=0.1)
    control, stopping = after_measuring([3.0, 2.95, 2.92], early_stopping=patience)
    assert control.should_training_stop
    assert stopping.reason == "early_stopping"
    assert not after_measuring([3.0, 2.95, 2.8], early_stopping=patience)[0].should_training_stop


def test_falls_are_counted_from_the_best_so_far() -> None:
    assert without_fall([3.0, 2.0, 2.5, 1.99], 0.0) == 0
    assert without_fall([3.0, 2.0, 2.5, 1.99], 0.1) == 2
    assert without_fall([], 0.1) == 0
