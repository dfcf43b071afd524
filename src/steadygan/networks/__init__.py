"""Generators and discriminators: one family a file; image size and channels are arguments."""

from steadygan.networks.base import Networks
from steadygan.networks.dcgan import DCGANNetworks
from steadygan.networks.infogan import InfoGANNetworks
from steadygan.networks.mlp import MLPNetworks
from steadygan.networks.own import OwnNetworks

__all__ = ["DCGANNetworks", "InfoGANNetworks", "MLPNetworks", "Networks", "OwnNetworks"]
