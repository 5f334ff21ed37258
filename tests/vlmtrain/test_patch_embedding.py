"""Patch embeddings as matrix products: the same numbers, the same names, and no other layer touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vlmtrain.config import DataConfig, ModelConfig, RunConfig
from vlmtrain.model import load_base

Tiny = Callable[[str], Path]
KERNEL = (2, 3, 3)


@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_what_the_convolution_gives_and_so_are_its_gradients(bias: bool) -> None:
    import torch
    from torch import nn

    from vlmtrain.patch_embedding import multiply_patches

    torch.manual_seed(1)
    plain = nn.Conv3d(3, 7, KERNEL, stride=KERNEL, bias=bias).double()
    other = nn.Conv3d(3, 7, KERNEL, stride=KERNEL, bias=bias).double()
    other.load_state_dict(plain.state_dict())
    multiply_patches(nn.Sequential(other))
    assert type(other) is not nn.Conv3d
    assert isinstance(other, nn.Conv3d)
    patches = torch.randn(5, 3, *KERNEL, dtype=torch.float64)
    one, two = patches.clone().requires_grad_(), patches.clone().requires_grad_()
    assert plain(one).shape == other(two).shape == (5, 7, 1, 1, 1)
    assert torch.allclose(plain(one), other(two), atol=1e-12)
    plain(one).square().sum().backward()
    other(two).square().sum().backward()
    assert torch.allclose(one.grad, two.grad, atol=1e-12)
    for mine, theirs in zip(plain.parameters(), other.parameters(), strict=True):
        assert torch.allclose(mine.grad, theirs.grad, atol=1e-12)


def test_larger_inputs_are_convolved_and_other_convolutions_stay_what_they_are() -> None:
    import torch
    from torch import nn

    from vlmtrain.patch_embedding import multiply_patches

    whole, overlapping, padded, grouped = (
        nn.Conv3d(4, 4, KERNEL, stride=KERNEL),
        nn.Conv3d(4, 4, KERNEL, stride=1),
        nn.Conv3d(4, 4, KERNEL, stride=KERNEL, padding=1),
        nn.Conv3d(4, 4, KERNEL, stride=KERNEL, groups=2),
    )
    picture = torch.randn(1, 4, 4, 9, 9)
    expected = whole(picture)
    multiply_patches(nn.ModuleList([whole, overlapping, padded, grouped]))
    assert expected.shape == (1, 4, 2, 3, 3)
    assert torch.equal(whole(picture), expected)
    assert [type(each) for each in (overlapping, padded, grouped)] == [nn.Conv3d] * 3


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_a_loaded_tower_multiplies_and_its_weights_keep_their_names(family: str, tiny: Tiny) -> None:
    import torch
    from transformers import AutoModelForImageTextToText

    from vlmtrain.patch_embedding import PatchConv3d

    folder = tiny(family)
    run = RunConfig(
        output=Path("out"), data=DataConfig(path=Path("shop")), model=ModelConfig(base=str(folder), load="fp32")
    )
    loaded = load_base(run, device="cpu").model
    plain = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    named = {name for name, module in loaded.named_modules() if isinstance(module, PatchConv3d)}
    assert len(named) == 1
    assert loaded.state_dict().keys() == plain.state_dict().keys()
    (name,) = named
    mine, theirs = loaded.get_submodule(name), plain.get_submodule(name)
    assert type(theirs) is torch.nn.Conv3d
    patches = torch.randn(6, theirs.in_channels, *theirs.kernel_size)
    assert torch.allclose(mine(patches), theirs(patches), atol=1e-5)
