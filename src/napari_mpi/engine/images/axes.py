"""Axes strings such as 'TZCYX': what each dimension of an image means."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.runtime.errors import AxesError

Index = tuple[int | slice, ...]

LETTERS = {
    "X": "width", "Y": "height", "Z": "depth", "T": "time", "C": "channel",
    "S": "colour", "P": "position", "R": "tile", "A": "angle", "H": "phase",
    "V": "view", "E": "lambda", "L": "exposure", "Q": "other", "I": "sequence",
    "M": "mosaic",
}  # fmt: skip
"""Letters that an axes string may use, with their meaning (those of tifffile)."""

UNTOLD = frozenset("QI")
"""Those of them that say nothing of a dimension but that it is there."""

_BESIDE = 8  # times as long as a last dimension of channels are those before it


@dataclass(frozen=True, slots=True)
class ImageAxes:
    """The axes of one image, and the planes it is denoised by.

    A plane is Y by X, with the colours S where there are three, or four with opacity.
    All planes of one channel C are an item: they share one mapping of intensities.

    Parameters
    ----------
    letters : str
        One of `LETTERS` per dimension, Y and X among them, none twice.
    shape : tuple of int
        Shape of the image, no side 0.

    Raises
    ------
    AxesError
        If letters and shape do not fit each other, or a letter is unknown.
    """

    letters: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        letters, shape = self.letters, self.shape
        if 0 in shape:
            raise AxesError(
                f"the image has shape {shape}, which holds no pixel: check the file or"
                " the crop"
            )
        if len(letters) != len(shape):
            raise AxesError(
                f"axes {letters!r} have {len(letters)} letters but the image has shape"
                f" {shape}: give one letter per dimension"
            )
        unknown = [letter for letter in letters if letter not in LETTERS]
        if unknown or len(set(letters)) < len(letters):
            raise AxesError(
                f"axes {letters!r} are not usable: use each of {''.join(LETTERS)} at"
                " most once"
            )
        if not {"Y", "X"} <= set(letters):
            raise AxesError(
                f"axes {letters!r} lack {'Y' if 'Y' not in letters else 'X'}: name"
                " both, such as 'YX' or 'ZYX'"
            )

    @property
    def is_colour(self) -> bool:
        """Whether three colours are denoised together; opacity is left alone."""
        return "S" in self.letters and self._size("S") in (3, 4)

    @property
    def plane_letters(self) -> str:
        """The letters of one plane, in the order of the image."""
        return "".join(letter for letter in self.letters if letter in self._inside)

    @property
    def without_colours(self) -> "ImageAxes":
        """The axes of what has one value for all colours of a pixel."""
        kept = [n for n, letter in enumerate(self.letters) if not self._tints(letter)]
        letters = "".join(self.letters[n] for n in kept)
        return ImageAxes(letters, tuple(self.shape[n] for n in kept))

    def index_without_colours(self, index: Index) -> Index:
        """Return the same index of what has the axes `without_colours`."""
        pairs = zip(self.letters, index, strict=True)
        return tuple(at for letter, at in pairs if not self._tints(letter))

    def items(self) -> list[list[Index]]:
        """Return the index of every plane, item by item."""
        return [list(self._planes(channel)) for channel in range(self.channel_count)]

    def planes(self) -> list[Index]:
        """Return the index of every plane, all of one item before those of the next."""
        return [plane for item in self.items() for plane in item]

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of a plane."""
        return self._size("Y"), self._size("X")

    @property
    def channel_count(self) -> int:
        """How many items there are."""
        return self._size("C") if "C" in self.letters else 1

    @property
    def plane_count(self) -> int:
        """How many planes there are, over all items."""
        return math.prod(self._size(letter) for letter in self.stack_letters)

    @property
    def stack_letters(self) -> str:
        """The letters of the dimensions that tell planes apart, in their order."""
        return "".join(letter for letter in self.letters if letter not in self._inside)

    def numbers(self, plane: Index) -> tuple[int, ...]:
        """Return where a plane stands along each of the `stack_letters`."""
        pairs = zip(plane, self.letters, strict=True)
        return tuple(
            at for at, letter in pairs
            if letter not in self._inside and isinstance(at, int)
        )  # fmt: skip

    def beside(self, plane: Index, letter: str, step: int) -> Index | None:
        """Return the index of a plane so many steps along an axis; None if outside."""
        axis = self.letters.index(letter)
        here = plane[axis]
        assert isinstance(here, int), f"planes do not stand apart along {letter}"
        if not 0 <= here + step < self.shape[axis]:
            return None
        return (*plane[:axis], here + step, *plane[axis + 1 :])

    def part(self, plane: Index, window: tuple[slice, slice]) -> Index:
        """Return the index of a window, rows and columns, of a plane."""
        places = dict(zip("YX", window, strict=True))
        return tuple(
            places.get(letter, at)
            for letter, at in zip(self.letters, plane, strict=True)
        )

    def channels_first(self, plane: NDArray[np.generic]) -> NDArray[np.generic]:
        """Arrange a plane as (C, Y, X), with C = 1 for a grey one."""
        order = [
            self.plane_letters.index(letter)
            for letter in "SYX"
            if letter in self.plane_letters
        ]
        arranged = plane.transpose(order)
        return arranged if self.is_colour else arranged[None]

    def from_channels_first(self, plane: NDArray[np.generic]) -> NDArray[np.generic]:
        """Undo `channels_first`."""
        letters = "SYX" if self.is_colour else "YX"
        plane = plane if self.is_colour else plane[0]
        return plane.transpose([letters.index(letter) for letter in self.plane_letters])

    def _planes(self, channel: int) -> Iterator[Index]:
        whole, colours = (slice(None),), (slice(0, 3),)  # opacity is left alone
        inside: dict[str, Iterable[int | slice]] = {
            "Y": whole,
            "X": whole,
            "C": (channel,),
        } | ({"S": colours} if self.is_colour else {})
        choices = (
            inside.get(letter, range(size))
            for letter, size in zip(self.letters, self.shape, strict=True)
        )
        return itertools.product(*choices)

    def _tints(self, letter: str) -> bool:
        return letter == "S" and self.is_colour

    @property
    def _inside(self) -> str:
        return "SYX" if self.is_colour else "YX"

    def _size(self, letter: str) -> int:
        return self.shape[self.letters.index(letter)]


