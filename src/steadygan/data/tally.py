"""Counts what decoding lost of the images of a data set, and reports it in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from steadygan.data.images import WHITE, Traits

_FEW = 64  # of 256: fewer grey levels in use are reported
#: Sides that images are made at.
SIDES = (16, 28, 32, 48, 64, 96, 128, 192, 256)


@dataclass
class Tally:
    """Counts over images. `levels`: least and greatest value of all 16-bit grey ones, `deep` of
    them; `upper` the greatest of `coloured` ones with 16 bits a channel; `equal`: images with the
    pixels of another; `clear` with transparent parts; `uneven`: not square, with edges of many
    colours; `longest`: their longer sides in pixels; `sides`: those of the squares that are
    resized."""

    images: int = 0
    cropped: int = 0
    deep: int = 0
    levels: tuple[int, int] = (WHITE, 0)
    coloured: int = 0
    upper: int = 0
    equal: int = 0
    clear: int = 0
    uneven: int = 0
    longest: list[int] = field(default_factory=list)
    sides: list[int] = field(default_factory=list)

    def add(self, traits: Traits) -> None:
        self.images += 1
        self.clear += traits.clear
        self.uneven += traits.uneven
        if traits.longest:
            self.longest.append(traits.longest)
            self.sides.append(traits.side)
        self.cropped += traits.cropped
        if traits.levels is not None:
            self.deep += 1
            least, greatest = traits.levels
            self.levels = min(self.levels[0], least), max(self.levels[1], greatest)
        if traits.upper is not None:
            self.coloured += 1
            self.upper = max(self.upper, traits.upper)

    def enlarged(self, size: int) -> str:
        """A line where a quarter of the images or more are smaller than `size`; else nothing."""
        small = sum(each < size for each in self.sides)
        if 4 * small < max(self.images, 1):
            return ""
        usual = sorted(self.sides)[len(self.sides) // 4]
        fits = max((side for side in SIDES if side <= usual), default=SIDES[0])
        return (
            f"{small:,} of {self.images:,} images are smaller than {size} px and are enlarged, "
            f"which blurs them: {fits} px suits them better"
        )

    def notes(self, background: str = "white") -> list[str]:
        """A line for each loss."""
        said = []
        if self.clear:
            said.append(
                f"{self.clear:,} of {self.images:,} images have transparent parts, drawn over "
                f"{background}; `steadygan data build folder --background` takes another colour"
            )
        if self.deep:
            least, greatest = self.levels
            white = white_of(greatest)
            used = (greatest - least) * 255 // white + 1
            few = f"; {used} of 256 grey levels are used" if used < _FEW else ""
            said.append(
                f"{self.deep:,} images of 16-bit grey hold {least:,} to {greatest:,}: scaled by "
                f"255/{white}, one scale for all{few}"
            )
        if self.coloured:
            said.append(
                f"{self.coloured:,} images have 16 bits a colour channel, of which the upper 8 are "
                f"read (up to {self.upper} of 255); save them as 8 bits to set the scale"
            )
        if self.cropped:
            said.append(
                f"{self.cropped:,} of {self.images:,} images are not square: their centre is "
                "taken; `steadygan data build folder` fills them up instead"
            )
        if self.equal:
            said.append(
                f"{self.equal:,} images have the same pixels as another; equal ones lie on one "
                "side of the split"
            )
        return said


def white_of(greatest: int) -> int:
    """The white level of 16-bit grey images that hold up to `greatest`: that of the smallest bit
    depth, 8 or more, that holds it. 12-bit scans in 16-bit files have 4095."""
    return max(255, 2 ** greatest.bit_length() - 1)
