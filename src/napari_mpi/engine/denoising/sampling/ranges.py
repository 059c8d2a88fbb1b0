"""Ranges of an item's intensities, put together from the parts that are read."""

import dataclasses
import functools
import math
import operator

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.images.extremes import Extent, Found, look_in, rule_of
from napari_mpi.engine.images.intensity import IntensityMap, measure, together
from napari_mpi.engine.images.marks import MarkRule, Marks, is_void

Array = NDArray[np.generic]
NoData = tuple[tuple[float, float], ...]
"""Ranges of values, ends included, that stand for no measurement."""

_FLASH = 2.0  # spans of the other planes, by which nearly all of a plane is brighter
_FEW = 0.25  # share of the planes, that may be so
_UNKNOWN = IntensityMap(0.0, 0.0)


class Ranges:
    """Collects what is found in the parts of an item.

    Parameters
    ----------
    no_data : tuple of (float, float)
        Ranges of values that stand for no measurement.
    opponents : bool
        Whether the network is to see the colours by their opponents.
    """

    def __init__(self, no_data: NoData, *, opponents: bool) -> None:
        self._no_data, self._opponents = no_data, opponents
        self._parts: dict[int, list[tuple[Found, IntensityMap]]] = {}

    def add(self, plane: int, values: Array) -> Marks | None:
        """Note a part of a plane; return how it would be marked by itself.

        Parameters
        ----------
        plane : int
            Number of the plane within the item.
        values : NDArray
            Shape (C, Y, X), in the image's units.
        """
        found = look_in(values, self._no_data)
        marks = found.rule.marks(values)
        void = None if marks is None else is_void(marks)
        parts = self._parts.setdefault(plane, [])
        if void is None or not void.all():
            part = measure([values], opponents=self._opponents, void=void)
            parts.append((found, part))
        elif not parts:
            parts.append((found, _UNKNOWN))
        return marks

    def together(
        self, *, is_sampled: bool
    ) -> tuple[IntensityMap, MarkRule, dict[int, IntensityMap]]:
        """Return range, rule, and the ranges of planes that are far brighter.

        Parameters
        ----------
        is_sampled : bool
            Whether there are planes that were not read.
        """
        known = {plane: _extent(parts) for plane, parts in self._parts.items()}
        known = {plane: found for plane, found in known.items() if not found.is_empty}
        flashes = _flashes(known)
        usual = [extent for plane, extent in known.items() if plane not in flashes]
        extent = functools.reduce(operator.or_, usual, Extent()).settled()
        constants = [
            value
            for parts in self._parts.values()
            for found, _ in parts
            for value in found.constants
        ]
        rule = rule_of(extent, constants, self._no_data)
        maps = {
            plane: self._map_of([plane], known[plane].settled(), is_sampled=False)
            for plane in flashes
        }
        others = [plane for plane in known if plane not in flashes]
        return self._map_of(others, extent, is_sampled=is_sampled), rule, maps

    def _map_of(
        self, planes: list[int], extent: Extent, *, is_sampled: bool
    ) -> IntensityMap:
        parts = [
            part
            for plane in planes
            for found, part in self._parts[plane]
            if not found.extent.is_empty
        ]
        if not parts:
            return dataclasses.replace(_UNKNOWN, is_sampled=is_sampled)
        whole = together(parts, is_sampled=is_sampled)
        found = [part for plane in planes for part, _ in self._parts[plane]]
        # What is far out in one part may lie within the range of another.
        if extent.above == math.inf > min(part.extent.above for part in found):
            whole = dataclasses.replace(whole, high=extent.high)
        if extent.below == -math.inf < max(part.extent.below for part in found):
            whole = dataclasses.replace(whole, low=extent.low)
        return whole


def _extent(parts: list[tuple[Found, IntensityMap]]) -> Extent:
    return functools.reduce(operator.or_, (found.extent for found, _ in parts))


def _flashes(known: dict[int, Extent]) -> set[int]:
    """Return the planes that are far brighter than most others, if they are few."""
    if len(known) < 3:
        return set()
    low = float(np.median([extent.low for extent in known.values()]))
    high = float(np.median([extent.high for extent in known.values()]))
    limit = low + _FLASH * (high - low)
    found = {plane for plane, extent in known.items() if extent.bulk > limit}
    return found if len(found) <= _FEW * len(known) else set()
