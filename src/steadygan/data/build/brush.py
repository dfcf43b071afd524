"""Handwritten characters: how a writer varies strokes, and the brush that draws them.

A stroke is a row of soft round stamps. Their ink adds up to an optical depth D, and a pixel is
covered by 1 - exp(-D). A Gaussian stamp is a product over x and y, so all stamps of an image are
one matrix product (rows x stamps) @ (stamps x columns).

Every number is a hash of (seed, character, writer, position), so an image does not depend on
what else is drawn, or in which order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtri

from steadygan.data.sources.hanzi_strokes import Character

SPACING = 1 / 64  # of stamps along a stroke, in em (the side of a character's box)
DEPTH = 5.0  # optical depth at the middle of a stroke
# Where D falls to ln 2, half the paper is covered: that is where a stroke's edge is.
_EDGE = float(np.sqrt(2 * np.log(DEPTH / np.log(2))))
# The width of a line by the depth at its middle, in standard deviations of its stamps.
_DEPTHS = np.geomspace(0.01, 20, 200)
_ACROSS = np.linspace(-6, 6, 1201)
_BREADTHS = np.sum(1 - np.exp(-_DEPTHS[:, None] * np.exp(-(_ACROSS**2) / 2)), axis=1) * 0.01
_FULL = int(np.searchsorted(_DEPTHS, DEPTH))
_PIXEL = 0.3  # standard deviation that the area of a pixel adds to a stamp, in pixels
MARGIN = 0.03  # of the image's side, that no stroke's edge enters


@dataclass(frozen=True)
class Outline:
    """A character as N stamps. `sharp`, `round`: their places (N, 2), corners kept or rounded.
    `stroke`: which of S strokes each is of. `along`: how far along it, 0 to 1. `after`, `before`:
    distance in em from its start and to its end. `centre`, `normal`: (S, 2) each; `normal` is as
    long as the chord."""

    code: int
    sharp: np.ndarray
    round: np.ndarray
    stroke: np.ndarray
    along: np.ndarray
    after: np.ndarray
    before: np.ndarray
    centre: np.ndarray
    normal: np.ndarray


def outline(character: Character) -> Outline:
    """Place the stamps of a character, evenly along each stroke."""
    sharp, rounded, along, lengths = [], [], [], []
    for stroke in character.strokes:
        steps = np.hypot(*np.diff(stroke, axis=0).T)
        reached = np.concatenate([[0.0], np.cumsum(steps)])
        length = max(reached[-1], 1e-6)
        share = np.linspace(0, 1, max(4, int(np.ceil(length / SPACING)) + 1))
        points = np.stack([np.interp(share * length, reached, axis) for axis in stroke.T], axis=1)
        sharp.append(points)
        rounded.append(_rounded(points))
        along.append(share)
        lengths.append(length)
    count = [len(points) for points in sharp]
    share, length = np.concatenate(along), np.repeat(lengths, count)
    chords = np.array([points[-1] - points[0] for points in sharp])
    return Outline(
        code=ord(character.name),
        sharp=np.concatenate(sharp),
        round=np.concatenate(rounded),
        stroke=np.repeat(np.arange(len(sharp)), count),
        along=share,
        after=share * length,
        before=(1 - share) * length,
        centre=np.array([points.mean(axis=0) for points in sharp]),
        normal=np.stack([-chords[:, 1], chords[:, 0]], axis=1),
    )


def _rounded(points: np.ndarray) -> np.ndarray:
    """Points (n, 2) of a line without its corners, between the same ends."""
    wide = min(8, len(points) - 1)
    # Reflection through the ends keeps the ends where they are.
    head = 2 * points[0] - points[wide:0:-1]
    tail = 2 * points[-1] - points[-2 : -wide - 2 : -1]
    padded = np.concatenate([head, points, tail])
    return gaussian_filter1d(padded, 3.0, axis=0, mode="nearest")[wide:-wide]


def draw(shape: Outline, writers: Sequence[int] | np.ndarray, size: int, seed: int) -> np.ndarray:
    """One image of a character by each of `writers` (0 or more): uint8 (W, size, size), dark ink
    on 255."""
    writers = np.asarray(writers, dtype=np.uint64)
    hand = _habits(writers, seed)
    chance = _Chance(writers, seed, shape.code)
    points = _fitted(_written(shape, hand, chance), hand, chance)
    radius, flow = _pressed(shape, points, hand, chance)
    return _stamped(points, radius, flow, hand, size)


_Hand = dict[str, np.ndarray]  # each of a writer's habits, (W, 1)


def _habits(writers: np.ndarray, seed: int) -> _Hand:
    """A writer's parameters, the same for all characters; lengths in em, angles in radians."""
    chance = _Chance(writers, seed, -1)
    return {
        "width": 0.05 * np.exp(0.24 * chance.normal()),  # of the pen's line
        "ink": chance.between(0.75, 1.0),  # how black
        "slant": 0.09 * chance.normal(),
        "rise": 0.05 + 0.045 * chance.normal(),  # of level strokes to the right
        "turn": 0.03 * chance.normal(),
        "aspect": np.exp(0.08 * chance.normal()),  # width over height
        "side": chance.between(0.82, 0.95),  # of the longer side of the box
        "rounding": chance.between(0.1, 1.0),
        "bow": 0.02 * chance.normal(),
        "unrest": chance.between(0.4, 1.5),  # how far strokes stray
        "wave": chance.between(0.3, 1.4),  # how far the whole is bent
        "press": chance.between(0.0, 0.45),  # at a stroke's start
        "taper": chance.between(0.0, 0.65),  # towards its end
        "nib": chance.between(0.0, 0.25),  # broader across the nib than along it
        "nib_angle": chance.between(0.0, np.pi),
    }


