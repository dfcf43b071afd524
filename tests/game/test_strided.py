"""Whole games whose strided convolutions are products, beside the same by torch's kernels."""

import pytest
import torch
from sharing import GAMES, played, trainer_of

from steadygan.networks import strided

#: Two derivatives, layers that are changed in place, spectral norm, codes, a pre-trained stage.
FEW = ("dcgan", "wgan-gp", "sngan", "infogan", "decoding", "ebgan")


@pytest.mark.parametrize("keys", [{}, {"recompute": "true"}], ids=["", "recompute"])
@pytest.mark.parametrize("name", FEW)
def test_gradients_are_those_of_torchs_kernels(name, keys, float64, monkeypatch):
    by_torch = played(trainer_of(*GAMES[name], **keys))
    monkeypatch.setattr(strided, "DTYPE", torch.float64)
    monkeypatch.setattr(strided, "LEAST_WEIGHTS", 0)
    product, made = strided._Layer.into_weight, []
    monkeypatch.setattr(
        strided._Layer, "into_weight", lambda *args: made.append(1) or product(*args)
    )
    by_products = played(trainer_of(*GAMES[name], **keys))
    assert made
    assert by_torch.keys() == by_products.keys()
    for key, wanted in by_torch.items():
        scale = wanted.abs().max().clamp(min=1).item() if wanted.is_floating_point() else 1
        torch.testing.assert_close(by_products[key], wanted, rtol=0, atol=1e-9 * scale, msg=key)
