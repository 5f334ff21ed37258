"""Memory of batches: used again once nobody looks into it, and never before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from vlmtrain import batch_memory
from vlmtrain.batch_memory import KEPT, LEAST, empty

SHAPE = (3, LEAST)
HOLD: dict[str, Callable[[torch.Tensor], object]] = {
    "itself": lambda made: made,
    "a slice": lambda made: made[1:, 5],
    "another shape": lambda made: made.view(-1),
    "its storage": lambda made: made.untyped_storage(),
    "an array": lambda made: made.numpy(),
    "what a graph needs": lambda made: (torch.ones(SHAPE, requires_grad=True) * made).sum(),
    "a batch": lambda made: {"pixel_values": [made.detach()]},
}


@pytest.fixture(autouse=True)
def none_idle() -> Iterator[None]:
    batch_memory._idle.clear()
    yield
    batch_memory._idle.clear()


def place(made: torch.Tensor) -> int:
    return made.untyped_storage().data_ptr()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.int64, torch.uint8])
def test_a_tensor_has_the_shape_and_kind_that_were_asked_for(kind: torch.dtype) -> None:
    for shape in ((7,), (0, 4), (2, LEAST, 3)):
        made = empty(shape, kind)
        assert made.shape == shape
        assert made.dtype == kind
        assert made.is_contiguous()
        assert made.data_ptr() % 64 == 0


def test_memory_is_used_again_once_the_batch_is_gone() -> None:
    made = empty(SHAPE, torch.float32)
    first = place(made)
    del made
    again = empty((3, LEAST - 100), torch.float32)
    assert place(again) == first
    assert place(empty(SHAPE, torch.float32)) != first


@pytest.mark.parametrize("what", HOLD)
def test_memory_is_not_used_again_while_anything_looks_into_it(what: str) -> None:
    made = empty(SHAPE, torch.float32).fill_(7)
    first, held = place(made), HOLD[what](made)
    del made
    other = empty(SHAPE, torch.float32).fill_(1)
    assert place(other) != first
    if isinstance(held, torch.Tensor) and held.requires_grad:
        held.backward()  # type: ignore[no-untyped-call]
    del held, other
    assert {place(empty(SHAPE, torch.float32)), place(empty(SHAPE, torch.float32))} <= {
        piece.ctypes.data for piece in batch_memory._idle.values()
    }


def test_much_larger_memory_is_left_for_larger_batches_and_little_lies_idle() -> None:
    made = [empty((size, LEAST), torch.uint8) for size in (2, 5, 11, 23)]
    places = [place(each) for each in made]
    while made:
        made.pop(0)
    assert [piece.ctypes.data for piece in batch_memory._idle.values()] == places[-KEPT:]
    small = empty((5, LEAST), torch.uint8)
    assert len(batch_memory._idle) == KEPT
    large = empty((23, LEAST), torch.uint8)
    assert place(large) == places[3]
    assert place(small) not in places[-KEPT:]