def _written(shape: Outline, hand: _Hand, chance: _Chance) -> np.ndarray:
    """The randomly varied strokes: places (W, N, 2) in em, before they are fit into the frame."""
    strokes, of = len(shape.centre), shape.stroke
    unrest = hand["unrest"]
    moved = 0.018 * unrest[..., None] * chance.normal(strokes, 2)
    turned = (0.06 * unrest * chance.normal(strokes))[:, of]
    grown = np.exp(0.06 * unrest * chance.normal(strokes))[:, of]
    bow = (hand["bow"] + 0.03 * unrest * chance.normal(strokes))[:, of]
    mix = hand["rounding"][..., None]
    around = (1 - mix) * shape.sharp + mix * shape.round - shape.centre[of]
    x, y = around[..., 0], around[..., 1]
    cos, sin = grown * np.cos(turned), grown * np.sin(turned)
    places = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    places += (shape.centre + moved)[:, of]
    places += (bow * np.sin(np.pi * shape.along))[..., None] * shape.normal[of]
    # The whole bends in slow waves, about two thirds of one across the character.
    for _ in range(2):
        angle, phase = chance.between(0, np.pi), chance.between(0, 2 * np.pi)
        across = places[..., 0] * np.cos(angle) + places[..., 1] * np.sin(angle)
        far = 0.022 * hand["wave"] * np.sin(2 * np.pi * 0.65 * across + phase)
        places += far[..., None] * np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
    return places


def _fitted(places: np.ndarray, hand: _Hand, chance: _Chance) -> np.ndarray:
    """Slanted, turned, and fit into the unit square with the pen's width to spare: (W, N, 2)."""
    x, y = places[..., 0] - 0.5, places[..., 1] - 0.5
    slant = hand["slant"] + 0.03 * chance.normal()
    rise = hand["rise"] + 0.02 * chance.normal()
    turn = hand["turn"] + 0.02 * chance.normal()
    aspect = np.sqrt(hand["aspect"] * np.exp(0.04 * chance.normal()))
    x, y = aspect * (x - slant * y), (y - rise * x) / aspect
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    low = np.stack([x.min(1), y.min(1)], axis=-1)
    high = np.stack([x.max(1), y.max(1)], axis=-1)
    reach = (high - low).max(axis=1, keepdims=True)
    room = 1 - 2 * MARGIN - 1.6 * hand["width"]
    wanted = np.minimum(hand["side"] * np.exp(0.03 * chance.normal()), room)
    # Small characters stay small: nothing grows to more than 1.15 times its size.
    scale = np.minimum(wanted / reach, 1.15)
    slack = (room - scale * (high - low)) / 2
    shift = np.clip(0.025 * chance.normal(2), -slack, slack)
    middle = (low + high) / 2
    moved = np.stack([x, y], axis=-1) - middle[:, None]
    return 0.5 + shift[:, None] + scale[..., None] * moved