def guess_axes(shape: tuple[int, ...], *, colour: bool | None = None) -> str:
    """Guess the axes of an array that comes without.

    A last dimension of 3 is colour, one of 1, 2 or 4 beside much longer ones holds
    channels; the two before it (or else the last two) are Y and X; one further
    dimension is a stack Z, more are T and Z, then C.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    colour : bool, optional
        Whether the last dimension is colour, where that is known.

    Raises
    ------
    AxesError
        If there are fewer than two dimensions, or too many to guess.
    """
    plane = "YX" + _trailing(shape, colour)
    stacks = {0: "", 1: "Z", 2: "TZ", 3: "TZ" if "C" in plane else "TZC"}
    others = stacks.get(len(shape) - len(plane))
    if others is None or len(others + plane) != len(shape):
        raise AxesError(
            f"the axes of shape {shape} cannot be guessed: name them, such as 'YX' or"
            " 'ZYX'"
        )
    return others + plane


def _trailing(shape: tuple[int, ...], colour: bool | None) -> str:
    """Return the letter of a last dimension behind Y and X, if there is one."""
    if len(shape) < 3:
        return ""
    if colour or (colour is None and shape[-1] == 3):
        return "S"
    beside = min(shape[-3:-1])
    return "C" if shape[-1] in (1, 2, 4) and beside >= _BESIDE * shape[-1] else ""


def told_or_guessed(
    letters: str, shape: tuple[int, ...], *, colour: bool | None = None
) -> tuple[str, bool]:
    """Return the axes that a file names, or a guess where it does not name them all.

    Parameters
    ----------
    letters : str
        One per dimension; Q and I are tifffile's for one of which nothing is said.
    shape : tuple of int
        Of the array.
    colour : bool, optional
        As for `guess_axes`; where a letter is S, it is known.

    Returns
    -------
    tuple of str and bool
        The axes, and whether they are guessed.

    Raises
    ------
    AxesError
        If they have to be guessed and cannot be.
    """
    named = set(letters) <= set(LETTERS) - UNTOLD and len(set(letters)) == len(letters)
    if named and len(letters) == len(shape) and {"Y", "X"} <= set(letters):
        return letters, False
    ends_in_colour = letters.endswith("S") and shape[-1] in (3, 4)
    return guess_axes(shape, colour=ends_in_colour or colour), True


def guessed_in_words(letters: str) -> str:
    """Return what to tell of axes that were guessed."""
    return (
        f"the file does not say what its dimensions are: taken as {letters}; give"
        " --axes for others"
    )
