"""The patch embedding of Qwen's towers as the matrix product that it is.

Their processors cut an image into patches of a kernel's size, and a convolution then makes one number a channel of each
(transformers, models/qwen2_vl/modeling_qwen2_vl.py, PatchEmbed). It slides over nothing, but libraries take the way of
convolutions: measured at Qwen2-VL's own width on a CPU in float32, a third of the speed, and on some versions of cuDNN
in bfloat16 far less (transformers issue 45750). transformers' own `fusion_config` (fusion_mapping.py) puts a linear
layer in its place, of another name, that 4-bit loading would quantise and that other loaders of an adapter would not
know; here the layer, its weights and their names stay what they are.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import linear


class PatchConv3d(nn.Conv3d):
    """A convolution without overlap and padding; over inputs of its kernel's size, one matrix product."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Patches of shape (patches, channels, *kernel) to (patches, out channels, 1, 1, 1); others as ever."""
        if input.dim() != len(self.kernel_size) + 2 or input.shape[2:] != self.kernel_size:
            return super().forward(input)
        made = linear(input.flatten(1), self.weight.flatten(1), self.bias)
        return made[..., None, None, None]


def multiply_patches(model: nn.Module) -> None:
    """Let every patch embedding of a model compute as a product. Weights, names and the module's kind stay."""
    for module in model.modules():
        if type(module) is nn.Conv3d and _takes_whole_patches(module):
            module.__class__ = PatchConv3d


def _takes_whole_patches(conv: nn.Conv3d) -> bool:
    return (
        conv.stride == conv.kernel_size
        and conv.padding == (0, 0, 0)
        and conv.dilation == (1, 1, 1)
        and conv.groups == 1
    )
