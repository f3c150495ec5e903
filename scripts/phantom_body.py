"""A small made-up body, defined everywhere in space: its Hounsfield value can be asked for at any place."""

from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

AIR_HU = -1000.0
EDGE_MM = 4.0
"""Over this length one tissue passes into the next, as partial volumes do."""


@dataclass(frozen=True)
class Organ:
    """An ellipsoid (x, y, z in LPS millimetres about the middle of the chest); infinitely long, a cylinder."""

    name: str
    hu: float
    centre_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]

    def share(self, places_mm: Array) -> Array:
        """Return how much of each place [..., 3] the organ fills, from 0 to 1."""
        reach = np.sqrt((((places_mm - self.centre_mm) / self.radii_mm) ** 2).sum(axis=-1))
        return np.clip(0.5 + (1 - reach) * min(self.radii_mm) / EDGE_MM, 0, 1)


CHEST = (
    Organ("table", 80, (4, 76, 0), (82, 7, inf)),
    Organ("fat", -95, (0, 0, 0), (78, 60, inf)),
    Organ("muscle", 45, (0, 0, 0), (70, 53, inf)),
    Organ("left lung", -820, (34, -4, 8), (25, 36, 62)),
    Organ("right lung", -790, (-33, 2, 14), (29, 39, 50)),
    Organ("heart", 60, (12, -16, -14), (23, 19, 26)),
    Organ("liver", 95, (-30, -4, -58), (32, 34, 28)),
    Organ("vessel", 160, (-30, 6, 10), (7, 6, 22)),
    Organ("nodule", 20, (38, 10, 30), (6, 6, 6)),
    Organ("breastbone", 380, (2, -48, 6), (11, 5, 48)),
    Organ("spine", 480, (3, 34, 0), (14, 13, inf)),
    Organ("canal", 25, (3, 42, 0), (5, 5, inf)),
)
"""Painted in this order, each over those before it; nothing in it is symmetric."""


def body(rng: np.random.Generator, height_mm: float, *, prone: bool = False) -> tuple[Organ, ...]:
    """Return one person's chest with its middle at z = ``height_mm``: each organ a little moved and scaled.

    Who lies prone has the table at the front.
    """
    return tuple(_varied(organ, rng, height_mm, -1 if prone and organ.name == "table" else 1) for organ in CHEST)


def hu_at(organs: tuple[Organ, ...], places_mm: Array) -> Array:
    """Return the Hounsfield value at each place [..., 3]."""
    hu = np.full(places_mm.shape[:-1], AIR_HU)
    for organ in organs:
        hu += organ.share(places_mm) * (organ.hu - hu)
    return hu


def _varied(organ: Organ, rng: np.random.Generator, height_mm: float, side: int) -> Organ:
    x, y, z = (float(value) for value in np.add(organ.centre_mm, rng.uniform(-2, 2, 3)))
    radii = (float(value) for value in np.multiply(organ.radii_mm, rng.uniform(0.95, 1.05, 3)))
    return replace(organ, centre_mm=(x, side * y, z + height_mm), radii_mm=tuple(radii))