def _pressed(
    shape: Outline, points: np.ndarray, hand: _Hand, chance: _Chance
) -> tuple[np.ndarray, np.ndarray]:
    """Half the line's width at each stamp, in em, and how much ink flows there: (W, N) each."""
    strokes, of = len(shape.centre), shape.stroke
    firm = np.exp(0.1 * chance.normal(strokes))[:, of]
    phase = chance.between(0, 2 * np.pi, strokes)[:, of]
    start = 1 + hand["press"] * np.exp(-((shape.after / 0.05) ** 2))
    end = 1 - hand["taper"] * np.exp(-((shape.before / 0.06) ** 2))
    tremble = 1 + 0.06 * np.sin(2 * np.pi * 3 * shape.after + phase)
    step = np.gradient(points, axis=1)
    heading = np.arctan2(step[..., 1], step[..., 0])
    nib = 1 - hand["nib"] * np.cos(2 * (heading - hand["nib_angle"]))
    radius = hand["width"] / 2 * firm * start * end * tremble * nib
    return radius, firm * (0.85 + 0.3 * start * end * tremble)


def _stamped(
    points: np.ndarray, radius: np.ndarray, flow: np.ndarray, hand: _Hand, size: int
) -> np.ndarray:
    """uint8 (W, size, size) of stamps at `points` (W, N, 2) of the unit square."""
    pixels = np.arange(size, dtype=np.float32) + np.float32(0.5)
    sharp = radius * (size / _EDGE)  # in pixels
    spread = np.hypot(sharp, _PIXEL)
    # Smoothing by the pixel lowers the depth, so a line covers as much paper at every size.
    depth = np.interp(sharp / spread * _BREADTHS[_FULL], _BREADTHS, _DEPTHS)
    step = np.hypot(*np.moveaxis(np.diff(points, axis=1), -1, 0)) * size
    step = np.concatenate([step[:, :1], step], axis=1)
    # The jump from one stroke to the next is no stroke.
    step = np.minimum(step, 1.5 * SPACING * size)
    ink = (depth * flow * step / (np.sqrt(2 * np.pi) * spread)).astype(np.float32)
    steep = (np.sqrt(0.5) / spread).astype(np.float32)[..., None]
    at = (points * size).astype(np.float32)
    columns = np.exp(-np.square((pixels - at[..., :1]) * steep))
    rows = np.exp(-np.square((pixels - at[..., 1:]) * steep)) * ink[..., None]
    # One product per image, so that an image does not depend on the rest of the batch.
    covered = np.stack([down.T @ over for down, over in zip(rows, columns, strict=True)])
    covered = hand["ink"][..., None].astype(np.float32) * (1 - np.exp(-covered))
    return np.rint(255 * (1 - covered)).astype(np.uint8)


class _Chance:
    """Numbers that are functions of (seed, character, writer) and of how many were drawn."""

    def __init__(self, writers: np.ndarray, seed: int, code: int) -> None:
        key = np.zeros_like(writers)
        for part in (seed, code + 1, writers):
            key = _mixed(key ^ _mixed(np.asarray(part, dtype=np.uint64) + _GOLDEN))
        self.keys, self.drawn = key, 0

    def uniform(self, *shape: int) -> np.ndarray:
        """Between 0.01 and 0.99, (W, *shape); (W, 1) without a shape."""
        shape = shape or (1,)
        count = int(np.prod(shape))
        index = np.arange(self.drawn + 1, self.drawn + count + 1, dtype=np.uint64)
        self.drawn += count
        words = _mixed(self.keys[:, None] + index * _GOLDEN)
        numbers = (words >> np.uint64(11)).astype(np.float64) / 2.0**53
        return (0.01 + 0.98 * numbers).reshape(len(self.keys), *shape)

    def between(self, low: float, high: float, *shape: int) -> np.ndarray:
        return low + (high - low) * self.uniform(*shape)

    def normal(self, *shape: int) -> np.ndarray:
        """Standard normal, truncated at 2.3, so that no writer is extreme."""
        return ndtri(self.uniform(*shape))


_GOLDEN = np.array(0x9E3779B97F4A7C15, dtype=np.uint64)


def _mixed(words: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele et al. 2014): each bit of the result depends on all bits of
    the input."""
    with np.errstate(over="ignore"):
        words = np.asarray(words, dtype=np.uint64)
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return words ^ (words >> np.uint64(31))
