"""A mask drawn on a series' grid: its labels, what became of each region, and the warnings that follow."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.masks.grid import Labels
from pipeline.vocabulary import SeriesWarning


def name_region(text: object, number: object) -> str:
    """Return what a region is called; one without a name has a name of its own by its number in the object."""
    return str(text or "").strip(" \0") or f"unnamed {number}"


@dataclass(frozen=True)
class RegionChoice:
    """Which regions of an object are wanted, what numbers they get, and whether each is a layer of its own.

    ``regions`` are names and patterns: a region gets the place, from 1, of the first pattern that is found in its
    name.  Without them ``numbers`` are those of the names over the cohort, where they are known.  ``n_layers`` is how
    many layers every series has, where regions are layers.
    """

    roi: str | None = None
    layers: bool = False
    regions: tuple[tuple[str, str], ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()
    n_layers: int = 0

    def wants(self, name: str) -> bool:
        """Tell whether a region of this name is wanted."""
        if self.regions:
            return any(re.search(pattern, name) for _, pattern in self.regions)
        return self.roi is None or re.search(self.roi, name) is not None

    def assign_numbers(self, names: Sequence[str], own_numbers: Sequence[int] | None = None) -> list[int | None]:
        """Return the number of each region; None where it is not wanted.

        Where no numbers are known, regions keep their own, or are numbered from 1.  Regions that get the same number
        become one.
        """
        known, numbers, n_wanted = dict(self.numbers), list[int | None](), 0
        for place, name in enumerate(names):
            if not self.wants(name):
                numbers.append(None)
                continue
            n_wanted += 1
            if self.regions:
                numbers.append(self._find_place(name))
            elif known:
                numbers.append(known.get(name))
            else:
                numbers.append(n_wanted if own_numbers is None else own_numbers[place])
        return numbers

    def _find_place(self, name: str) -> int:
        found = [n for n, (_, pattern) in enumerate(self.regions, start=1) if re.search(pattern, name)]
        return found[0]


@dataclass(frozen=True)
class DrawnRegion:
    """One region of an object, as it was drawn.

    ``name`` is free text of the object: it may be kept in ``private/`` alone.  ``n_used`` counts contours or frames
    drawn, ``skipped`` those that were not, by reason.  ``n_voxels`` are marked on the source's slices, ``n_lost`` of
    them lie under another region.
    """

    name: str
    number: int
    n_used: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    n_voxels: int = 0
    n_lost: int = 0


@dataclass(frozen=True, eq=False)
class DrawnMask:
    """Labels [z, y, x] on the slices of the source, or [region, z, y, x] where regions are layers.

    A layer holds 1 where its region is; layer i is the region with the number i + 1.  ``between`` holds the same on
    planes of slices that are missing, by their place in the repaired stack, where something was drawn on them.
    """

    labels: Labels
    regions: tuple[DrawnRegion, ...] = ()
    warnings: frozenset[SeriesWarning] = frozenset()
    between: Mapping[int, Labels] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether no voxel is marked."""
        return not (np.any(self.labels) or self.between)

    def fill_missing(self, labels: Labels) -> Labels:
        """Return labels on the repaired stack with what was drawn on its missing slices in place.

        ``labels`` [..., z, y, x] hold what follows from the slices around; a region that was drawn on a missing slice
        is there what was drawn.
        """
        if not self.between:
            return labels
        filled = labels.copy()
        for z, drawn in self.between.items():
            plane = filled[..., z, :, :]
            for value, into in zip(*_split_layers(drawn, plane), strict=True):
                into[np.isin(into, value[value > 0])] = 0
                np.copyto(into, value, where=value > 0)
        return filled


def _split_layers(*planes: Labels) -> tuple[Labels, ...]:
    """Return planes [y, x] or [region, y, x] as layers."""
    return tuple(plane.reshape(-1, *plane.shape[-2:]) for plane in planes)
