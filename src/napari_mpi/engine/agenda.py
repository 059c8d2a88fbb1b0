"""Which plane comes next: the one that a person looks at, then its neighbours."""

from collections.abc import Iterable, Mapping

import numpy as np

from napari_mpi.engine.axes import ImageAxes

_FAR = 1_000_000  # another channel is farther than any plane of the same one


class Agenda:
    """Planes that are still to be filled.

    Parameters
    ----------
    layout : ImageAxes
        Axes of the image.
    waiting : iterable of int
        Numbers of the planes, in the order of `ImageAxes.planes`.
    """

    def __init__(self, layout: ImageAxes, waiting: Iterable[int]) -> None:
        planes = layout.planes()
        self._numbers = np.fromiter(waiting, dtype=np.int64)
        letters = self._letters = layout.stack_letters
        places = [layout.numbers(planes[number]) for number in self._numbers]
        # A plane without further dimensions stands nowhere, which is a place as well.
        self._places = np.array(places, dtype=np.int64).reshape(
            len(places), len(letters)
        )
        self._weights = np.array([_FAR if letter == "C" else 1 for letter in letters])
        self._waits = np.ones(len(self._numbers), dtype=bool)

    def next(self, looked_at: Mapping[str, int] | None) -> int | None:
        """Take the plane that comes next; None when all are taken.

        Parameters
        ----------
        looked_at : mapping, optional
            Where a person looks: a number for each letter of `ImageAxes.stack_letters`;
            without it, the first in order comes next.
        """
        left = np.flatnonzero(self._waits)
        if not len(left):
            return None
        chosen = left[0]
        if looked_at is not None:
            here = [looked_at.get(letter, 0) for letter in self._letters]
            away = np.abs(self._places[left] - np.array(here, dtype=np.int64))
            chosen = left[int((away * self._weights).sum(axis=1).argmin())]
        self._waits[chosen] = False
        return int(self._numbers[chosen])
