"""Steps as their definitions read: whole volumes in float64, one step after the other, nothing folded; plain, slow."""

from dataclasses import dataclass, replace
from math import inf

import numpy as np
import plain_grids
from numpy.typing import NDArray
from oracles import Floats

from pipeline.program.step import Step
from pipeline.steps.centre import Centre
from pipeline.steps.clip import Clip
from pipeline.steps.normalise import TARGETS, Normalise
from pipeline.steps.window import PRESETS, Window
from pipeline.volume import Volume, VolumeSpec


@dataclass(frozen=True, eq=False)
class Plain:
    """What a list of steps has made so far: values and masks on a grid, and for each channel what its numbers mean.

    ``limits`` [c, 2] is the range that is known, ``padding`` [c] what padding has become, and ``slope`` [c] what 1 HU
    has.
    """

    grid: plain_grids.Gridded
    limits: Floats
    padding: Floats
    slope: Floats

    @classmethod
    def of(cls, source: Volume, spec: VolumeSpec) -> "Plain":
        """Return a volume of Hounsfield units as it is before any step."""
        values, affine = source.by_channel.astype(np.float64), source.geometry.affine_lps
        grid = plain_grids.Gridded(values, source.valid, source.valid, affine, spec.reach)
        return cls(grid, np.array([[-inf, inf]]), np.array([spec.padding_hu]), np.array([1.0]))

    @property
    def seen(self) -> Floats:
        """The values of measured voxels, [c, n]."""
        return self.grid.values[:, self.grid.valid]

    def lined(self, a: Floats, b: Floats, low: Floats, high: Floats) -> "Plain":
        """Return ``clip(a * value + b, low, high)`` of all values, one line per channel."""

        def line(values: NDArray[np.float64]) -> Floats:
            lines = [each.reshape(-1, *(1 for _ in values.shape[1:])) for each in (a, b, low, high)]
            return np.clip(lines[0] * values + lines[1], lines[2], lines[3])

        grid = replace(self.grid, values=line(self.grid.values))
        return Plain(grid, line(self.limits), line(self.padding), self.slope * a)


def done(step: Step, before: Plain) -> Plain:
    """Return what a step leaves."""
    if isinstance(step, Clip | Window):
        return _clipped(step, before)
    if isinstance(step, Normalise):
        return _normalised(step, before)
    if isinstance(step, Centre):
        return _centred(step, before)
    return replace(before, grid=plain_grids.done(step, before.grid, before.padding))


def _clipped(step: Clip | Window, before: Plain) -> Plain:
    ranges = [_range(step)] * len(before.slope)
    if isinstance(step, Window) and step.channels:
        ranges = [_range(Window(channel.preset, channel.centre_hu, channel.width_hu)) for channel in step.channels]
        before = Plain(
            replace(before.grid, values=np.repeat(before.grid.values, len(ranges), axis=0)),
            *(np.repeat(told, len(ranges), axis=0) for told in (before.limits, before.padding, before.slope)),
        )
    one = np.ones(len(ranges))
    return before.lined(one, 0 * one, *np.array(ranges, np.float64).T)


def _range(step: Clip | Window) -> tuple[float, float]:
    if isinstance(step, Clip):
        return step.low_hu or 0, step.high_hu or 0
    centre, width = PRESETS[step.preset] if step.preset else (step.centre_hu or 0, step.width_hu or 0)
    return centre - width / 2, centre + width / 2


def _normalised(step: Normalise, before: Plain) -> Plain:
    endless = np.full(len(before.slope), inf)
    if step.to == "z_score":
        mean, std = before.seen.mean(axis=1), before.seen.std(axis=1)
        return before.lined(1 / std, -mean / std, -endless, endless)
    of_volume = step.statistics == "volume"
    low, high = (before.seen.min(axis=1), before.seen.max(axis=1)) if of_volume else before.limits.T
    least, most = TARGETS[step.to]
    a = (most - least) / (high - low)
    return before.lined(a, least - a * low, 0 * a + least, 0 * a + most)


def _centred(step: Centre, before: Plain) -> Plain:
    one, endless = np.ones(len(before.slope)), np.full(len(before.slope), inf)
    mean = before.seen.mean(axis=1) if step.mean == "volume" else float(step.mean) * one
    return before.lined(one, -mean, -endless, endless)
