"""The verdict on what a program made of a series, by one rule for all of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hard.phantom import Array, Part

OFF_HU = 50.0
OFF_SHARE = 0.01
SHIFT_MM, SAMPLED_POINTS = 32.0, 400
"""How far, and at how many points, a shift is looked for that would make a result right."""
LEAST_PLANES = 3
"""A thinner image written beside a volume (a localizer) is not judged."""
PADDING_HU = -1100.0
"""What is lower can be no air: padding that was left in."""
WARNING = re.compile(
    r"warn|error|unable|missing|inconsisten|uniform|unequal|duplicate|tilt|invalid|fail", re.IGNORECASE
)

RULE = f"""\
Judged are the tissue points of the scanned slices, each at its true place in the patient (trilinear); the outermost
slices and a rim of two pixels are left out, for another grid may blend them with what lies outside.  A result is wrong
when more than {OFF_SHARE:.0%} of the points are more than {OFF_HU:g} HU off, or lie outside it.  A warning is a line
on the console that is not there for the regular series.  Padding that is left in is not called wrong.  Where a series
holds several passes over one range, the middles between two slices of a pass are judged too, for there a mix of passes
shows; two volumes that are each a whole pass are right, and so are two that are each a whole stack of one scan.  A map
holds no Hounsfield units: what hands it on is called `as CT`, which is wrong only for a program that promises them."""


class Verdict(StrEnum):
    """What a program made of a series."""

    RIGHT = "right"
    REPAIRED = "repaired"
    UNMASKED = "unmasked"
    PART = "part"
    REASON = "reason"
    REFUSED = "refused"
    CRASHED = "crashed"
    MOVED = "moved"
    AS_CT = "as CT"
    WARNED = "wrong+w"
    WRONG = "WRONG"
    ABSENT = "-"

    @property
    def meaning(self) -> str:
        """What the word in the table stands for."""
        return MEANINGS[self]


MEANINGS = {
    Verdict.RIGHT: "right, without a word",
    Verdict.REPAIRED: "right, and a warning says that something was odd",
    Verdict.UNMASKED: "right, but padding is left in as if it had been measured",
    Verdict.PART: "what came out is right, and some of the slices were left out",
    Verdict.REASON: "refused with a reason: nothing came out, and the program says why",
    Verdict.REFUSED: "refused: nothing came out, and nothing says why",
    Verdict.CRASHED: "crashed: a signal, a time-out, or an error that no check raised",
    Verdict.MOVED: "right in itself, but not at its place in the patient: a shift of the whole makes it right",
    Verdict.AS_CT: "the values of a map came out like those of a CT: nothing says that they are no Hounsfield units",
    Verdict.WARNED: "wrong, though a warning on the console says that something was odd",
    Verdict.WRONG: "wrong as a success",
    Verdict.ABSENT: "not installed, or has no better mode",
}


@dataclass(frozen=True, eq=False)
class Result:
    """A volume that a program made: ``affine`` leads from its indices, in the order of its axes, to LPS mm."""

    array: NDArray[np.generic]
    affine: Array


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a program left: volumes, what it said, and whether it broke down."""

    results: tuple[Result, ...] = ()
    said: str = ""
    crashed: bool = False

    @property
    def notices(self) -> frozenset[str]:
        """The lines that warn of something, numbers and paths taken out."""
        lines = (re.sub(r"\S*[/\\]\S*|[\d.]+", "", line).strip() for line in self.said.splitlines())
        return frozenset(line for line in lines if WARNING.search(line))


def verdict_on(outcome: Outcome, parts: Sequence[Part], usual: frozenset[str] = frozenset()) -> Verdict:
    """Judge an outcome; ``usual`` are notices that the program gives for a regular series too.

    A series without ``parts`` holds no Hounsfield units.
    """
    volumes = [result for result in outcome.results if min(result.array.shape) >= LEAST_PLANES]
    warned = bool(outcome.notices - usual)
    if not volumes:
        return _empty_handed(outcome)
    if not parts:
        return Verdict.AS_CT
    fits = np.array([[off_share(volume, part) <= OFF_SHARE for part in parts] for volume in volumes])
    if not fits.any(axis=1).all():
        return _wrong(volumes, parts, warned=warned)
    if not fits.any(axis=0).all():
        return Verdict.PART
    if any(keeps_padding(volume, part) for volume in volumes for part in parts):
        return Verdict.UNMASKED
    return Verdict.REPAIRED if warned else Verdict.RIGHT


def _empty_handed(outcome: Outcome) -> Verdict:
    if outcome.crashed:
        return Verdict.CRASHED
    return Verdict.REASON if outcome.notices else Verdict.REFUSED


def _wrong(volumes: Sequence[Result], parts: Sequence[Part], *, warned: bool) -> Verdict:
    if all(min(off_share(volume, part, best_shift(volume, part)) for part in parts) <= OFF_SHARE for volume in volumes):
        return Verdict.MOVED
    return Verdict.WARNED if warned else Verdict.WRONG


def off_share(result: Result, part: Part, shift: Array | None = None) -> float:
    """Return the share of a part's points at which a result has other HU, or none; ``shift`` moves them first."""
    if shift is None:
        shift = np.zeros(3) if part.placed else middle_of(result) - part.centre
    hu, inside = sampled(result, part.points + shift)
    return float(np.mean(~inside | (np.abs(hu - part.hu) > OFF_HU)))


def middle_of(result: Result) -> Array:
    """Return where the middle of a result lies, in LPS mm."""
    middle = (np.array([*result.array.shape]) - 1) / 2
    return (result.affine @ [*middle, 1])[:3]


def best_shift(result: Result, part: Part) -> Array:
    """Return the shift of the whole, up to SHIFT_MM, after which a result fits best."""
    few = np.random.default_rng(0).choice(len(part.points), SAMPLED_POINTS)
    sample = Part(part.points[few], part.hu[few], part.padding, part.centre)
    best = np.zeros(3)
    for reach_mm in (SHIFT_MM, 2.0, 0.5):
        steps = np.linspace(-reach_mm, reach_mm, 17 if reach_mm == SHIFT_MM else 5)
        shifts = best + np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 3)
        best = shifts[np.argmin(misfits(result, sample, shifts))]
    return best


def misfits(result: Result, part: Part, shifts: Array) -> Array:
    """Return for each shift [k, 3] the mean difference in HU at the moved points; outside the result is far off."""
    hu, inside = sampled(result, (part.points + shifts[:, None]).reshape(-1, 3))
    off_hu = np.where(inside, np.abs(hu - np.tile(part.hu, len(shifts))), 1000.0)
    return off_hu.reshape(len(shifts), -1).mean(axis=1)


def sampled(result: Result, points: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return a result's HU at points in LPS mm, and which of them lie inside it (up to its outer faces)."""
    back = np.linalg.inv(result.affine)
    index = points @ back[:3, :3].T + back[:3, 3]
    inside = np.all((index > -0.51) & (index < np.array(result.array.shape) - 0.49), axis=1)
    return ndimage.map_coordinates(np.asarray(result.array, np.float64), index.T, order=1, mode="nearest"), inside


def keeps_padding(result: Result, part: Part) -> bool:
    """Report whether most padding is there as a value that no tissue has."""
    if not len(part.padding):
        return False
    hu, inside = sampled(result, part.padding)
    return bool(np.mean(inside & (hu < PADDING_HU)) > 0.5)
