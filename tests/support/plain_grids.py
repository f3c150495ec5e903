"""Changes of grid as their definitions read: whole volumes in float64, one dense matrix an axis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np
import oracles
from oracles import Floats

from pipeline.program.step import Step
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.even_slices import EvenSlices
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.volume import Mask

HALF = 0.5 - 1e-6
RIM = 1e-6


@dataclass(frozen=True, eq=False)
class Gridded:
    """Values [c, z, y, x]; where they were measured, and where they may be blended all the same [z, y, x].

    ``affine`` leads from the index (z, y, x, 1) to LPS millimetres, and ``reach`` says, an axis, how far a measurement
    speaks, in samples.
    """

    values: Floats
    valid: Mask
    usable: Mask
    affine: Floats
    reach: Sequence[float | None]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many samples there are along z, y and x."""
        return self.valid.shape

    @property
    def spacing_mm(self) -> Floats:
        """How far they are apart."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def done(step: Step, before: Gridded, padding: Floats) -> Gridded:
    """Return what a step on the grid leaves."""
    match step:
        case Orient():
            return oriented(before)
        case Resample():
            return resampled(step, before)
        case CropOrPad():
            return cropped(step, before, padding)
        case CorrectTilt():
            return upright(step, before, padding)
        case EvenSlices():
            return even(step, before)
        case _:
            raise NotImplementedError(step.name)


def affine_of(start: Sequence[float], step: Sequence[float]) -> Floats:
    """Return the matrix that leads from a new index to an old one, ``start + step * index``."""
    matrix = np.diag([*step, 1.0])
    matrix[:3, 3] = start
    return matrix


def oriented(before: Gridded) -> Gridded:
    """Permute and flip the axes to the nearest patient axes."""
    order = [int(np.abs(before.affine[patient_axis, :3]).argmax()) for patient_axis in (2, 1, 0)]
    turn = np.eye(4)[:, [*order, 3]]
    flips = [i for i, axis in enumerate(order) if before.affine[2 - i, axis] < 0]
    for i in flips:
        axis = order[i]
        turn[axis, i], turn[axis, 3] = -1, before.shape[axis] - 1
    valid, usable = (np.flip(mask.transpose(order), flips) for mask in (before.valid, before.usable))
    values = np.stack([np.flip(channel.transpose(order), flips) for channel in before.values])
    return Gridded(values, valid, usable, before.affine @ turn, [before.reach[axis] for axis in order])


def cropped(step: CropOrPad, before: Gridded, padding: Floats) -> Gridded:
    """Cut or fill evenly on both sides."""
    starts = [int((n - new) / 2) for n, new in zip(before.shape, step.shape, strict=True)]
    values = np.empty((len(padding), *step.shape))
    values[:] = padding[:, None, None, None]
    valid, usable = np.zeros((2, *step.shape), np.bool_)
    source = tuple(slice(max(s, 0), s + new) for s, new in zip(starts, step.shape, strict=True))
    sizes = before.valid[source].shape
    target = tuple(slice(max(-s, 0), max(-s, 0) + size) for s, size in zip(starts, sizes, strict=True))
    values[:, *target] = before.values[:, *source]
    valid[target], usable[target] = before.valid[source], before.usable[source]
    return Gridded(values, valid, usable, before.affine @ affine_of(starts, (1, 1, 1)), before.reach)


def resampled(step: Resample, before: Gridded) -> Gridded:
    """Sample anew, the centre staying where it is."""
    shape, ratios = zip(*(_asked(step, axis, before) for axis in range(3)), strict=True)
    starts = [((n - 1) - ratio * (new - 1)) / 2 for n, new, ratio in zip(before.shape, shape, ratios, strict=True)]
    positions = [start + ratio * np.arange(n) for start, ratio, n in zip(starts, ratios, shape, strict=True)]
    matrices = [
        np.eye(n) if ratio == 1 else _matrix(at, np.arange(float(n)), step, ratio)
        for at, n, ratio in zip(positions, before.shape, ratios, strict=True)
    ]
    is_cubic = step.method == "cubic" and any(ratio != 1 for ratio in ratios)
    after = _blended(
        before, matrices, [_within(at, n) for at, n in zip(positions, before.shape, strict=True)], is_cubic
    )
    spoken = [_spoken_for(at, reach, ratio) for at, reach, ratio in zip(positions, before.reach, ratios, strict=True)]
    return replace(
        after,
        valid=after.valid & _box(spoken),
        affine=before.affine @ affine_of(starts, ratios),
        reach=[reach if ratio == 1 else None for reach, ratio in zip(before.reach, ratios, strict=True)],
    )


def _asked(step: Resample, axis: int, before: Gridded) -> tuple[int, float]:
    """Return the new number of samples, and their distance in old ones."""
    n, mm = before.shape[axis], float(before.spacing_mm[axis])
    if step.spacing_mm is not None:
        ratio = (step.spacing_mm[axis] or mm) / mm
        return (n, 1.0) if abs(ratio - 1) < 1e-6 else (max(1, ceil(n / ratio - 1e-6)), ratio)
    factor = (step.factor[axis] if step.factor else None) or 1
    new = max(1, ceil(n * factor - 1e-6))
    return new, n / new


def _matrix(positions: Floats, samples: Floats, step: Resample, ratio: float) -> Floats:
    """Return the weights of every sample for every position."""
    width = ratio if step.antialias and ratio > 1 else 1.0
    inside = np.clip(positions, samples[0], samples[-1])
    if step.method == "nearest":
        return np.array([oracles.nearest_row(at, samples) for at in inside], np.float64)
    row = oracles.triangle_row if step.method == "linear" else oracles.cubic_row
    return np.array([row(at, width, samples) for at in inside])


def _within(positions: Floats, n: int) -> Mask:
    return (positions >= -RIM) & (positions <= n - 1 + RIM)


def _spoken_for(positions: Floats, reach: float | None, ratio: float) -> Mask:
    if reach is None or ratio == 1:
        return np.ones(len(positions), np.bool_)
    return np.abs(positions - np.rint(positions)) <= max(reach, ratio / 2) + RIM


def _box(axes: Sequence[Mask]) -> Mask:
    """Return where all three axes say yes."""
    z, y, x = axes
    return z[:, None, None] & y[:, None] & x


def _blended(before: Gridded, matrices: Sequence[Floats], within: Sequence[Mask], is_cubic: bool = False) -> Gridded:  # noqa: FBT001, FBT002
    """Return weighted sums over usable voxels: usable themselves if half of their weight is, and measured likewise."""
    least = HALF if is_cubic else 1e-6
    layers = [*before.values, before.valid.astype(np.float64)]
    sums = [oracles.weighted_sums(layer, before.usable, tuple(matrices), least) for layer in layers]
    usable = (sums[-1][1] >= HALF) & _box(within)
    values = np.stack([values for values, _ in sums[:-1]])
    return replace(before, values=values, valid=usable & (sums[-1][0] >= HALF), usable=usable)


def even(step: EvenSlices, before: Gridded) -> Gridded:
    """Put planes at an even step, linear between the slices around each."""
    samples = np.array(step.positions_mm) / step.step_mm
    positions = np.arange(ceil(samples[-1] - RIM) + 1.0)
    rows = [np.interp(at, samples, unit) for at in positions for unit in np.eye(len(samples))]
    matrices = [np.reshape(rows, (len(positions), -1)), *(np.eye(n) for n in before.shape[1:])]
    near = np.array([np.abs(samples - at).min() <= 0.5 + RIM or _gap(samples, at) <= 1.5 + RIM for at in positions])
    rest = [np.ones(n, np.bool_) for n in before.shape[1:]]
    after = _blended(before, matrices, [positions <= samples[-1] + RIM, *rest])
    return replace(after, valid=after.valid & near[:, None, None], reach=[None, *before.reach[1:]])


def _gap(samples: Floats, at: float) -> float:
    """Return how far the slices around a position are apart."""
    return float(samples[samples >= at].min(initial=np.inf) - samples[samples < at].max(initial=-np.inf))


def upright(step: CorrectTilt, before: Gridded, padding: Floats) -> Gridded:
    """Move each slice by its own offset, linearly within it; outside of it lies padding."""
    pixels = [[offset[i] / before.spacing_mm[axis] for offset in step.offsets_mm] for axis, i in ((1, 1), (2, 0))]
    pixels = [[round(at) if abs(at - round(at)) <= 1e-4 else at for at in offsets] for offsets in pixels]
    lows = [floor(min(offsets)) for offsets in pixels]
    sizes = [n + ceil(max(at)) - low for n, at, low in zip(before.shape[1:], pixels, lows, strict=True)]
    slices = []
    for k, offsets in enumerate(zip(*pixels, strict=True)):
        alone = replace(before, values=before.values[:, [k]], valid=before.valid[[k]], usable=before.usable[[k]])
        at = [low - offset + np.arange(n) for low, offset, n in zip(lows, offsets, sizes, strict=True)]
        slices.append(_slid(alone, at, padding))
    values = np.concatenate([each.values for each in slices], axis=1)
    valid, usable = (np.concatenate(masks) for masks in zip(*((s.valid, s.usable) for s in slices), strict=True))
    return Gridded(values, valid, usable, _straight(before.affine) @ affine_of((0, *lows), (1, 1, 1)), before.reach)


def _slid(alone: Gridded, positions: list[Floats], padding: Floats) -> Gridded:
    """Return one slice sampled at these places along y and x."""
    step = Resample(factor=(1, 1, 1), antialias=False)
    matrices = [_matrix(at, np.arange(float(n)), step, 1) for at, n in zip(positions, alone.shape[1:], strict=True)]
    within = [np.ones(1, np.bool_), *(_within(at, n) for at, n in zip(positions, alone.shape[1:], strict=True))]
    after = _blended(alone, [np.eye(1), *matrices], within)
    return replace(after, values=np.where(_box(within), after.values, padding[:, None, None, None]))


def _straight(affine: Floats) -> Floats:
    """Return an affine whose slices advance along their normal as far as they did along it."""
    normal = np.cross(affine[:3, 2], affine[:3, 1])
    normal /= np.linalg.norm(normal)
    advance = affine[:3, 0] @ normal
    return np.column_stack([np.append(normal * advance, 0), affine[:, 1:]])
