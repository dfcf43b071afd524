"""Generators and discriminators: one family a file; image size and channels are arguments."""

from steadygan.networks.acgan import ACGANNetworks
from steadygan.networks.autoencoder import BEGANNetworks, EBGANNetworks
from steadygan.networks.base import Networks
from steadygan.networks.bigan import BiGANNetworks
from steadygan.networks.conditional import ConditionalNetworks
from steadygan.networks.dcgan import DCGANNetworks
from steadygan.networks.fastgan import FastGANNetworks
from steadygan.networks.improved import ImprovedNetworks
from steadygan.networks.infogan import InfoGANNetworks
from steadygan.networks.lsgan import LSGANNetworks
from steadygan.networks.mlp import MLPNetworks
from steadygan.networks.multiclass import MulticlassNetworks
from steadygan.networks.own import OwnNetworks
from steadygan.networks.projected import ProjectedNetworks
from steadygan.networks.r3gan import R3GANNetworks
from steadygan.networks.sngan import SNGANNetworks

__all__ = [
    "ACGANNetworks", "BEGANNetworks", "BiGANNetworks", "ConditionalNetworks", "DCGANNetworks",
    "EBGANNetworks", "FastGANNetworks", "ImprovedNetworks", "InfoGANNetworks", "LSGANNetworks",
    "MLPNetworks", "MulticlassNetworks", "Networks", "OwnNetworks", "ProjectedNetworks",
    "R3GANNetworks", "SNGANNetworks",
]  # fmt: skip
