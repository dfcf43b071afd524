"""Training loops as people write them, with faults that can be put in by name.

They are in the style of the well-known tutorials and know nothing of the watcher.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

SIZE, LATENT, BATCH = 8, 8, 16


def images(count=512, seed=0):
    """Blobs at random places: (count, 1, SIZE, SIZE) in [-1, 1]."""
    random = np.random.default_rng(seed)
    centres, widths = (
        random.uniform(2, 6, (count, 2, 1, 1)),
        random.uniform(0.8, 1.6, (count, 1, 1)),
    )
    y, x = np.mgrid[:SIZE, :SIZE]
    off = (y - centres[:, 0]) ** 2 + (x - centres[:, 1]) ** 2
    return torch.tensor(2 * np.exp(-off / (2 * widths**2)) - 1, dtype=torch.float32)[:, None]


def networks(norm=True, seed=0):
    torch.manual_seed(seed)
    g = nn.Sequential(
        nn.Linear(LATENT, 24 * 4), nn.Unflatten(1, (24, 2, 2)), nn.BatchNorm2d(24), nn.ReLU(),
        nn.ConvTranspose2d(24, 12, 4, 2, 1), nn.BatchNorm2d(12), nn.ReLU(),
        nn.ConvTranspose2d(12, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    d = nn.Sequential(
        nn.Conv2d(1, 12, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(12, 24, 4, 2, 1),
        nn.BatchNorm2d(24) if norm else nn.Identity(), nn.LeakyReLU(0.2), nn.Dropout(0.1),
        nn.Flatten(), nn.Linear(24 * 4, 1),
    )  # fmt: skip
    return g, d


def batches(data, steps):
    for step in range(steps):
        rows = torch.randint(len(data), (BATCH,), generator=torch.Generator().manual_seed(step))
        yield data[rows]


def dcgan(g, d, data, steps, fault="", watcher=None):
    """The usual tutorial loop: real and fake backward apart, G on non-saturating labels."""
    rate = 0.0 if fault == "rate" else 2e-3
    d_adam = torch.optim.Adam(d.parameters(), 2e-3, betas=(0.5, 0.999))
    held = d if fault == "wrong-tensors" else g
    g_adam = torch.optim.Adam(held.parameters(), rate, betas=(0.5, 0.999))
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
    for real in batches(data, steps):
        if fault == "range":
            real = real / 2 + 0.5
        if fault != "no-zero-grad":
            d.zero_grad()
        binary_cross_entropy_with_logits(d(real), ones).backward()
        fake = g(torch.randn(BATCH, LATENT))
        binary_cross_entropy_with_logits(d(fake.detach()), zeros).backward()
        d_adam.step()
        if fault != "no-zero-grad":
            g.zero_grad()
        shown = fake.detach().requires_grad_() if fault == "detach" else fake
        target = zeros if fault == "label" else ones
        binary_cross_entropy_with_logits(d(shown), target).backward()
        g_adam.step()


def wgan_gp(g, d, data, steps, fault="", watcher=None):
    """Five critic steps a step of G, and the gradient penalty on lines."""
    d_adam = torch.optim.Adam(d.parameters(), 1e-3, betas=(0.0, 0.9))
    g_adam = torch.optim.Adam(g.parameters(), 1e-3, betas=(0.0, 0.9))
    for step, real in enumerate(batches(data, 5 * steps)):
        d_adam.zero_grad()
        with torch.no_grad():
            fake = g(torch.randn(BATCH, LATENT))
        share = torch.rand(BATCH, 1, 1, 1)
        mixed = (share * real + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(d(mixed).sum(), mixed, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        sign = -1.0 if fault == "d-sign" else 1.0
        loss = sign * (d(fake).mean() - d(real).mean()) + 10 * penalty
        loss.backward()
        if fault != "d-frozen":
            d_adam.step()
        if step % 5 == 4:
            g_adam.zero_grad()
            score = d(g(torch.randn(BATCH, LATENT))).mean()
            (score if fault == "g-sign" else -score).backward()
            if fault != "g-frozen":
                g_adam.step()


class Module:
    """In the style of a Lightning module with manual optimization."""

    def __init__(self, g, d, fault=""):
        self.g, self.d, self.fault = g, d, fault
        rates = {"huge-rates": (0.3, 0.3), "tiny-rates": (1e-7, 1e-7)}.get(fault, (2e-3, 2e-3))
        self.optimizers = [
            torch.optim.Adam(net.parameters(), rate, betas=(0.5, 0.999))
            for net, rate in zip((g, d), rates, strict=True)
        ]

    def training_step(self, real):
        g_adam, d_adam = self.optimizers
        z = torch.randn(len(real), LATENT)
        if self.fault == "constant-latent":
            z = torch.zeros_like(z)
        g_loss = softplus(-self.d(self.g(z))).mean()
        if self.fault == "g-sign":
            g_loss = -g_loss
        g_adam.zero_grad()
        g_loss.backward()
        g_adam.step()
        d_loss = softplus(-self.d(real)).mean() + softplus(self.d(self.g(z).detach())).mean()
        d_adam.zero_grad()
        d_loss.backward()
        if self.fault != "d-frozen":
            d_adam.step()


def lightning(g, d, data, steps, fault="", watcher=None):
    module = Module(g, d, fault)
    for real in batches(data, steps):
        module.training_step(real)


def scaled(g, d, data, steps, fault="", watcher=None):
    """Mixed precision with a GradScaler, and gradients of two batches a step."""
    scaler = torch.amp.GradScaler("cpu")
    d_adam, g_adam = (torch.optim.AdamW(net.parameters(), 1e-3) for net in (d, g))
    for step, real in enumerate(batches(data, 2 * steps)):
        with torch.autocast("cpu", torch.bfloat16):
            fake = g(torch.randn(BATCH, LATENT))
            d_loss = softplus(-d(real)).mean() + softplus(d(fake.detach())).mean()
        scaler.scale(d_loss / 2).backward()
        if step % 2:
            scaler.step(d_adam)
            d_adam.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                g_loss = softplus(-d(g(torch.randn(BATCH, LATENT)))).mean()
            scaler.scale(g_loss).backward()
            scaler.step(g_adam)
            g_adam.zero_grad()
            d_adam.zero_grad()
            scaler.update()


def augmented(g, d, data, steps, fault="", watcher=None):
    """One batch of both kinds, flipped at random: nothing tells real from fake but the loop."""
    d_adam, g_adam = (torch.optim.Adam(net.parameters(), 1e-3, (0.5, 0.999)) for net in (d, g))
    for real in batches(data, steps):
        fake = g(torch.randn(BATCH, LATENT)).detach()
        if watcher is not None:
            real, fake = watcher.real(real), watcher.fake(fake)
        both = torch.cat([real, fake])
        both = torch.where(torch.rand(len(both), 1, 1, 1) < 0.5, both.flip(3), both)
        scores = d(both)
        d_adam.zero_grad()
        (softplus(-scores[:BATCH]).mean() + softplus(scores[BATCH:]).mean()).backward()
        d_adam.step()
        g_adam.zero_grad()
        softplus(-d(g(torch.randn(BATCH, LATENT)))).mean().backward()
        g_adam.step()


LOOPS = {loop.__name__: loop for loop in (dcgan, wgan_gp, lightning, scaled, augmented)}
